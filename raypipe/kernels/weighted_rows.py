"""Products of a sparse matrix with a dense one, for a part of the rows."""

from raypipe.kernels.arrays import Floats32, Int
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.prefetch import prefetch


@kernel
def sum_rows(
    rows: Adjacency, weights: Floats32, block: Floats32, out: Floats32, start: Int, stop: Int
) -> None:
    """Fill in ``out[start:stop]``: the weighted sums of the rows of a block.

        out[i] = sum of weights[at] block[codes[at]] over the entries of row i

    A sum runs in the order of the entries, in float32, so its bits do not depend on the part.

    Args:
        weights: float32[entries].
        block: float32[n, d], row by row.
        out: float32[m, d].

    Example:
        >>> import numpy as np
        >>> rows = Adjacency(np.array([0, 2]), np.array([0, 1], np.int32))
        >>> out, block = np.empty((1, 1), np.float32), np.array([[1], [2]], np.float32)
        >>> sum_rows(rows, np.array([3, 4], np.float32), block, out, 0, 1)
        >>> out.tolist()
        [[11.0]]
    """
    indptr, codes = rows
    width = block.shape[1]
    for i in range(start, stop):
        total = out[i]
        total[:] = 0
        for at in range(indptr[i], indptr[i + 1]):
            prefetch(block, codes[min(at + 2, len(codes) - 1)] * width, width)
            weight, row = weights[at], block[codes[at]]
            for f in range(width):
                total[f] += weight * row[f]
