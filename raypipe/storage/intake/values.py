"""Values of one column: its types, and the check of every value."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.columns import ACCOUNT, CANDIDATE, FOLLOWER, FOLLOWING, ITEM, USER
from raypipe.storage.intake.id_values import NO_RULES, CheckedIds, Fault, IdRules, check_ids, shown

#: Above, a float does not hold every whole number.
_EXACT = float(2**53)
_TEXTS = (
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.large_binary(), pa.binary_view()),
)


@dataclass(frozen=True)
class Column:
    """A column to read: its name in the frame, and where and what it is in the file.

    Attributes:
        bounds: of a column of numbers: the lowest and the highest. Other rows go to quarantine.
        rules: of a column of ids: null marks and normalisations.
        required: whether a row without a value goes to quarantine, of a column that is no id.
        constant: the value in all rows of the file, which its path holds.
        values: of a column that is no id: the only values that it may have; None: any.
    """

    name: str
    position: int
    label: str
    type: pa.DataType
    bounds: tuple[float, float] | None = None
    rules: IdRules = NO_RULES
    required: bool = False
    constant: str | None = None
    values: tuple[str, ...] | None = None

    @property
    def is_id(self) -> bool:
        """Whether it is an id of a follow, of a rating, or of an account in a small table."""
        return self.name in (FOLLOWER, FOLLOWING, USER, ITEM, ACCOUNT, CANDIDATE)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text or bytes."""
    return kind in _TEXTS


def can_be_id(kind: pa.DataType) -> bool:
    """Whether a column of this type may contain ids."""
    return (
        is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or (pa.types.is_decimal(kind) and kind.scale == 0)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_null(kind)
        or kind == pa.uuid()
    )


def can_be_number(kind: pa.DataType) -> bool:
    """Whether a column of this type may contain numbers; a time is a number."""
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return is_text(kind) or number or pa.types.is_timestamp(kind)


def check_column(array: pa.ChunkedArray, column: Column, header: bool | None) -> CheckedIds:
    """The column in its final type, and a mask of the faulty rows for each kind of fault.

    ``header`` is that of ``blocks.check_rows``.
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if column.bounds:
        return _check_numbers(array, column.label, *column.bounds)
    faults: list[Fault] = []
    if column.required:
        faults.append((f"no value in column {column.label}", _missing(array, column.rules)))
    if not pa.types.is_large_string(column.type):
        return CheckedIds(array.cast(column.type), faults)
    broken = None
    if pa.types.is_floating(array.type) and column.is_id:
        array, odd = _whole_floats(array)
        faults.append((f"column {column.label} holds a number that is not whole", odd))
    if array.type == pa.uuid():
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        array = pa.chunked_array([texts], pa.large_string())
    elif is_text(array.type) or pa.types.is_fixed_size_binary(array.type):
        array, broken = _decode(array)
    else:
        array = array.cast(pa.large_string())
    if broken is not None:
        faults.append((f"column {column.label} is not UTF-8", broken))
    if column.values is not None:
        known = pc.is_in(array, value_set=pa.array(column.values, pa.large_string()))
        faults += _unknown_values(array, ~known.to_numpy(), column.label)
    if not column.is_id:
        return CheckedIds(array, faults)
    starts_line = header is not None and column.position == 0
    found = check_ids(array, column.label, column.rules, broken, starts_line)
    return found._replace(faults=faults + found.faults)


def _unknown_values(array: pa.ChunkedArray, mask: np.ndarray, label: str) -> list[Fault]:
    """One fault for each value that a column may not have; the first few by name."""
    values = array.filter(pa.array(mask)).unique().to_pylist()[:5]
    texts = array.to_numpy() if values else mask
    faults = [(f"column {label} holds {shown(value, 30)}", texts == value) for value in values]
    named = np.logical_or.reduce([np.zeros(len(mask), bool), *(found for _, found in faults)])
    return [*faults, (f"column {label} holds another value", mask & ~named)]


def _missing(array: pa.ChunkedArray, rules: IdRules) -> np.ndarray:
    """bool[rows]: where there is no value."""
    faults: list[Fault] = []
    if is_text(array.type):
        texts, broken = _decode(array)
        faults = check_ids(texts, "", rules, broken).faults
    missing: np.ndarray = np.logical_or.reduce(
        [array.is_null().to_numpy(), *(mask for _, mask in faults)]
    )
    return missing


def _check_numbers(array: pa.ChunkedArray, label: str, low: float, high: float) -> CheckedIds:
    """The column as numbers; rows without a number, or one out of bounds, are faulty."""
    numbers = _numbers(array)
    faults = [
        (f"column {label} is no number", np.isnan(numbers)),
        (f"column {label} is outside {low:g} to {high:g}", (numbers < low) | (numbers > high)),
    ]
    return CheckedIds(pa.chunked_array([numbers]), faults)


def _numbers(array: pa.ChunkedArray) -> np.ndarray:
    """float64: each value as a number, NaN where it is none."""
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    numbers: np.ndarray
    if not is_text(array.type):
        numbers = array.cast(pa.float64(), safe=False).to_numpy()
        return numbers
    # Arrow's own cast stops at the first text that is no number, without saying where it is.
    encoded = array.cast(pa.large_binary()).combine_chunks().dictionary_encode()
    distinct = np.array([_number(text) for text in encoded.dictionary.to_pylist()] + [np.nan])
    numbers = distinct[encoded.indices.fill_null(len(distinct) - 1).to_numpy()]
    return numbers


def _number(text: bytes) -> float:
    try:
        return float(text) if b"_" not in text else np.nan
    except ValueError:
        return np.nan


def _whole_floats(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray]:
    """Floats as whole numbers, NaN as null; and bool[rows], where a number is not whole."""
    values = array.cast(pa.float64()).to_numpy()
    missing = np.isnan(values)
    odd = ~missing & ~((np.abs(values) <= _EXACT) & (np.floor(values) == values))
    whole = np.where(missing | odd, 0, values).astype(np.int64)
    return pa.chunked_array([pa.array(whole, mask=missing)]), odd


def _decode(array: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray | None]:
    """Bytes as text; where they are not UTF-8, an empty text and True in the mask."""
    raw = array.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string()), None
    except pa.ArrowInvalid:
        broken = np.array([_is_broken(value or b"") for value in raw.to_pylist()])
    return pc.if_else(pa.array(broken), b"", raw).cast(pa.large_string()), broken


def _is_broken(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False
