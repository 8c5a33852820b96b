"""Two runs of a network compared: sizes, lists, quality, and who is most followed."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.storage.data_files import map_array, map_arrow, read_parquet
from raypipe.storage.records import LadderDecision
from raypipe.storage.runs.manifest import ChangeRecord, RunFacts
from raypipe.storage.runs.parts import ids_at
from raypipe.storage.runs.run import Run

#: Accounts whose lists are compared: 3 groups of neighbours by id, which stand in few parts.
_GROUPS, _OF_GROUP = 3, 100
#: Accounts at the top of popular now, and before.
_TOP, _TOP_BEFORE = 10, 30


class Side(NamedTuple):
    """One of the two runs: its folder and its facts."""

    folder: Path
    facts: RunFacts


def changes_between(before: Run | None, now: Side) -> tuple[ChangeRecord, ...]:
    """The numbers that the guard and ``runs diff`` compare.

    Args:
        before: the earlier run; None: there is none.
        now: the later run; it may be unfinished. What cannot be read of a run is not known.
    """
    earlier = None if before is None else Side(before.path, before.manifest)
    old = {} if earlier is None else _numbers(earlier.facts)
    rows = [
        ChangeRecord(name=name, before=old.get(name), now=value, is_share=name in _SHARES)
        for name, value in _numbers(now.facts).items()
    ]
    found = None
    if earlier is not None:
        with suppress(OSError, ValueError, pa.ArrowException):  # its files are damaged: unknown
            found = _overlap(earlier, now), _top_in_common(earlier, now)
    for name, value in zip(("overlap", "top"), found or (None, None), strict=True):
        rows.append(ChangeRecord(name=name, before=None, now=value))
    return tuple(rows)


_SHARES = ("with_lists", "from_popular", "quality", "suspects")


def _numbers(facts: RunFacts) -> dict[str, float | None]:
    """The numbers of one run, by name."""
    counts = facts.counts
    total = sum(counts.recommendations.values())
    return {
        "accounts": counts.graph.accounts,
        "follows": counts.graph.follows,
        "recommendations": total,
        "with_lists": counts.with_lists / counts.audience
        if counts.with_lists is not None and counts.audience
        else None,
        "from_popular": counts.recommendations.get("popular", 0) / total if total else None,
        "quality": quality(facts.ladder),
        "suspects": facts.integrity.suspects / max(counts.graph.accounts, 1),
    }


def quality(ladder: LadderDecision) -> float | None:
    """Held-out quality of a run: mean of what leads in each segment, weighted by its accounts.

    Where new follows decided, it is the mean by a random hold-out, so that nights of both kinds can
    be compared. None: nothing was measured.
    """
    rows = [
        (row.ndcg if row.at_random is None else row.at_random, row.accounts)
        for row in ladder.table
        if row.leads and row.accounts
    ]
    known = [(value, accounts) for value, accounts in rows if value is not None]
    total = sum(accounts for _, accounts in known)
    return sum(value * accounts for value, accounts in known) / total if total else None


def share_of_ids(before: Run, ids: pa.Array) -> float | None:
    """The share of accounts in common with a run: of the accounts of the smaller of the two.

    None: the graph of the run is damaged.
    """
    try:
        earlier = map_arrow(before.path / "graph" / "ids.arrow")["id"]
    except (OSError, ValueError, pa.ArrowException):
        return None
    smaller, larger = sorted((earlier.combine_chunks(), ids), key=len)
    common = pc.sum(pc.is_in(smaller.cast(larger.type), value_set=larger)).as_py() or 0
    return common / len(smaller) if len(smaller) else 1.0


def _overlap(before: Side, now: Side) -> float | None:
    """Mean share of a list that was in the list of the same account before."""
    count = now.facts.counts.graph.accounts
    starts = np.linspace(0, max(count - _OF_GROUP, 0), _GROUPS).astype(np.int64)
    rows = np.unique((starts[:, None] + np.arange(_OF_GROUP)).clip(max=max(count - 1, 0)))
    accounts = ids_at(now.folder / "graph" / "ids.arrow", rows[: count or 0])
    old, new = (_lists(side, accounts) for side in (before, now))
    shares = [len(old[name] & new[name]) / len(new[name]) for name in new if old.get(name)]
    return sum(shares) / len(shares) if shares else None


def _lists(side: Side, accounts: list[str]) -> dict[str, set[str]]:
    """The candidates of each of these accounts that has a list."""
    found: dict[str, set[str]] = {}
    for part in side.facts.parts["recommendations"]:
        here = [name for name in accounts if (part.first or "") <= name <= (part.last or "")]
        if not here:
            continue
        table = read_parquet(side.folder / part.file, [ACCOUNT, CANDIDATE])
        ids = table[ACCOUNT]
        table = table.filter(pc.is_in(ids, value_set=pa.array(here, ids.type)))
        for account, candidate in zip(*(column.to_pylist() for column in table), strict=True):
            found.setdefault(account, set()).add(candidate)
    return found


def _top_in_common(before: Side, now: Side) -> float | None:
    """Share of the most followed accounts that were among the most followed before."""
    old, new = _most_followed(before.folder, _TOP_BEFORE), _most_followed(now.folder, _TOP)
    return len(old & new) / len(new) if new else None


def _most_followed(folder: Path, count: int) -> set[str]:
    followers = np.diff(map_array(folder / "graph" / "followers_indptr.npy"))
    top = np.argsort(-followers, kind="stable")[:count]
    return set(ids_at(folder / "graph" / "ids.arrow", top[followers[top] > 0]))


def in_words(change: ChangeRecord, limit: float | None = None) -> tuple[str, str, str]:
    """Both values and a limit as text; ``-`` where a value is not known."""

    def text(value: float | None) -> str:
        if value is None:
            return "-"
        return f"{value:.3f}" if change.is_share else f"{round(value):,}"

    return text(change.before), text(change.now), text(limit)
