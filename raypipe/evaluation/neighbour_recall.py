"""What a cap on hubs costs: which share of the exact neighbours is found, on a sample; which of the
walks through accounts in the middle are left."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.exact_scores import best_of_all
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.context import FollowSides, ShardContext
from raypipe.recommend.shard import nearest
from raypipe.recommend.sources.registry import walk_limits
from raypipe.storage.records import SimilarityRecord, WalkRecord

#: Accounts of a sample: so many give a recall to 2 in 100, the fewest to 10 in 100.
_MOST, _FEWEST = 2000, 100
#: Between these, as many as have so many co-follow pairs together: one to four seconds of counting.
_CO_FOLLOW_PAIRS = 200_000_000


class Recall(NamedTuple):
    """Mean share of the exact neighbours that is found.

    Attributes:
        recall: of the sample; None if no account of it has a neighbour.
        low, high: 95 % confidence interval of the recall of the whole audience.
        sample: accounts that the mean is taken over, all with exact neighbours.
    """

    recall: float | None
    low: float
    high: float
    sample: int


#: Of a search that leaves nobody out.
_EXACT = Recall(1.0, 1.0, 1.0, 0)


def similarity_facts(
    graph: FollowGraph, context: ShardContext, config: RunConfig
) -> SimilarityRecord:
    """What ``max_followers`` leaves out of the search, and the recall that is left.


    Where no hub is left out, the search is exact: a recall of 1, no sample.
    """
    limit = config.sources.similar.max_followers
    followers = graph.followers.degrees
    left = followers if limit is None else followers[followers <= limit]
    hubs = 0 if context.search is None else context.search.hubs_left_out
    found = measure_recall(context, config.seed) if hubs else _EXACT
    share = _co_follow_pairs(left) / (_co_follow_pairs(followers) or 1)
    return SimilarityRecord(
        max_followers=limit,
        hubs_left_out=hubs,
        share_of_co_follow_pairs_left=round(share, 4),
        recall=None if found.recall is None else round(found.recall, 4),
        low=round(found.low, 4),
        high=round(found.high, 4),
        sample=found.sample,
    )


def walk_facts(follows: FollowSides, config: RunConfig) -> dict[str, WalkRecord]:
    """What ``max_intermediary_follows`` leaves out, by source, where it is set."""
    counts = follows.followees.degrees
    # An intermediary is reached from the accounts on the other side.
    starts = {"followees": follows.follower_counts.astype(np.int64), "followers": counts}
    found = {}
    for name, (side, limit) in walk_limits(config).items():
        if limit is not None:
            left = counts <= limit
            walks = int(np.dot(starts[side], counts))
            share = int(np.dot(starts[side][left], counts[left])) / (walks or 1)
            found[name] = WalkRecord(
                max_intermediary_follows=limit,
                left_out=int(np.count_nonzero(~left)),
                share_of_walks_left=round(share, 4),
            )
    return found


def measure_recall(context: ShardContext, seed: int) -> Recall:
    """Compare the neighbours of a sample of the audience with the exact ones, counted plainly.

    The sample depends on the follows, the audience and the seed, on nothing else.

    Raises:
        ValueError: the context has no search.
    """
    search = context.search
    if search is None:
        raise ValueError("there is no search to measure")
    followees, followers, _ = context.follows
    following = context.accounts[followees.degrees_of(context.accounts) > 0]
    sample = _draw(context.follows, following, seed)
    exact = best_of_all(followees, followers, sample, search.neighbours, search.threshold)
    shares = shares_found(exact, nearest(context, sample))
    if not len(shares):
        return Recall(None, 0.0, 1.0, 0)
    recall = float(shares.mean())
    return Recall(recall, *interval(recall, len(shares), len(sample) / len(following)), len(shares))


def shares_found(exact: Neighbours, found: Neighbours) -> np.ndarray:
    """float64: of each account with exact neighbours, the share of them that is found.

    A neighbour that is found counts if it is as similar as the last of the exact ones: which of
    several equally similar accounts stand in a list is a matter of their ids, not of quality.

    Args:
        exact, found: of the same accounts; all scores are true similarities.

    Example:
        >>> def lists(*scores):
        ...     counts = np.count_nonzero(scores, axis=1)
        ...     return Neighbours(counts, None, None, np.array(scores))
        >>> shares_found(lists([0.9, 0.5], [0.0, 0.0]), lists([0.5, 0.4], [0.0, 0.0])).tolist()
        [0.5]
    """
    has = exact.counts > 0
    counts = exact.counts[has]
    least = exact.scores[has, counts - 1]
    return np.asarray(np.count_nonzero(found.scores[has] >= least[:, None], axis=1) / counts)


def interval(mean: float, size: int, fraction: float) -> tuple[float, float]:
    """95 % confidence interval of the mean of values in [0, 1], drawn without replacement.

    Wilson's interval of a proportion: values in [0, 1] vary no more than ones and zeros of the same
    mean, so it is wide enough for shares too; and it says that 100 accounts without a miss do not
    make a recall of 1 certain, where an interval from their variance, which is 0, has no width.

    Args:
        mean: of the values drawn.
        size: number of values drawn, at least 1.
        fraction: share of all accounts that was drawn; when it is 1, nothing is uncertain.

    Source:
        Wilson (1927), "Probable inference, the law of succession, and statistical inference",
        JASA 22; for the fraction, Cochran (1977), "Sampling Techniques", section 2.6.

    Example:
        >>> [round(bound, 3) for bound in interval(0.9, 100, 0.0)]
        [0.826, 0.945]
        >>> interval(0.9, 100, 1.0)
        (0.9, 0.9)
    """
    share = NormalDist().inv_cdf(0.975) ** 2 * (1 - fraction) / size
    centre = (mean + share / 2) / (1 + share)
    half = (share * mean * (1 - mean) + share**2 / 4) ** 0.5 / (1 + share)
    return centre - half, centre + half


def _draw(follows: FollowSides, accounts: np.ndarray, seed: int) -> np.ndarray:
    """A sample of the accounts, ascending; the smaller, the more co-follow pairs they have."""
    drawn = np.random.default_rng(seed).permutation(accounts)[:_MOST]
    co_follow_pairs = sum(
        int(follows.follower_counts[follows.followees.row(account)].sum(dtype=np.int64))
        for account in drawn
    )
    size = max(_FEWEST, _CO_FOLLOW_PAIRS * len(drawn) // max(co_follow_pairs, 1))
    return np.sort(drawn[:size])


def _co_follow_pairs(followers: np.ndarray) -> int:
    return int(np.dot(followers, followers))
