"""Train/test splits: which follows are held out, and which accounts are measured.

A split is a mask over the follows of one graph, so no follow is in both train and test, and
accounts have the same indices in both. The train graph is built from the other follows only, so
degrees, popularity, neighbours and everything else derived from it cannot depend on test.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raypipe.config import EvaluationConfig, RunConfig
from raypipe.errors import InputError
from raypipe.graph.follow_graph import FollowGraph, with_follows
from raypipe.integrity.votes import Bounds, Votes, all_votes
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, subset
from raypipe.kernels.splitmix import mix_pair, nth_smallest
from raypipe.recommend.filters.inputs import Filters
from raypipe.recommend.negative_feedback import Rejections, rejections_of
from raypipe.storage.evaluations import AccountCounts, FollowCounts, SplitRecord

#: Activity segments of accounts, by number of follows, ascending. Accounts without follows come
#: first; they stand beside the others and are no part of a mean over all.
SEGMENTS = ("zero", "few", "cold", "warm", "hot")


@dataclass(frozen=True)
class Split:
    """A train/test split of follows.

    Attributes:
        train: all accounts, and the follows that are not held out.
        test: the held-out follows, one row per account of the graph.
        accounts: int32[m], accounts to be measured, ascending; each has held-out follows.
        segments: uint8[m], index in SEGMENTS of each of ``accounts``, by its follows in train.
        record: counts of follows in train and test, and of accounts that are measured or not.
        rejections: negative feedback; these pairs are not shown; None: there is none.
        test_rejections: held-out rejections, one row per account of the graph; None: there are
            none.
        filters: the filters that the config names; None: there are none.
        bounds: which follows count for others; None: all.
    """

    train: FollowGraph
    test: Adjacency
    accounts: np.ndarray
    segments: np.ndarray
    record: SplitRecord
    rejections: Rejections | None = None
    test_rejections: Adjacency | None = None
    filters: Filters | None = None
    bounds: Bounds | None = None

    @cached_property
    def votes(self) -> Votes:
        """The follows in train that count for others than the follower."""
        return all_votes(self.train) if self.bounds is None else self.bounds.votes_of(self.train)


def hold_out_share(
    graph: FollowGraph, share: tuple[int, int], min_follows: int, seed: int
) -> np.ndarray:
    """bool[follows]: hold out a random share of each account's follows.

    Of d follows, max(1, floor(share d)) are held out, so at least one remains. The choice depends
    only on the seed and the indices of the account and its followees.

    Args:
        share: (numerator, denominator), below 1.
        min_follows: accounts with fewer follows keep all of them; at least 2.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aaaab"), "followingId": list("bcdea")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> held = hold_out_share(graph, (1, 2), 2, seed=0)
        >>> int(held[:4].sum()), bool(held[4])
        (2, False)
    """
    follows = graph.followees.degrees
    counts = np.where(follows >= min_follows, held_out_of(follows, share), 0)
    return hold_out_counts(graph.followees, counts, seed)


@kernel
def hold_out_counts(rows: Adjacency, counts: np.ndarray, seed: int) -> np.ndarray:
    """bool: hold out a random choice of each account's follows.

    Args:
        counts: int64[n], the number held out of each account, at most all.

    Example:
        >>> rows = Adjacency(np.array([0, 3, 4]), np.array([1, 2, 3, 0], np.int32))
        >>> held = hold_out_counts(rows, np.array([2, 0]), seed=0)
        >>> int(held[:3].sum()), bool(held[3])
        (2, False)
    """
    indptr, codes = rows
    held = np.zeros(len(codes), dtype=np.bool_)
    for i in range(len(counts)):
        start, stop = indptr[i], indptr[i + 1]
        if counts[i] == 0:
            continue
        lots = np.empty(stop - start, dtype=np.uint64)
        for j in range(stop - start):
            lots[j] = mix_pair(seed, i, codes[start + j])
        limit = nth_smallest(lots.copy(), counts[i])
        for j in range(stop - start):
            held[start + j] = lots[j] <= limit
    return held


def hold_out_rejections(
    rejected: Adjacency, graph: FollowGraph, share: tuple[int, int], seed: int
) -> tuple[Rejections, Adjacency]:
    """Split rejections into negative feedback and a held-out share per account.

    If an account has r >= 2 rejections, max(1, floor(share r)) are held out, drawn like follows; a
    single rejection remains as feedback.

    Args:
        graph: train; rejected accounts that are followed there are in neither part.
        share: (numerator, denominator), below 1.

    Returns:
        The negative feedback, and the held-out rejections.

    Example:
        >>> from raypipe.graph.follow_graph import build_graph
        >>> graph, _ = build_graph([], list("abcde"))
        >>> rejected = Adjacency(np.array([0, 3, 4, 4, 4, 4]), np.array([1, 2, 3, 4], np.int32))
        >>> feedback, held_out = hold_out_rejections(rejected, graph, (1, 2), seed=0)
        >>> held_out.degrees.tolist(), feedback.rows.degrees.tolist()
        ([1, 0, 0, 0, 0], [2, 1, 0, 0, 0])
    """
    rejections = rejections_of(rejected, graph)
    counts = rejections.rows.degrees
    mask = hold_out_counts(
        rejections.rows, np.where(counts >= 2, held_out_of(counts, share), 0), seed
    )
    feedback = rejections._replace(rows=subset(rejections.rows, ~mask))
    return feedback, subset(rejections.rows, mask)


def segments_of(follows: np.ndarray, config: EvaluationConfig) -> np.ndarray:
    """uint8: index in SEGMENTS of accounts with these numbers of follows.

    Example:
        >>> segments_of(np.array([0, 1, 2, 3, 10, 50]), EvaluationConfig()).tolist()
        [0, 1, 1, 2, 3, 4]
    """
    return np.searchsorted(config.segments.bounds, follows, side="right").astype(np.uint8)


def segments_if_measured(follows: np.ndarray, config: RunConfig) -> np.ndarray:
    """int64: index in SEGMENTS of accounts with these numbers of follows, after the hold-out.

    -1 for accounts with fewer follows than ``evaluation.min_follows``, which are not measured.

    Example:
        >>> segments_if_measured(np.array([1, 2, 4, 12, 13, 100]), RunConfig()).tolist()
        [-1, 1, 2, 3, 3, 4]
    """
    left = follows - held_out_of(follows, config.evaluation.share_fraction)
    segments = segments_of(left, config.evaluation).astype(np.int64)
    return np.where(follows >= config.evaluation.min_follows, segments, -1)


def have_enough(kept: np.ndarray, follows: np.ndarray, config: EvaluationConfig) -> np.ndarray:
    """bool: whether accounts with these follows in train, and in total, may be measured.

    Example:
        >>> have_enough(np.array([0, 1, 1]), np.array([1, 2, 3]), EvaluationConfig(min_follows=3))
        array([ True, False,  True])
    """
    return follows >= np.where(kept > 0, config.min_follows, 1)


def limits_of(config: EvaluationConfig) -> list[tuple[int, int | None]]:
    """Minimum and maximum number of follows of each of SEGMENTS; None: no maximum.

    Example:
        >>> limits_of(EvaluationConfig())
        [(0, 0), (1, 2), (3, 9), (10, 49), (50, None)]
    """
    lower = (0, *config.segments.bounds)
    return list(zip(lower, (*(bound - 1 for bound in lower[1:]), None), strict=True))


def held_out_of(follows: np.ndarray, share: tuple[int, int]) -> np.ndarray:
    """int64: number of follows that :func:`hold_out_share` holds out, by number of follows.

    Example:
        >>> held_out_of(np.array([2, 5, 11]), (1, 5)).tolist()
        [1, 1, 2]
    """
    numerator, denominator = share
    return np.asarray(np.maximum(1, follows * numerator // denominator))


def draw_accounts(accounts: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """A uniform random sample of at most ``limit`` accounts, ascending.

    Example:
        >>> draw_accounts(np.array([2, 3, 7], np.int32), 5, seed=0).tolist()
        [2, 3, 7]
    """
    if len(accounts) <= limit:
        return accounts
    return np.sort(accounts[np.argsort(_lots(accounts, seed), kind="stable")[:limit]])


def hold_out_newest(times: np.ndarray, share: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Hold out the newest share of all follows.

    Follows with the time of the last train follow all remain in train.

    Args:
        times: float64[follows], at least one.
        share: (numerator, denominator), below 1.

    Returns:
        bool[follows], True for held-out follows, and the time of the last follow in train.

    Example:
        >>> hold_out_newest(np.array([5.0, 1.0, 3.0, 3.0]), (1, 2))
        (array([ True, False, False, False]), 3.0)
    """
    numerator, denominator = share
    remaining = len(times) - len(times) * numerator // denominator
    last = float(np.partition(times, remaining - 1)[remaining - 1])
    return times > last, last


def split_follows(
    graph: FollowGraph, held: np.ndarray, audience: np.ndarray, config: EvaluationConfig, seed: int
) -> Split:
    """Make a split from a mask of held-out follows.

    Args:
        held: bool[follows], True for test.
        audience: int32, accounts that may be measured, ascending.
        seed: of the sample of accounts, if ``config.max_accounts`` limits them.

    Raises:
        InputError: no account can be measured.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aab"), "followingId": list("bca")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> held = np.array([False, True, False])
        >>> audience = np.arange(3, dtype=np.int32)
        >>> split = split_follows(graph, held, audience, EvaluationConfig(min_follows=2), seed=0)
        >>> split.train.follows, split.test.row(0).tolist(), split.accounts.tolist()
        (2, [2], [0])
        >>> split.record.accounts.too_few_follows, split.record.accounts.without_follows
        (1, 1)
    """
    train, test = with_follows(graph, ~held), subset(graph.followees, held)
    return split_of(train, test, audience, config, seed)


def split_of(
    train: FollowGraph, test: Adjacency, audience: np.ndarray, config: EvaluationConfig, seed: int
) -> Split:
    """Make a split from its two parts.

    Args:
        train: the follows that lists are made from.
        test: other follows of the same accounts, one row per account.

    Raises:
        InputError: no account can be measured.
    """
    kept, tested = train.followees.degrees_of(audience), test.degrees_of(audience) > 0
    follows = kept + test.degrees_of(audience)
    enough = have_enough(kept, follows, config)
    measurable = audience[enough & tested]
    if not len(measurable):
        raise InputError(_why_none(follows, len(test.codes), config))
    limit = len(measurable) if config.max_accounts is None else config.max_accounts
    accounts = draw_accounts(measurable, limit, seed)
    segments = segments_of(train.followees.degrees_of(accounts), config)
    record = SplitRecord(
        follows=FollowCounts(train=train.follows, test=len(test.codes)),
        accounts=AccountCounts(
            measured=len(accounts),
            not_drawn=len(measurable) - len(accounts),
            without_follows=int(np.count_nonzero(follows == 0)),
            too_few_follows=int(np.count_nonzero(~enough & (follows > 0))),
            nothing_held_out=int(np.count_nonzero(enough & ~tested)),
        ),
    )
    return Split(train, test, accounts, segments, record)


def _why_none(follows: np.ndarray, test: int, config: EvaluationConfig) -> str:
    if not test and config.split == "time":
        return (
            "the test set is empty: no follow is newer than those in train; "
            "raise evaluation.share, or set evaluation.split: share"
        )
    largest = int(follows.max(initial=0))
    return (
        f"no account can be measured: none of {len(follows):,} accounts has a held-out follow and "
        f"at least {config.min_follows} follows in total; found at most {largest} per account; "
        "lower evaluation.min_follows, or provide more follows"
    )


@kernel
def _lots(accounts: np.ndarray, seed: int) -> np.ndarray:
    lots = np.empty(len(accounts), dtype=np.uint64)
    for i in range(len(accounts)):
        # No account follows itself, so this random number is used for nothing else.
        lots[i] = mix_pair(seed, accounts[i], accounts[i])
    return lots
