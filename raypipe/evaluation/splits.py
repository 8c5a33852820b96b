"""Train and test: which follows are held out, and which accounts are measured.

A split is a mask over the follows of one graph. So no follow is in train and in test, and accounts
have the same codes in both. The train graph is built anew from what is not held out: degrees,
popularity, neighbours and whatever else is made of it cannot know what is in test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from raypipe.config import EvaluationConfig
from raypipe.errors import InputError
from raypipe.graph.follow_graph import FollowGraph, with_follows
from raypipe.kernels.csr import Adjacency, subset
from raypipe.kernels.splitmix import mix_pair
from raypipe.recommend.negative_feedback import Rejections, rejections_of
from raypipe.storage.evaluations import AccountCounts, FollowCounts, SplitRecord

#: The segments of an account, smallest first.
SEGMENTS = ("cold", "warm", "hot")


@dataclass(frozen=True)
class Split:
    """Follows, some of them held out.

    Attributes:
        train: all accounts, and the follows that are not held out.
        test: the follows held out, a row for each account of the graph.
        accounts: int32, those to be measured, ascending; each has a row in test.
        segments: uint8, the place in SEGMENTS of each of ``accounts``, by its follows in train.
        record: follows in train and test, accounts by whether and why not measured.
        rejections: that teach, and are not shown; None: nobody has rejected anybody.
        test_rejections: held out, a row for each account of the graph; None: there are none.
    """

    train: FollowGraph
    test: Adjacency
    accounts: np.ndarray
    segments: np.ndarray
    record: SplitRecord
    rejections: Rejections | None = None
    test_rejections: Adjacency | None = None


def hold_out_share(
    graph: FollowGraph, share: tuple[int, int], min_follows: int, seed: int
) -> np.ndarray:
    """bool[follows]: a share of the follows of each account that has enough, drawn at random.

    Of d follows, max(1, floor(share d)) are held out, and so one at least stays. Which they are
    depends on the seed and the codes of the account and its followees, and on nothing else.

    Args:
        share: (numerator, denominator), below 1.
        min_follows: an account with fewer keeps all its follows; 2 at least.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aaaab"), "followingId": list("bcdea")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> held = hold_out_share(graph, (1, 2), 2, seed=0)
        >>> int(held[:4].sum()), bool(held[4])
        (2, False)
    """
    result: np.ndarray = _hold_out_share(*graph.followees, *share, min_follows, seed)
    return result


def hold_out_rejections(
    rejected: Adjacency, graph: FollowGraph, share: tuple[int, int], seed: int
) -> tuple[Rejections, Adjacency]:
    """Those that teach, and a share of each account's that is held out to be measured by.

    Of r rejections of an account, r being 2 at least, max(1, floor(share r)) are held out, drawn as
    follows are; a single one teaches.

    Args:
        rejected: whom each account has rejected.
        graph: train; who is followed there teaches nothing, and is not held out.
        share: (numerator, denominator), below 1.

    Example:
        >>> from raypipe.graph.follow_graph import build_graph
        >>> graph, _ = build_graph([], list("abcde"))
        >>> rejected = Adjacency(np.array([0, 3, 4, 4, 4, 4]), np.array([1, 2, 3, 4], np.int32))
        >>> taught, held = hold_out_rejections(rejected, graph, (1, 2), seed=0)
        >>> held.degrees.tolist(), taught.rows.degrees.tolist()
        ([1, 0, 0, 0, 0], [2, 1, 0, 0, 0])
    """
    every = rejections_of(rejected, graph)
    held = _hold_out_share(*every.rows, *share, 2, seed)
    return every._replace(rows=subset(every.rows, ~held)), subset(every.rows, held)


def held_out_of(follows: np.ndarray, share: tuple[int, int]) -> np.ndarray:
    """int64: how many :func:`hold_out_share` holds out of so many follows, of those with enough.

    Example:
        >>> held_out_of(np.array([2, 5, 11]), (1, 5)).tolist()
        [1, 1, 2]
    """
    numerator, denominator = share
    result: np.ndarray = np.maximum(1, follows * numerator // denominator)
    return result


def draw_accounts(accounts: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the accounts, ascending, each as likely as any other.

    Example:
        >>> draw_accounts(np.array([2, 3, 7], np.int32), 5, seed=0).tolist()
        [2, 3, 7]
    """
    if len(accounts) <= most:
        return accounts
    return np.sort(accounts[np.argsort(_lots(accounts, seed), kind="stable")[:most]])


def hold_out_newest(times: np.ndarray, share: tuple[int, int]) -> tuple[np.ndarray, float]:
    """The newest share of all follows, and the time of the last one that stays.

    Follows of one time stay together, in train.

    Args:
        times: float64[follows]; one at least.
        share: (numerator, denominator), below 1.

    Returns:
        bool[follows], and the time.

    Example:
        >>> hold_out_newest(np.array([5.0, 1.0, 3.0, 3.0]), (1, 2))
        (array([ True, False, False, False]), 3.0)
    """
    numerator, denominator = share
    stay = len(times) - len(times) * numerator // denominator
    last = float(np.partition(times, stay - 1)[stay - 1])
    return times > last, last


def split_follows(
    graph: FollowGraph, held: np.ndarray, audience: np.ndarray, config: EvaluationConfig, seed: int
) -> Split:
    """Make a split of a mask.

    Args:
        graph: all follows.
        held: bool[follows], True for test.
        audience: int32, accounts that may be measured, ascending.
        seed: of the accounts that are drawn, where ``config.max_accounts`` says how many.

    Raises:
        InputError: no account can be measured.

    Example:
        >>> import pandas as pd
        >>> from raypipe.graph.follow_graph import build_graph, encode
        >>> frame = pd.DataFrame({"followerId": list("aab"), "followingId": list("bca")})
        >>> graph, _ = build_graph([encode(frame)])
        >>> held = np.array([False, True, False])
        >>> everybody = np.arange(3, dtype=np.int32)
        >>> split = split_follows(graph, held, everybody, EvaluationConfig(min_follows=2), seed=0)
        >>> split.train.follows, split.test.row(0).tolist(), split.accounts.tolist()
        (2, [2], [0])
        >>> split.record.accounts.too_few_follows, split.record.accounts.without_follows
        (1, 1)
    """
    train = with_follows(graph, ~held)
    test = subset(graph.followees, held)
    follows, tested = graph.followees.degrees_of(audience), test.degrees_of(audience) > 0
    enough = follows >= config.min_follows
    can_be = audience[enough & tested]
    if not len(can_be):
        raise InputError(_why_nobody(follows, len(test.codes), config))
    most = len(can_be) if config.max_accounts is None else config.max_accounts
    accounts = draw_accounts(can_be, most, seed)
    bounds = [config.segments.warm, config.segments.hot]
    segments = np.searchsorted(bounds, train.followees.degrees_of(accounts), side="right")
    record = SplitRecord(
        follows=FollowCounts(train=train.follows, test=len(test.codes)),
        accounts=AccountCounts(
            measured=len(accounts),
            not_drawn=len(can_be) - len(accounts),
            without_follows=int(np.count_nonzero(follows == 0)),
            too_few_follows=int(np.count_nonzero(~enough & (follows > 0))),
            nothing_held_out=int(np.count_nonzero(enough & ~tested)),
        ),
    )
    return Split(train, test, accounts, segments.astype(np.uint8), record)


def _why_nobody(follows: np.ndarray, test: int, config: EvaluationConfig) -> str:
    if not test and config.split == "time":
        return (
            "the test set is empty: no follow is newer than those in train; "
            "raise evaluation.share, or set evaluation.split: share"
        )
    most = int(follows.max(initial=0))
    return (
        f"nobody can be measured: of {len(follows):,} accounts none has a follow held out and "
        f"{config.min_follows} follows in all; the most that one has is {most}; "
        "lower evaluation.min_follows, or give more follows"
    )


@njit(cache=True, nogil=True)
def _lots(accounts: np.ndarray, seed: int) -> np.ndarray:
    lots = np.empty(len(accounts), dtype=np.uint64)
    for i in range(len(accounts)):
        # Nobody follows itself, so this lot is drawn for nothing else.
        lots[i] = mix_pair(seed, accounts[i], accounts[i])
    return lots


@njit(cache=True, nogil=True)
def _hold_out_share(
    indptr: np.ndarray,
    codes: np.ndarray,
    numerator: int,
    denominator: int,
    min_follows: int,
    seed: int,
) -> np.ndarray:
    held = np.zeros(len(codes), dtype=np.bool_)
    for i in range(len(indptr) - 1):
        start, stop = indptr[i], indptr[i + 1]
        follows = stop - start
        if follows < min_follows:
            continue
        lots = np.empty(follows, dtype=np.uint64)
        for j in range(follows):
            lots[j] = mix_pair(seed, i, codes[start + j])
        order = np.argsort(lots)
        for j in range(max(1, follows * numerator // denominator)):
            held[start + order[j]] = True
    return held
