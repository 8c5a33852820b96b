"""Triangles of the undirected graph: three accounts with a follow between each two of them."""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.arrays import Indices, Offsets
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency


class Triangles(NamedTuple):
    """Degree and number of triangles of each account, in the undirected graph.

    Attributes:
        degrees: int64[n], accounts that follow an account or are followed by it.
        triangles: int64[n], pairs of these accounts with a follow between them.
    """

    degrees: Offsets
    triangles: Offsets


def count_triangles(followees: Adjacency, followers: Adjacency) -> Triangles:
    """Triangles at each account; each triangle counts at all three of its corners.

    Every edge points to the end with more edges (on a tie, to the smaller code), so that at most
    sqrt(2 edges) point away from any account.

    Source:
        Latapy (2008), "Main-memory triangle computations for very large (sparse (power-law))
        graphs", Theoretical Computer Science 407: algorithm forward.

    Example:
        >>> followees = Adjacency(np.array([0, 2, 3, 4]), np.array([1, 2, 2, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 1, 2, 4]), np.array([2, 0, 0, 1], dtype=np.int32))
        >>> count_triangles(followees, followers).triangles.tolist()
        [1, 1, 1]
    """
    degrees = _degrees(followees, followers)
    order = np.argsort(-degrees, kind="stable")  # the most connected accounts, side by side
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    pointed = _pointed(followees, followers, order, rank, int(degrees.sum()) // 2)
    return Triangles(degrees, _triangles(pointed)[rank])


@kernel
def _union(one: Indices, other: Indices, out: Indices) -> int:
    """Merge two ascending rows, each code once; returns the number of codes."""
    i, j, count = 0, 0, 0
    while i < len(one) or j < len(other):
        if j == len(other) or (i < len(one) and one[i] < other[j]):
            out[count] = one[i]
            i += 1
        else:
            if i < len(one) and one[i] == other[j]:
                i += 1
            out[count] = other[j]
            j += 1
        count += 1
    return count


@kernel
def _room(rows: Adjacency, others: Adjacency) -> Indices:
    """Room for the longest union of two rows of one account."""
    largest = 0
    for a in range(len(rows.indptr) - 1):
        length = rows.indptr[a + 1] - rows.indptr[a] + others.indptr[a + 1] - others.indptr[a]
        largest = max(largest, length)
    return np.empty(largest, dtype=np.int32)


@kernel
def _degrees(rows: Adjacency, others: Adjacency) -> Offsets:
    indptr, codes = rows
    row = _room(rows, others)
    degrees = np.empty(len(indptr) - 1, dtype=np.int64)
    for a in range(len(degrees)):
        other = others.codes[others.indptr[a] : others.indptr[a + 1]]
        degrees[a] = _union(codes[indptr[a] : indptr[a + 1]], other, row)
    return degrees


@kernel
def _pointed(
    rows: Adjacency, others: Adjacency, order: Offsets, rank: Indices, edges: int
) -> Adjacency:
    """The edges that point away from each account; accounts are numbered by their rank."""
    indptr, codes = rows
    row = _room(rows, others)
    out_indptr = np.zeros(len(indptr), dtype=np.int64)
    out = np.empty(edges, dtype=np.int32)
    end = 0
    for i in range(len(order)):
        a = order[i]
        other = others.codes[others.indptr[a] : others.indptr[a + 1]]
        count = _union(codes[indptr[a] : indptr[a + 1]], other, row)
        for b in row[:count]:
            if rank[b] < i:
                out[end] = rank[b]
                end += 1
        out_indptr[i + 1] = end
    return Adjacency(out_indptr, out)


@kernel
def _triangles(pointed: Adjacency) -> Offsets:
    indptr, codes = pointed
    counts = np.zeros(len(indptr) - 1, dtype=np.int64)
    marked = np.zeros(len(counts), dtype=np.bool_)
    for a in range(len(counts)):
        mine = codes[indptr[a] : indptr[a + 1]]
        for b in mine:
            marked[b] = True
        for b in mine:
            closed = 0
            for c in codes[indptr[b] : indptr[b + 1]]:
                if marked[c]:
                    counts[c] += 1
                    closed += 1
            counts[b] += closed
            counts[a] += closed
        for b in mine:
            marked[b] = False
    return counts
