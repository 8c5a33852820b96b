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
        header: bool[rows], the rows that repeat the name of the column; None: it has no ids.
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
    """
    for name in rules.normalise:
        ids = NORMALISERS[name](ids)
    known = pc.is_in(ids, value_set=pa.array([label, *rules.null], pa.large_string()))
    odd = pc.or_(pc.less(ids, "!"), pc.greater(ids, "~"))
    if not ids.null_count and not pc.any(pc.or_(known, odd)).as_py():  # most columns: a quick way
        return CheckedIds(ids, [], np.zeros(len(ids), bool))
    marks = 0
    if starts_line and (marks := pc.sum(pc.starts_with(ids, BOM)).as_py() or 0):
        ids = pc.replace_substring_regex(ids, f"^{BOM}+", "")

    def rows(condition: pa.ChunkedArray) -> np.ndarray:
        mask: np.ndarray = pc.fill_null(condition, False).to_numpy()
        return mask if broken is None else mask & ~broken

    empty = pc.equal(ids, "")
    blank = pc.equal(pc.utf8_trim(ids, BLANKS), "")
    conditions = {
        f"null id in column {label}": ids.is_null(),
        f"empty id in column {label}": empty,
        f"blank id in column {label}": pc.and_not(blank, empty),
    }
    for mark in rules.null:
        conditions[f"null mark {mark} in column {label} (input.null)"] = pc.equal(ids, mark)
    faults = [
        (reason, rows(found)) for reason, found in conditions.items() if pc.any(found).as_py()
    ]
    return CheckedIds(ids, faults, rows(pc.equal(ids, label)), marks)


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
