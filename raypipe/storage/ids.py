"""Account ids: their numbering, their bytes and their digest."""

import hashlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def number_ids(seen: pa.ChunkedArray) -> tuple[pa.LargeStringArray, np.ndarray]:
    """The sorted distinct ids, and for each id in ``seen`` its int32 position among them."""
    encoded = seen.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return encoded.dictionary.take(pa.array(order)), place[encoded.indices.to_numpy()]


def digest_of_ids(ids: pa.LargeStringArray) -> bytes:
    """SHA-256 over ids in their order; their boundaries count, too."""
    data, offsets = bytes_of_ids(ids)
    digest = hashlib.sha256(np.diff(offsets).data)
    digest.update(data.data)
    return digest.digest()


def bytes_of_ids(ids: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 bytes of all ids, and int64[n + 1]: where each begins and ends.

    Example:
        >>> data, offsets = bytes_of_ids(pa.array(["ann", "", "é"], pa.large_string()))
        >>> data.tobytes().decode(), offsets.tolist()
        ('anné', [0, 3, 3, 5])
    """
    ids = pa.concat_arrays([ids])  # a slice would bring the bytes of its neighbours
    lengths = pc.binary_length(ids).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return np.frombuffer(ids.buffers()[2] or b"", np.uint8)[: offsets[-1]], offsets


def names_id(text: str, account: str) -> bool:
    """Whether a text names an account: its id stands there as a word of its own.

    Example:
        >>> names_id("ann, of course", "ann"), names_id("annual", "ann")
        (True, False)
    """
    return re.search(rf"(?<!\w){re.escape(account)}(?!\w)", text) is not None
