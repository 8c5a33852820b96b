"""Whether the quotes of a CSV text are closed, in one pass over its bytes."""

from raypipe.kernels.arrays import Bytes
from raypipe.kernels.compiled import kernel

LF, CR, QUOTE = b'\n\r"'


@kernel
def quotes_close(data: Bytes, delimiter: int) -> bool:
    """Whether each quote is at an edge of a value, and is closed on the line that opens it.

    Example:
        >>> import numpy as np
        >>> [quotes_close(np.frombuffer(text, np.uint8), ord(",")) for text in (b'"a",b', b'"a,b')]
        [True, False]
    """
    inside = False
    last = len(data) - 1
    for i in range(len(data)):
        byte = data[i]
        if byte == QUOTE:
            # Its outer neighbour: after it if it closes, before it if it opens.
            outer = data[min(i + 1, last)] if inside else data[max(i - 1, 0)]
            at_end = i == (last if inside else 0)
            if not (at_end or outer in (delimiter, LF, CR)):
                return False
            inside = not inside
        elif inside and (byte in (LF, CR)):
            return False
    return not inside
