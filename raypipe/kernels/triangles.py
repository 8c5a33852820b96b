"""Triangles of the undirected graph: three accounts, a follow either way between each two."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.kernels.csr import Adjacency


class Triangles(NamedTuple):
    """How the accounts around each account know each other.

    Attributes:
        degrees: int64[n], accounts that follow an account or are followed by it.
        triangles: int64[n], pairs of them between which there is a follow.
    """

    degrees: np.ndarray
    triangles: np.ndarray


def count_triangles(followees: Adjacency, followers: Adjacency) -> Triangles:
    """Triangles at each account; each triangle counts at its three corners.

    Every edge points to the end with more edges (on a tie, with the smaller code), so that few
    point away from any account: at most sqrt(2 edges).

    Args:
        followees, followers: both sides of a graph of n accounts.

    Source:
        Latapy (2008), "Main-memory triangle computations for very large (sparse (power-law))
        graphs", Theoretical Computer Science 407: algorithm forward.

    Example:
        >>> followees = Adjacency(np.array([0, 2, 3, 4]), np.array([1, 2, 2, 0], dtype=np.int32))
        >>> followers = Adjacency(np.array([0, 1, 2, 4]), np.array([2, 0, 0, 1], dtype=np.int32))
        >>> count_triangles(followees, followers).triangles.tolist()
        [1, 1, 1]
    """
    degrees = _degrees(*followees, *followers)
    order = np.argsort(-degrees, kind="stable")  # those that are met most, side by side
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    pointed = _pointed(*followees, *followers, order, place, int(degrees.sum()) // 2)
    return Triangles(degrees, _triangles(*pointed)[place])


@njit(cache=True, nogil=True)
def _union(one, other, out):
    """Merge two ascending rows, a code in both once; returns the number of codes."""
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


@njit(cache=True, nogil=True)
def _room(indptr, other_indptr):
    largest = 0
    for a in range(len(indptr) - 1):
        largest = max(largest, indptr[a + 1] - indptr[a] + other_indptr[a + 1] - other_indptr[a])
    return np.empty(largest, dtype=np.int32)


@njit(cache=True, nogil=True)
def _degrees(indptr, codes, other_indptr, others):
    row = _room(indptr, other_indptr)
    found = np.empty(len(indptr) - 1, dtype=np.int64)
    for a in range(len(found)):
        found[a] = _union(
            codes[indptr[a] : indptr[a + 1]], others[other_indptr[a] : other_indptr[a + 1]], row
        )
    return found


@njit(cache=True, nogil=True)
def _pointed(indptr, codes, other_indptr, others, order, place, edges):
    """For each account the edges that point away from it; all accounts by their place."""
    row = _room(indptr, other_indptr)
    out_indptr = np.zeros(len(indptr), dtype=np.int64)
    out = np.empty(edges, dtype=np.int32)
    end = 0
    for i in range(len(order)):
        a = order[i]
        count = _union(
            codes[indptr[a] : indptr[a + 1]], others[other_indptr[a] : other_indptr[a + 1]], row
        )
        for b in row[:count]:
            if place[b] < i:
                out[end] = place[b]
                end += 1
        out_indptr[i + 1] = end
    return out_indptr, out


@njit(cache=True, nogil=True)
def _triangles(indptr, codes):
    found = np.zeros(len(indptr) - 1, dtype=np.int64)
    marked = np.zeros(len(found), dtype=np.bool_)
    for a in range(len(found)):
        mine = codes[indptr[a] : indptr[a + 1]]
        for b in mine:
            marked[b] = True
        for b in mine:
            closed = 0
            for c in codes[indptr[b] : indptr[b + 1]]:
                if marked[c]:
                    found[c] += 1
                    closed += 1
            found[b] += closed
            found[a] += closed
        for b in mine:
            marked[b] = False
    return found
