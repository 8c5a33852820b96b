"""What the limits leave out: recall of the neighbour search without hubs, and the walks that remain
when intermediaries are limited."""

from statistics import NormalDist

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.exact_scores import best_of_all
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.context import FollowSides, ShardContext
from raypipe.recommend.shard import nearest
from raypipe.recommend.sources.registry import walk_limits
from raypipe.storage.records import EXACT, NOT_MEASURED, RecallRecord, SimilarityRecord, WalkRecord

#: Maximum and minimum size of a sample: they give the recall to within .02 and .10.
_MAX_SAMPLE, _MIN_SAMPLE = 2000, 100
#: Co-follow pairs of the sample, between these sizes: counting them takes one to four seconds.
_CO_FOLLOW_PAIRS = 200_000_000


def similarity_facts(
    graph: FollowGraph, context: ShardContext, config: RunConfig
) -> SimilarityRecord:
    """What ``max_followers`` leaves out of the search, and the recall of the search.

    If no hub is left out, the search is exact: its recall is 1, without a sample.
    """
    limit = config.sources.similar.max_followers
    followers = graph.followers.degrees
    left = followers if limit is None else followers[followers <= limit]
    hubs = 0 if context.search is None else context.search.hubs_left_out
    measured = measure_recall(context, config.seed) if hubs else EXACT
    share = _co_follow_pairs(left) / (_co_follow_pairs(followers) or 1)
    return SimilarityRecord(
        max_followers=limit,
        hubs_left_out=hubs,
        share_of_co_follow_pairs_left=round(share, 4),
        **dict(measured),
    )


def walk_facts(follows: FollowSides, config: RunConfig) -> dict[str, WalkRecord]:
    """What ``max_intermediary_follows`` leaves out, by name of each source that sets it."""
    counts = follows.followees.degrees
    # Walks reach an intermediary from its other side.
    starts = {"followees": follows.follower_counts.astype(np.int64), "followers": counts}
    records = {}
    for name, (side, limit) in walk_limits(config).items():
        if limit is not None:
            left = counts <= limit
            walks = int(np.dot(starts[side], counts))
            share = int(np.dot(starts[side][left], counts[left])) / (walks or 1)
            records[name] = WalkRecord(
                max_intermediary_follows=limit,
                left_out=int(np.count_nonzero(~left)),
                share_of_walks_left=round(share, 4),
            )
    return records


def measure_recall(context: ShardContext, seed: int) -> RecallRecord:
    """Compare the neighbours of a sample of the audience with the exact ones, by brute force.

    The sample depends on the follows, the audience and the seed only.

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
    return recall_of(shares, len(sample) / len(following)) if len(shares) else NOT_MEASURED


def recall_of(shares: np.ndarray, fraction: float) -> RecallRecord:
    """The mean of the shares found of some accounts, and its interval; to four decimals.

    Args:
        shares: float64, at least one.
        fraction: share of all accounts that was drawn.
    """
    mean = float(shares.mean())
    low, high = (round(bound, 4) for bound in interval(mean, len(shares), fraction))
    return RecallRecord(recall=round(mean, 4), low=low, high=high, sample=len(shares))


def shares_found(exact: Neighbours, found: Neighbours) -> np.ndarray:
    """float64: the share of its exact neighbours that is found, per account that has any.

    A neighbour counts as found if it is at least as similar as the last exact one: among equally
    similar accounts, the ids decide which are in a list, and that says nothing about quality.

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
    last = exact.scores[has, counts - 1]
    return np.asarray(np.count_nonzero(found.scores[has] >= last[:, None], axis=1) / counts)


def interval(mean: float, size: int, fraction: float) -> tuple[float, float]:
    """95 % confidence interval of the mean of values in [0, 1], drawn without replacement.

    This is Wilson's interval of a proportion. Values in [0, 1] vary at most as much as zeros and
    ones with the same mean, so the interval is wide enough for shares. It also has a width for 100
    accounts without a miss, where an interval from their variance of 0 has none.

    Args:
        fraction: share of all accounts that was drawn; 1 gives an interval without width.

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
    """A sample of the accounts, ascending; smaller if they have many co-follow pairs."""
    drawn = np.random.default_rng(seed).permutation(accounts)[:_MAX_SAMPLE]
    co_follow_pairs = sum(
        int(follows.follower_counts[follows.followees.row(account)].sum(dtype=np.int64))
        for account in drawn
    )
    size = max(_MIN_SAMPLE, _CO_FOLLOW_PAIRS * len(drawn) // max(co_follow_pairs, 1))
    return np.sort(drawn[:size])


def _co_follow_pairs(followers: np.ndarray) -> int:
    return int(np.dot(followers, followers))
