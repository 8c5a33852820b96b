"""The metrics of lists, and their registry: one function and one row of METRICS each.

Most metrics are functions of ``hits``: bool[m, n], is the candidate at rank j of list i a held-out
follow of account i? The value at length k, in column k - 1, is of the first k ranks; the ranks past
the end of a short list count as wrong. A mean over nothing is NaN.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from raypipe.evaluation.metric_spec import MetricSpec, Popularity
from raypipe.kernels.csr import Adjacency


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
    result: np.ndarray = _find_hits(codes, test.indptr, test.codes)
    return result


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
    result: np.ndarray = np.cumsum(hits, axis=1) / relevant[:, None]
    return result


def precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The share of the list that is relevant; a place that stays empty counts as wrong.

        precision@k = hits among the first k / k

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.3.

    Example:
        >>> precision(np.array([[True, False]]), np.array([4])).tolist()
        [[1.0, 0.5]]
    """
    result: np.ndarray = np.cumsum(hits, axis=1) / _places(hits)
    return result


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
    result: np.ndarray = np.cumsum(hits * discounts, axis=1) / ideal[best - 1]
    return result


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
    result: np.ndarray = np.cumsum(gains, axis=1) / relevant[:, None]
    return result


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


#: All metrics, in the order in which they are shown. A new one is a function and a row here.
METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("recall", recall, "share of the held-out follows that are in the list"),
    MetricSpec("precision", precision, "share of the list that was held out"),
    MetricSpec("ndcg", ndcg, "discounted cumulative gain, as a share of the best possible"),
    MetricSpec("map", average_precision, "mean average precision"),
    MetricSpec("mrr", reciprocal_rank, "one over the rank of the first hit"),
    MetricSpec("hit_rate", hit_rate, "share of the accounts with a hit"),
    MetricSpec("novelty", novelty, "self-information", None, "popularity", "bits"),
    MetricSpec(
        "popularity_bias",
        popularity_bias,
        "followers of the candidates, as a multiple of those of followees",
        None,
        "popularity",
        "1: as follows in train",
    ),
    MetricSpec("coverage", coverage, "share of the catalogue in any list", None, "catalogue"),
    MetricSpec(
        "rejected", rejected_share, "share of held-out rejections shown", "lower", "rejections"
    ),
)
#: Those that need a predicted rating, which a follow does not have.
OF_RATINGS = ("rmse", "mae", "fcp")


def _places(lists: np.ndarray) -> np.ndarray:
    return np.arange(1, lists.shape[1] + 1)


def _mean_of_lists(codes: np.ndarray, value: np.ndarray) -> np.ndarray:
    """float64[m, n]: the mean value of those in the first k places; NaN where these are empty."""
    used = codes >= 0
    counts = np.cumsum(used, axis=1)
    sums = np.cumsum(np.where(used, value[codes], 0.0), axis=1)  # in the order of the list
    result: np.ndarray = np.divide(sums, counts, out=np.full(codes.shape, np.nan), where=counts > 0)
    return result


@njit(cache=True, nogil=True)
def _find_hits(codes: np.ndarray, indptr: np.ndarray, test: np.ndarray) -> np.ndarray:
    hits = np.zeros(codes.shape, dtype=np.bool_)
    for i in range(len(codes)):
        relevant = test[indptr[i] : indptr[i + 1]]
        for j in range(codes.shape[1]):
            at = np.searchsorted(relevant, codes[i, j])
            hits[i, j] = at < len(relevant) and relevant[at] == codes[i, j]
    return hits
