"""Ids as they stand in files: null marks, blanks, repeated headers, and spellings of one id.

Ids are exact text. What is surely no id goes to quarantine; what may be another spelling of an id
is only counted (:mod:`.spellings`), unless ``input.normalise`` asks to join spellings.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Fault = tuple[str, np.ndarray]  # (why a row is bad, bool[rows])

BOM = "\ufeff"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
#: Characters that are no id by themselves: white space of Unicode, and invisible characters.
BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000" + _INVISIBLE
)
#: First bytes of an id that is looked at: blanks and everything that is not ASCII.
_ODD = np.arange(256) <= ord(" ")
_ODD[0xC2:] = True

_NUMBER = r"^-?[0-9]+(\.0+|(\.[0-9]+)?[eE]\+?[0-9]{1,2})$"


class IdRules(NamedTuple):
    """What the config says about ids.

    Attributes:
        null: texts that stand for no id.
        normalise: names in ``NORMALISERS``, applied in their order.
    """

    null: tuple[str, ...] = ()
    normalise: tuple[str, ...] = ()


NO_RULES = IdRules()


class CheckedIds(NamedTuple):
    """A column of ids after its check.

    Attributes:
        ids: large_string, normalised.
        faults: masks of the rows without an id.
        header: bool[rows], the rows that repeat the name of the column; None: no row.
        marks: number of byte order marks that were removed.
    """

    ids: pa.ChunkedArray
    faults: list[Fault]
    header: np.ndarray | None = None
    marks: int = 0


def check_ids(
    ids: pa.ChunkedArray,
    label: str,
    rules: IdRules = NO_RULES,
    broken: np.ndarray | None = None,
    starts_line: bool = False,
) -> CheckedIds:
    """Find the rows without an id, and those that repeat the header.

    Args:
        ids: large_string.
        label: name of the column in the file.
        broken: bool[rows], rows that are bad for another reason, with an empty text.
        starts_line: whether it is the first column of a text file, where a byte order mark may
            stand that was the start of a file.

    Example:
        >>> ids = pa.chunked_array([["ann", "", " ", "NULL", "src"]], pa.large_string())
        >>> found = check_ids(ids, "src", IdRules(null=("NULL",)))
        >>> [(reason, mask.nonzero()[0].tolist()) for reason, mask in found.faults]
        [('empty id in column src', [1]), ('blank id in column src', [2]), \
('null mark NULL in column src (input.null)', [3])]
        >>> found.header.nonzero()[0].tolist()
        [4]
    """
    ids = normalised(ids, rules.normalise)
    faults: list[Fault] = []
    if ids.null_count:
        faults.append((f"null id in column {label}", ids.is_null().to_numpy()))
    positions = _suspects(ids, (label, *rules.null))
    if not len(positions):
        return CheckedIds(ids, faults)
    texts, marks = ids.take(pa.array(positions)), 0
    if starts_line:
        marked = pc.fill_null(pc.starts_with(texts, BOM), False)
        if marks := pc.sum(marked).as_py():
            texts = pc.replace_substring_regex(texts, f"^{BOM}+", "")
            mask = np.zeros(len(ids), bool)
            mask[positions] = True
            ids = pa.chunked_array(
                [pc.replace_with_mask(ids.combine_chunks(), pa.array(mask), texts.combine_chunks())]
            )

    def rows(condition: pa.ChunkedArray) -> np.ndarray:
        mask = np.zeros(len(ids), bool)
        mask[positions] = pc.fill_null(condition, False).to_numpy()
        return mask if broken is None else mask & ~broken

    empty = pc.equal(pc.binary_length(texts), 0)
    blank = pc.equal(pc.binary_length(pc.utf8_trim(texts, BLANKS)), 0)
    masks = {
        f"empty id in column {label}": empty,
        f"blank id in column {label}": pc.and_not(blank, empty),
    }
    masks |= {
        f"null mark {mark} in column {label} (input.null)": pc.equal(texts, mark)
        for mark in rules.null
    }
    found = ((reason, rows(mask)) for reason, mask in masks.items())
    faults += [(reason, mask) for reason, mask in found if mask.any()]
    header = rows(pc.equal(texts, label))
    return CheckedIds(ids, faults, header if header.any() else None, marks)


def normalised(ids: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    """The ids after some normalisations.

    Example:
        >>> ids = pa.chunked_array([[" 7.0", "1e3", "Ann"]], pa.large_string())
        >>> normalised(ids, ("trim", "numbers", "lower")).to_pylist()
        ['7', '1000', 'ann']
    """
    for name in names:
        ids = NORMALISERS[name](ids)
    return ids


def _suspects(ids: pa.ChunkedArray, texts: tuple[str, ...]) -> np.ndarray:
    """int64: the rows that may be empty, blank, start with a mark, or equal one of the texts.

    Looks at the length and the first byte of every id only, so that good ids cost next to nothing.
    """
    encoded = [text.encode() for text in texts if text]
    lengths_of_texts = [len(text) for text in encoded]
    is_length = np.zeros(max(lengths_of_texts, default=0) + 2, bool)
    is_length[lengths_of_texts] = True
    is_first = np.zeros(256, bool)
    is_first[[text[0] for text in encoded]] = True
    found, before = [np.empty(0, np.int64)], 0
    for chunk in ids.chunks:
        if len(chunk):
            _, ends, values = chunk.buffers()
            offsets = np.frombuffer(ends, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            data = np.frombuffer(values or b"\0", np.uint8)
            lengths = np.diff(offsets)
            # In most chunks no id is short, and no byte is a blank or not ASCII.
            plain = data[offsets[0] : offsets[-1]].view(np.int8)
            if lengths.min() < len(is_length) or plain.min() <= ord(" "):
                first = data.take(offsets[:-1], mode="clip")
                mask = is_length[np.minimum(lengths, len(is_length) - 1)] & is_first[first]
                mask |= _ODD[first] | (lengths == 0)
                found.append(np.flatnonzero(mask) + before)
        before += len(chunk)
    return np.concatenate(found)


def _whole_numbers(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats and exponents as whole numbers: 7.0 and 1e3 become 7 and 1000."""
    mask = pc.fill_null(pc.match_substring_regex(ids, _NUMBER), False)
    if not pc.any(mask).as_py():
        return ids
    numbers = pa.array(map(_whole_number, ids.filter(mask).to_pylist()), pa.large_string())
    return pa.chunked_array(
        [pc.replace_with_mask(ids.combine_chunks(), mask.combine_chunks(), numbers)]
    )


def _whole_number(text: str) -> str:
    number = Decimal(text)
    return str(int(number)) if number == int(number) else text


#: Name in ``input.normalise`` to what it does; each keeps the order and the number of the ids.
NORMALISERS: dict[str, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    "trim": lambda ids: pc.utf8_trim(ids, BLANKS),
    "invisible": lambda ids: pc.replace_substring_regex(ids, f"[{_INVISIBLE}]", ""),
    "numbers": _whole_numbers,
    "nfc": lambda ids: pc.utf8_normalize(ids, form="NFC"),
    "lower": pc.utf8_lower,
}


def shown(text: object, limit: int = 80) -> str:
    r"""A value as an error shows it: cut, on one line, with invisible characters visible.

    A blank at its edge would be overlooked, so such a value stands in quotes.

    Example:
        >>> print(shown("a\u200bb\n"), len(shown("x" * 500)))
        a\u200bb\n 80
    """
    escaped = "".join(_visible(str(text)[: limit + 1]))
    if escaped != escaped.strip():
        escaped = f"'{escaped}'"
    return escaped if len(escaped) <= limit else escaped[: limit - 3] + "..."


def _visible(text: str) -> Iterator[str]:
    for character in text:
        plain = character == " " or (character.isprintable() and character not in BLANKS)
        yield character if plain else character.encode("unicode_escape").decode()
