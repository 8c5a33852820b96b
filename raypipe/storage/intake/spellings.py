"""Spellings of one account: counted on the distinct ids of a network, which is cheap.

raypipe cannot know whether ``7`` and ``7.0``, or ``Ann`` and ``ann``, are one account. It counts
them, and says which value of ``input.normalise`` joins them.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage.intake.id_values import NORMALISERS, shown
from raypipe.storage.records import Notice

#: Fewer followees that also follow make a notice: ids of both sides may be spelled differently.
_FEW = 0.01
#: A night stops for more ids than this, if it is also a large share of them.
_MANY = 10
#: Only a notice: short random ids that differ in case are many accounts.
_NEVER_STOPS = ("lower",)


def spelling_notices(
    ids: pa.LargeStringArray, follows: np.ndarray, followed: np.ndarray, config: InputConfig
) -> tuple[Notice, ...]:
    """Followees that also follow, where they are few, and ids that equal others when normalised.

    Args:
        ids: the distinct ids.
        follows, followed: bool[ids], whether each follows, and is followed.

    Raises:
        InputError: a normalisation would join many ids.
    """
    notices = []
    both, followees = int(np.sum(follows & followed)), int(np.sum(followed))
    if not config.bipartite and both < _FEW * followees:
        example = shown(ids[int(np.argmax(followed & ~follows))])
        kind = "followees also follow; the others are spelled otherwise, or of another kind"
        notices.append(Notice.of(kind, both, example, "input.bipartite", total=followees))
    is_ascii = pc.all(pc.string_is_ascii(ids)).as_py()
    for name in NORMALISERS:
        if name in config.normalise or (is_ascii and name in ("invisible", "nfc")):
            continue
        found = _equal_another(ids, name)
        if not len(found):
            continue
        example, key = shown(ids[int(found[0])]), f"input.normalise: [{name}]"
        if (
            name not in _NEVER_STOPS
            and len(found) > _MANY
            and len(found) > config.max_respelled_fraction * len(ids)
        ):
            raise InputError(
                f"input.{config.kind}: {len(found):,} of {len(ids):,} ids equal another id after "
                f"normalisation, such as {example}; set {key} to join them, or raise "
                "input.max_respelled_fraction"
            )
        kind = "ids equal another id after normalisation"
        notices.append(Notice.of(kind, len(found), example, key, total=len(ids)))
    return tuple(notices)


def unknown_ids(
    ids: pa.Array, unknown: np.ndarray, key: str, kind: str = "ids are unknown: without effect"
) -> tuple[Notice, ...]:
    """A notice on the ids of a list that are not in the follows; empty if all are.

    Args:
        unknown: bool[ids].
        key: of the config, which names the list.
    """
    found = np.flatnonzero(unknown)
    if not len(found):
        return ()
    example = shown(ids[int(found[0])])
    return (Notice.of(kind, len(found), example, "input.normalise", key, len(ids)),)


def _equal_another(ids: pa.LargeStringArray, name: str) -> np.ndarray:
    """int64: the ids that a normalisation changes, into what another id is or becomes."""
    texts = pa.chunked_array([ids])
    normal = NORMALISERS[name](texts)
    changed = np.flatnonzero(pc.not_equal(normal, texts).to_numpy())
    if not len(changed):
        return changed
    became = normal.take(pa.array(changed)).combine_chunks()
    counts = pc.value_counts(became)
    repeated = counts.field(0).filter(pc.greater(counts.field(1), 1))
    hits = pc.or_(pc.is_in(became, value_set=ids), pc.is_in(became, value_set=repeated))
    found: np.ndarray = changed[hits.to_numpy(zero_copy_only=False)]
    return found
