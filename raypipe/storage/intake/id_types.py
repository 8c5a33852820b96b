"""Ids of Parquet that are neither text nor whole numbers: UUID, and floats that pandas made."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raypipe.storage.intake.id_values import Fault

#: Above, a float does not hold every whole number.
_EXACT = float(2**53)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
#: Where the 32 digits of a UUID stand in its 36 characters.
_DIGITS = np.array([at for at in range(36) if at not in (8, 13, 18, 23)])


def whole_floats(array: pa.ChunkedArray, label: str) -> tuple[pa.ChunkedArray, list[Fault]]:
    """Floats as whole numbers; NaN is null. A row with any other number is bad.

    Example:
        >>> found, faults = whole_floats(pa.chunked_array([[7.0, 1.5, None]]), "src")
        >>> found.to_pylist(), [(reason, mask.tolist()) for reason, mask in faults]
        ([7, 0, None], [('column src holds a number that is not whole', [False, True, False])])
    """
    values = array.cast(pa.float64()).to_numpy()
    missing = np.isnan(values)
    odd = ~missing & ~((np.abs(values) <= _EXACT) & (np.floor(values) == values))
    whole = np.where(missing | odd, 0, values).astype(np.int64)
    found = pa.chunked_array([pa.array(whole, mask=missing)])
    return found, [(f"column {label} holds a number that is not whole", odd)] if odd.any() else []


def uuid_texts(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """UUIDs as text with dashes.

    Example:
        >>> from uuid import UUID
        >>> values = pa.array([UUID(int=255).bytes, None], pa.uuid())
        >>> uuid_texts(pa.chunked_array([values])).to_pylist()
        ['00000000-0000-0000-0000-0000000000ff', None]
    """
    raw = array.cast(pa.binary(16)).combine_chunks()
    filled = pc.fill_null(raw, pa.scalar(bytes(16), pa.binary(16)))
    data = np.frombuffer(filled.buffers()[1], np.uint8)[filled.offset * 16 :][: len(raw) * 16]
    texts = np.full((len(raw), 36), ord("-"), np.uint8)
    digits = np.stack([_HEX[data >> 4], _HEX[data & 15]], axis=-1)
    texts[:, _DIGITS] = digits.reshape(len(raw), 32)
    offsets = np.arange(len(raw) + 1, dtype=np.int64) * 36
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(texts.tobytes())]
    found = pa.Array.from_buffers(pa.large_string(), len(raw), buffers)
    return pa.chunked_array([pc.if_else(raw.is_valid(), found, None)])
