"""Do the quotes of a CSV text close? One pass over its bytes."""

from __future__ import annotations

import numpy as np
from numba import njit

LF, CR, QUOTE = b'\n\r"'


@njit(cache=True, nogil=True)
def quotes_close(data: np.ndarray, delimiter: int) -> bool:
    """Is each quote at an edge of a value, and closed in the line in which it is opened?

    Args:
        data: uint8[...], the text.
        delimiter: the byte between values.

    Example:
        >>> [quotes_close(np.frombuffer(text, np.uint8), ord(",")) for text in (b'"a",b', b'"a,b')]
        [True, False]
    """
    inside = False
    last = len(data) - 1
    for i in range(len(data)):
        byte = data[i]
        if byte == QUOTE:
            # Its outer neighbour: behind it if it closes, before it if it opens.
            outer = data[min(i + 1, last)] if inside else data[max(i - 1, 0)]
            at_end = i == (last if inside else 0)
            if not (at_end or outer in (delimiter, LF, CR)):
                return False
            inside = not inside
        elif inside and (byte in (LF, CR)):
            return False
    return not inside
