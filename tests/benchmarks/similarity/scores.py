"""From products and pairs to neighbours, and how good an answer is beside the exact one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit

from raypipe.kernels.tanimoto import Neighbours
from tests.benchmarks.similarity.graphs import Graph

SAMPLE = 300


def no_neighbours(accounts: int, k: int) -> Neighbours:
    """Rows to be filled."""
    return Neighbours(
        np.zeros(accounts, np.int32),
        np.full((accounts, k), -1, np.int32),
        np.zeros((accounts, k), np.int32),
        np.zeros((accounts, k), np.float64),
    )


def keep_best(found, start, indptr, codes, overlaps, sizes, threshold) -> None:
    """The best of a block of a product, into the rows of ``found`` from ``start`` on.

    Row ``i`` of the block says with whom account ``start + i`` overlaps, and by how much; the
    account itself may stand among them. Order: similarity descending, code ascending.

    Args:
        sizes: number of followees of every account; an array of no length asks for the largest
            overlaps instead of the largest similarities.
        threshold: as for ``top_neighbours``.
    """
    _keep_best(*found, start, indptr, codes, overlaps, sizes, *threshold)


@njit(nogil=True, cache=True)
def _keep_best(counts, best, best_overlaps, scores, start, indptr, codes, overlaps, sizes, p, q):
    k = best.shape[1]
    for i in range(len(indptr) - 1):
        account = start + i
        count = 0
        for entry in range(indptr[i], indptr[i + 1]):
            other = np.int64(codes[entry])
            overlap = np.int64(overlaps[entry])
            union = np.int64(1)
            if len(sizes):
                union = np.int64(sizes[account]) + sizes[other] - overlap
            if other == account or overlap * q <= p * union:
                continue
            score = overlap / union
            at = count
            while at > 0 and (
                scores[account, at - 1] < score
                or (scores[account, at - 1] == score and best[account, at - 1] > other)
            ):
                at -= 1
            if at == k:
                continue
            count = min(count + 1, k)
            for j in range(count - 1, at, -1):
                best[account, j] = best[account, j - 1]
                best_overlaps[account, j] = best_overlaps[account, j - 1]
                scores[account, j] = scores[account, j - 1]
            best[account, at] = other
            best_overlaps[account, at] = overlap
            scores[account, at] = score
        counts[account] = count


def best_of_pairs(
    graph: Graph,
    accounts: np.ndarray,
    others: np.ndarray,
    k: int,
    threshold: tuple[int, int],
    overlaps: np.ndarray | None = None,
) -> Neighbours:
    """The best of the given pairs; their overlaps are counted where none are given."""
    order = np.argsort(accounts, kind="stable")
    indptr = np.searchsorted(accounts[order], np.arange(graph.accounts + 1))
    others = others[order]
    counted = _overlaps(*graph.followees, indptr, others) if overlaps is None else overlaps[order]
    found = no_neighbours(graph.accounts, k)
    keep_best(found, 0, indptr, others, counted, graph.followees.degrees, threshold)
    return found


@njit(nogil=True, cache=True)
def _overlaps(indptr, codes, pairs_ptr, others):
    """int64[pairs]: common followees of each account and each of the others paired with it."""
    overlaps = np.zeros(len(others), np.int64)
    for account in range(len(pairs_ptr) - 1):
        mine = codes[indptr[account] : indptr[account + 1]]
        for pair in range(pairs_ptr[account], pairs_ptr[account + 1]):
            theirs = codes[indptr[others[pair]] : indptr[others[pair] + 1]]
            i = j = 0
            while i < len(mine) and j < len(theirs):
                overlaps[pair] += mine[i] == theirs[j]
                step = mine[i] <= theirs[j]
                j += mine[i] >= theirs[j]
                i += step
    return overlaps


def accounts_that_differ(found: Neighbours, exact: Neighbours) -> int:
    """How many accounts have other scores than in the exact answer; which of a tie is kept is free.

    Overlap and union come as integers, so equal similarities have equal bits.
    """
    same = (found.counts == exact.counts) & (found.scores == exact.scores).all(axis=1)
    return int(np.count_nonzero(~same))


def overlaps_that_differ(found: Neighbours, graph: Graph) -> int:
    """How many accounts of a sample have other than the largest overlaps."""
    k = found.codes.shape[1]
    rng = np.random.default_rng(0)
    follows = np.flatnonzero(graph.followees.degrees)
    differ = 0
    for account in rng.choice(follows, min(SAMPLE, len(follows)), replace=False):
        lists = [graph.followers.row(followee) for followee in graph.followees.row(account)]
        count = np.bincount(np.concatenate(lists))
        count[account] = 0
        best = np.sort(count)[::-1][:k]
        differ += (
            best[best > 0].tolist() != found.overlaps[account, : found.counts[account]].tolist()
        )
    return differ


def recall(found: Neighbours, exact: Neighbours) -> float:
    """Which part of the exact neighbours was found; whoever ties with the last of them counts.

    sum over the accounts of |found with T >= T of the last exact one|, at most as many as
    there are exact ones, divided by the number of exact ones
    """
    k = exact.codes.shape[1]
    last = np.take_along_axis(exact.scores, np.maximum(exact.counts - 1, 0)[:, None], axis=1)
    is_found = np.arange(k) < found.counts[:, None]
    good = np.count_nonzero(is_found & (found.scores >= last), axis=1)
    return float(np.minimum(good, exact.counts).sum() / max(exact.counts.sum(), 1))


def blocks(graph: Graph, most: int) -> list[tuple[int, int]]:
    """Ranges of accounts whose rows of the product hold at most so many entries, or one account."""
    done = np.concatenate([[0], np.cumsum(graph.co_follow_pairs)])
    cuts = [0]
    while cuts[-1] < graph.accounts:
        stop = int(np.searchsorted(done, done[cuts[-1]] + most, side="right")) - 1
        cuts.append(max(stop, cuts[-1] + 1))
    return list(pairwise(cuts))
