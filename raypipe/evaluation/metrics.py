"""How good lists are, one value an account, at every length.

A metric is a function of ``hits``: bool[m, n], does the i-th list hold at place j an account that
is in the i-th row of test? Its value at length k, in column k - 1, is of the first k places; a list
that is shorter is wrong in the rest. What a metric says of nobody or nothing is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from raypipe.errors import ConfigError, did_you_mean
from raypipe.kernels.csr import Adjacency

COVERAGE = "coverage"


def find_hits(codes: np.ndarray, test: Adjacency) -> np.ndarray:
    """bool[m, n]: which places of the lists are in test.

    Args:
        codes: int32[m, n], the lists, best first; -1 past the end of a list.
        test: m rows, the followees hidden from each account.

    Example:
        >>> test = Adjacency(np.array([0, 2]), np.array([3, 8], dtype=np.int32))
        >>> find_hits(np.array([[8, 5, 3, -1]], dtype=np.int32), test).tolist()
        [[True, False, True, False]]
    """
    return _find_hits(codes, test.indptr, test.codes)


def recall(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The share of the relevant that are in the list.

        recall@k = hits among the first k / |relevant|

    Args:
        hits: bool[m, n].
        relevant: int64[m], how many are in test, one at least.

    Returns:
        float64[m, n], here as for the other metrics: column k - 1 is the value at k.

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.3.

    Example:
        >>> recall(np.array([[True, False, True]]), np.array([4])).tolist()
        [[0.25, 0.25, 0.5]]
    """
    return np.cumsum(hits, axis=1) / relevant[:, None]


def precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The share of the list that is relevant; a place that stays empty counts as wrong.

        precision@k = hits among the first k / k

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.3.

    Example:
        >>> precision(np.array([[True, False]]), np.array([4])).tolist()
        [[1.0, 0.5]]
    """
    return np.cumsum(hits, axis=1) / _places(hits)


def ndcg(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Normalised discounted cumulative gain: what a hit gives shrinks with its place.

        ndcg@k = sum over hits at places i <= k of 1 / log2(i + 1)
                 / sum over i <= min(k, |relevant|) of 1 / log2(i + 1)

    Source:
        Jarvelin and Kekalainen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS
        20(4), with the discount log2(i + 1) of trec_eval.

    Example:
        >>> ndcg(np.array([[False, True]]), np.array([1])).round(3).tolist()
        [[0.0, 0.631]]
    """
    discounts = 1.0 / np.log2(_places(hits) + 1.0)
    ideal = np.cumsum(discounts)
    best = np.minimum(_places(hits), relevant[:, None])
    return np.cumsum(hits * discounts, axis=1) / ideal[best - 1]


def average_precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Average precision; its mean over the accounts is MAP.

        ap@k = sum over hits at places i <= k of precision@i / |relevant|

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.4; cut at
        k as trec_eval's map_cut does.

    Example:
        >>> average_precision(np.array([[True, False, True]]), np.array([2])).round(3).tolist()
        [[0.5, 0.5, 0.833]]
    """
    gains = hits * np.cumsum(hits, axis=1) / _places(hits)
    return np.cumsum(gains, axis=1) / relevant[:, None]


def reciprocal_rank(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """One over the place of the first hit, 0 without one; its mean over the accounts is MRR.

    Source:
        Voorhees (1999), "The TREC-8 question answering track report".

    Example:
        >>> reciprocal_rank(np.array([[False, True, True]]), np.array([2])).tolist()
        [[0.0, 0.5, 0.5]]
    """
    return np.maximum.accumulate(hits / _places(hits), axis=1)


def hit_rate(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1 where the list holds a hit at all, else 0.

    Source:
        Deshpande and Karypis (2004), "Item-based top-N recommendation algorithms", ACM TOIS 22(1).

    Example:
        >>> hit_rate(np.array([[False, True, False]]), np.array([2])).tolist()
        [[0.0, 1.0, 1.0]]
    """
    return np.maximum.accumulate(hits, axis=1).astype(np.float64)


class Popularity(NamedTuple):
    """What is known of the popularity of accounts, in train.

    Attributes:
        followers: int[n], number of followers of every account.
        following: how many accounts follow anybody.
    """

    followers: np.ndarray
    following: int


def novelty(codes: np.ndarray, popularity: Popularity) -> np.ndarray:
    """How little known those in the list are: their mean self-information, in bits.

        novelty@k = mean over c in the first k of log2(following / followers(c))

    where following is the number of accounts that follow anybody, all of it in train; who has no
    follower counts as if it had one. A list of accounts that everybody follows has novelty 0; half
    as many followers add 1.

    Args:
        codes: int32[m, n], the lists; -1 past the end of a list.

    Source:
        Zhou, Kuscsik, Liu, Medo, Wakeling and Zhang (2010), "Solving the apparent
        diversity-accuracy dilemma of recommender systems", PNAS 107(10): self-information.

    Example:
        >>> novelty(np.array([[0, 1]]), Popularity(np.array([8, 2]), 8)).tolist()
        [[0.0, 1.0]]
    """
    followers, following = popularity
    return _mean_of_lists(codes, np.log2(following / np.maximum(followers, 1)))


def popularity_bias(codes: np.ndarray, popularity: Popularity) -> np.ndarray:
    """How popular those in the list are, against those that are followed anyway.

        popularity_bias@k = mean over c in the first k of followers(c)
                            / mean over the follows (a, c) in train of followers(c)

    1 where lists are as popular as what accounts choose by themselves; 3 where those in the list
    have three times as many followers.

    Source:
        The numerator is the average recommendation popularity of Yin, Cui, Li, Yao and Chen (2012),
        "Challenging the long tail recommendation", PVLDB 5(9). It is set against the popularity in
        profiles as by Abdollahpouri, Mansoury, Burke and Mobasher (2020), "The connection between
        popularity bias, calibration, and fairness in recommendation", RecSys; here of all accounts.

    Example:
        >>> popularity_bias(np.array([[0, 1]]), Popularity(np.array([3, 1]), 3)).tolist()
        [[1.2, 0.8]]
    """
    followers = popularity.followers.astype(np.int64)  # its squares are large
    follows = followers.sum()
    of_a_follow = np.dot(followers, followers) / follows if follows else np.nan
    return _mean_of_lists(codes, followers / of_a_follow)


def coverage(recommended: np.ndarray, catalogue: np.ndarray) -> float:
    """The share of the catalogue that is in a list at all.

        coverage@k = |accounts in the first k of any list, and in the catalogue| / |catalogue|

    It is a value of all lists together, not of an account, so it has no interval: accounts that
    are drawn twice in a resample cover nothing new, and every resample would cover less.

    Args:
        recommended, catalogue: bool[n]; the catalogue are those who may be recommended.

    Source:
        Ge, Delgado-Battenfeld and Jannach (2010), "Beyond accuracy: evaluating recommender systems
        by coverage and serendipity", RecSys.

    Example:
        >>> coverage(np.array([True, False, True]), np.array([True, True, False]))
        0.5
    """
    segment = np.count_nonzero(catalogue)
    return float(np.count_nonzero(recommended & catalogue) / segment) if segment else float("nan")


def rejected_share(codes: np.ndarray, rejections: Adjacency) -> np.ndarray:
    """The share of the rejections that were held out which the list shows nevertheless.

        rejected@k = held-out rejections among the first k / |held-out rejections|

    0 is best; NaN for an account of which none is held out. It is recall, of whom the account does
    not want: a source that finds nobody has 0, so it says something only beside recall.

    Args:
        codes: int32[m, n], the lists; -1 past the end of a list.
        rejections: m rows.

    Example:
        >>> held = Adjacency(np.array([0, 2, 2]), np.array([3, 8], dtype=np.int32))
        >>> rejected_share(np.array([[8, 5], [8, 3]], dtype=np.int32), held).tolist()
        [[0.5, 0.5], [nan, nan]]
    """
    counts = np.where(rejections.degrees > 0, rejections.degrees, np.nan)
    return recall(find_hits(codes, rejections), counts)


#: Of the hits, in the order in which they are shown. Larger is better.
RANKING = {
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "hit_rate": hit_rate,
}
#: Of whom the lists hold, right or wrong. Neither small nor large is better.
LISTS = {"novelty": novelty, "popularity_bias": popularity_bias}
#: Of rejections, where some are held out. Smaller is better.
REJECTED = "rejected"
NAMES = (*RANKING, *LISTS, COVERAGE, REJECTED)
#: Those that need a rating to be predicted, which a follow does not have.
OF_RATINGS = ("rmse", "mae", "fcp")


def check_names(names: Sequence[str] | None, rejections: bool = False) -> tuple[str, ...]:
    """The metrics of that name, in the order of NAMES; all that there can be for None.

    Args:
        rejections: are some held out?

    Raises:
        ConfigError: there is none of such a name, or it is one that such data cannot have.

    Example:
        >>> check_names(["ndcg", "recall"])
        ('recall', 'ndcg')
        >>> check_names(["hitrate"])
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: evaluation.metrics: no metric hitrate; did you mean hit_rate?
    """
    for name in names or ():
        if name in OF_RATINGS:
            raise ConfigError(
                f"evaluation.metrics: {name} needs ratings, and a follow has none; "
                f"follows can have {', '.join(NAMES)}"
            )
        if name not in NAMES:
            raise ConfigError(f"evaluation.metrics: no metric {name}; {did_you_mean(name, NAMES)}")
        if name == REJECTED and not rejections:
            raise ConfigError(
                f"evaluation.metrics: {name} needs rejections to hold out; name a table of them in "
                "evaluation.rejections"
            )
    known = [name for name in NAMES if rejections or name != REJECTED]
    return tuple(name for name in known if names is None or name in names)


def metrics(
    codes: np.ndarray,
    test: Adjacency,
    popularity: Popularity,
    names: Sequence[str],
    lengths: Sequence[int],
    rejections: Adjacency | None = None,
) -> dict[str, np.ndarray]:
    """Every metric that has one value an account, at each length.

    Args:
        codes: int32[m, n], the lists, best first; -1 past the end of a list; n >= each length.
        test: m rows, one code at least in each.
        names: of NAMES; coverage is no value of an account, and left out.
        rejections: m rows, those held out; needed for the metric of that name.

    Returns:
        ``recall@10`` and so on to float64[m]; by metric, then by length.

    Example:
        >>> test = Adjacency(np.array([0, 1]), np.array([2], dtype=np.int32))
        >>> lists = np.array([[1, 2]], dtype=np.int32)
        >>> known = Popularity(np.array([0, 3, 1]), following=4)
        >>> metrics(lists, test, known, ["recall", "novelty"], [1, 2])
        {'recall@1': array([0.]), 'recall@2': array([1.]), 'novelty@1': array([0.4150375]), \
'novelty@2': array([1.20751875])}
    """
    hits, relevant = find_hits(codes, test), test.degrees
    found = {}
    for name in names:
        if name in RANKING:
            values = RANKING[name](hits, relevant)
        elif name in LISTS:
            values = LISTS[name](codes, popularity)
        elif name == REJECTED:
            values = rejected_share(codes, rejections)
        else:
            continue
        found.update({f"{name}@{k}": values[:, k - 1].copy() for k in lengths})
    return found


def _places(lists: np.ndarray) -> np.ndarray:
    return np.arange(1, lists.shape[1] + 1)


def _mean_of_lists(codes: np.ndarray, value: np.ndarray) -> np.ndarray:
    """float64[m, n]: the mean value of those in the first k places; NaN where these are empty."""
    used = codes >= 0
    counts = np.cumsum(used, axis=1)
    sums = np.cumsum(np.where(used, value[codes], 0.0), axis=1)  # in the order of the list
    return np.divide(sums, counts, out=np.full(codes.shape, np.nan), where=counts > 0)


@njit(cache=True, nogil=True)
def _find_hits(codes, indptr, test):
    hits = np.zeros(codes.shape, dtype=np.bool_)
    for i in range(len(codes)):
        relevant = test[indptr[i] : indptr[i + 1]]
        for j in range(codes.shape[1]):
            at = np.searchsorted(relevant, codes[i, j])
            hits[i, j] = at < len(relevant) and relevant[at] == codes[i, j]
    return hits
