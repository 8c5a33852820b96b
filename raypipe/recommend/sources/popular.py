"""Phase 1, popular: the most followed accounts. All that a new account can get."""

from dataclasses import dataclass

import numpy as np

from raypipe.config import SourceConfig
from raypipe.config.sources import PopularConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import transpose
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.topk import TieRule
from raypipe.recommend.sources import NO_INPUTS, Candidates, SourceInputs, SourceSpec

#: Accounts assumed to have seen a candidate without rejecting it, besides the known ones.
SMOOTHING = 10

_32 = np.uint64(32)


@dataclass(frozen=True)
class Popular:
    """Retrieves the ``wanted[i]`` most followed accounts; the score is the number of followers.

    With ``feedback.negative.popular``, rejections lower it: see :func:`lowered`. The order is the
    same for all accounts, except that each begins at its own position in the last group of equals.

    Attributes:
        order: int32[c], every account with followers that may be shown, largest score first, then
            by number of followers, then by position on the circle of the tie rule.
        keys: uint64[c + 1], ascending: group of equals * 2^32 + position; the last is the end.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ac bc cb")
        >>> found = popular(graph)(np.array([0, 1]), np.array([1, 2]))
        >>> [graph.ids[code].as_py() for code in found.codes], found.scores.tolist()
        (['c', 'c', 'b'], [2.0, 2.0, 1.0])
    """

    order: np.ndarray
    keys: np.ndarray
    scores: np.ndarray
    tie_rule: TieRule

    def estimated_ns(self, accounts: np.ndarray) -> np.ndarray:
        return np.zeros(len(accounts))

    def __call__(
        self, accounts: np.ndarray, wanted: np.ndarray, near: Neighbours | None = None
    ) -> Candidates:
        wanted = np.minimum(wanted, len(self.order))
        indptr = np.concatenate([[0], np.cumsum(wanted)])
        last = self.keys[wanted] >> _32 << _32  # the group of the first that is left out
        own = last | self.tie_rule.positions[accounts]
        start, end = np.searchsorted(self.keys, [last, last + (np.uint64(1) << _32)])
        first = np.searchsorted(self.keys, own, side="right") - start
        each = np.repeat(np.stack([indptr[:-1], start, end - start, first]), wanted, axis=1)
        begin, start, size, first = each
        ranks = np.arange(indptr[-1]) - begin
        turned = start + (first + ranks - start) % size
        codes = self.order[np.where(ranks < start, ranks, turned)]
        return Candidates(indptr, codes, self.scores[codes])


def popular_of(order: np.ndarray, scores: np.ndarray, tie_rule: TieRule) -> Popular:
    """The source that retrieves from this order."""
    parts = scores[order], tie_rule.follower_counts[order]
    begins = np.any([np.diff(part, prepend=part[:1]) != 0 for part in parts], axis=0)
    groups = np.cumsum(np.append(begins, True)).astype(np.uint64)
    keys = groups << _32 | np.append(tie_rule.positions[order], np.uint32(0))
    return Popular(order, keys, scores, tie_rule)


def lowered(
    followers: np.ndarray, shown: np.ndarray, rejecting: np.ndarray, weight: float
) -> np.ndarray:
    """float64[n]: numbers of followers, lowered by the share of rejections among impressions.

        score(c) = followers(c) * seen(c) / (seen(c) + weight * rejecting(c))
        seen(c)  = max(followers(c), shown(c)) + 10

    A follower of an account has seen it, too; the 10 stand for impressions that are not known. A
    coordinated group of k accounts can lower a score by less than ``weight * k`` followers, and by
    at most the share ``weight k / (seen + weight k)``, whatever was rejected before.

    Args:
        shown: int64[n], to how many accounts each was recommended.
        rejecting: int64[n], how many accounts have rejected each.

    Example:
        >>> lowered(np.array([5, 90]), np.array([0, 190]), np.array([15, 100]), 1.0).tolist()
        [2.5, 60.0]
    """
    seen = np.maximum(followers, shown) + SMOOTHING
    return np.asarray(followers * (seen / (seen + weight * rejecting)))


def popular(
    graph: FollowGraph, config: SourceConfig | None = None, inputs: SourceInputs = NO_INPUTS
) -> Popular:
    """The source, prepared."""
    scores = graph.followers.degrees.astype(np.float64)
    rejections, weight = inputs.rejections, inputs.feedback.popular
    if rejections is not None and weight:
        rejecting = transpose(rejections.heard).degrees
        scores = lowered(scores, rejections.shown, rejecting, weight)
    rule = graph.tie_rule
    order = np.lexsort((rule.positions, -rule.follower_counts, -scores)).astype(np.int32)
    order = order[: np.count_nonzero(scores)]
    if inputs.globally_excluded is not None:
        order = order[inputs.globally_excluded[order] == 0]
    return popular_of(order, scores, rule)


SPEC = SourceSpec("popular", "has the most followers", popular, PopularConfig, phase=1)
