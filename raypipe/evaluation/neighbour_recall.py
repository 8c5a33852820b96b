"""What a cap on hubs costs: which share of the exact neighbours is found, on a sample; which of the
walks through accounts in the middle are left."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.exact_scores import best_of_all
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.context import ShardContext
from raypipe.recommend.shard import nearest
from raypipe.recommend.sources import co_followed, two_hop
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


def similarity_facts(graph: FollowGraph, context: ShardContext) -> SimilarityRecord:
    """What ``max_followers`` leaves out of the search, and what is still found.

    Where no hub is left out, the search is exact: a recall of 1, no sample.
    """
    cap = context.config.sources.similar.max_followers
    followers = graph.followers.degrees
    left = followers if cap is None else followers[followers <= cap]
    found = measure_recall(context, graph.followers) if context.hubs_left_out else _EXACT
    share = _co_follow_pairs(left) / (_co_follow_pairs(followers) or 1)
    return SimilarityRecord(
        max_followers=cap,
        hubs_left_out=context.hubs_left_out,
        share_of_co_follow_pairs_left=round(share, 4),
        recall=None if found.recall is None else round(found.recall, 4),
        low=round(found.low, 4),
        high=round(found.high, 4),
        sample=found.sample,
    )


def walk_facts(context: ShardContext) -> dict[str, WalkRecord]:
    """What ``max_follows`` leaves out, by source, where it is set."""
    follows = context.followees.degrees
    from_here = {two_hop.NAME: context.followers.astype(np.int64), co_followed.NAME: follows}
    found = {}
    for name, starts in from_here.items():
        most = getattr(context.config.sources, name).max_intermediary_follows
        if most is not None:
            left = follows <= most
            walks = int(np.dot(starts, follows))
            share = int(np.dot(starts[left], follows[left])) / (walks or 1)
            found[name] = WalkRecord(
                max_follows=most,
                left_out=int(np.count_nonzero(~left)),
                share_of_walks_left=round(share, 4),
            )
    return found


def measure_recall(context: ShardContext, followers: Adjacency) -> Recall:
    """Compare the neighbours of a sample of the audience with the exact ones, counted plainly.

    The sample depends on the follows, the audience and the config's seed, on nothing else.

    Args:
        followers: who follows each account, hubs too.
    """
    similar = context.config.sources.similar
    asked = context.accounts[context.followees.degrees_of(context.accounts) > 0]
    sample = _draw(context, asked)
    exact = best_of_all(
        context.followees, followers, sample, similar.neighbours, similar.threshold_fraction
    )
    shares = shares_found(exact, nearest(context, sample))
    if not len(shares):
        return Recall(None, 0.0, 1.0, 0)
    recall = float(shares.mean())
    return Recall(recall, *interval(recall, len(shares), len(sample) / len(asked)), len(shares))


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
    return np.count_nonzero(found.scores[has] >= least[:, None], axis=1) / counts


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


def _draw(context: ShardContext, asked: np.ndarray) -> np.ndarray:
    """Some of the accounts, ascending; the fewer, the more co-follow pairs they have."""
    rng = np.random.default_rng(context.config.seed)
    drawn = rng.permutation(asked)[:_MOST]
    co_follow_pairs = sum(
        int(context.followers[context.followees.row(account)].sum(dtype=np.int64))
        for account in drawn
    )
    size = max(_FEWEST, _CO_FOLLOW_PAIRS * len(drawn) // max(co_follow_pairs, 1))
    return np.sort(drawn[:size])


def _co_follow_pairs(followers: np.ndarray) -> int:
    return int(np.dot(followers, followers))
