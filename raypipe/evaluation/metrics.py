"""Metrics of lists, and their registry: one function and one row of METRICS each.

Most metrics are functions of ``hits``: bool[m, n], True if the candidate at rank j of list i is a
held-out follow of account i. Column k - 1 of a result is the value of the first k ranks. Ranks past
the end of a short list count as misses. A mean over no values is NaN.
"""

import numpy as np

from raypipe.evaluation.metric_spec import MetricSpec, Popularity
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency, contains


@kernel
def find_hits(codes: np.ndarray, test: Adjacency) -> np.ndarray:
    """bool[m, n]: True where a candidate is in the test row of its account.

    Args:
        codes: int32[m, n], the lists, best first; -1 past the end of a list.
        test: m rows, the held-out followees of each account.

    Example:
        >>> test = Adjacency(np.array([0, 2]), np.array([3, 8], dtype=np.int32))
        >>> find_hits(np.array([[8, 5, 3, -1]], dtype=np.int32), test).tolist()
        [[True, False, True, False]]
    """
    hits = np.zeros(codes.shape, dtype=np.bool_)
    for i in range(len(codes)):
        relevant = test.codes[test.indptr[i] : test.indptr[i + 1]]
        for j in range(codes.shape[1]):
            hits[i, j] = contains(relevant, codes[i, j])
    return hits


def recall(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Recall: the share of the held-out follows that are in the list.

        recall@k = hits among the first k / |relevant|

    Args:
        hits: bool[m, n].
        relevant: int64[m], number of held-out follows, at least 1.

    Returns:
        float64[m, n], as for the other metrics: column k - 1 is the value at k.

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.3.

    Example:
        >>> recall(np.array([[True, False, True]]), np.array([4])).tolist()
        [[0.25, 0.25, 0.5]]
    """
    return np.asarray(np.cumsum(hits, axis=1) / relevant[:, None])


def precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Precision: the share of the first k ranks that are hits; an empty rank counts as a miss.

        precision@k = hits among the first k / k

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.3.

    Example:
        >>> precision(np.array([[True, False]]), np.array([4])).tolist()
        [[1.0, 0.5]]
    """
    return np.asarray(np.cumsum(hits, axis=1) / _ranks(hits))


def ndcg(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Normalised discounted cumulative gain: the gain of a hit shrinks with its rank.

        ndcg@k = sum over hits at ranks i <= k of 1 / log2(i + 1)
                 / sum over i <= min(k, |relevant|) of 1 / log2(i + 1)

    Source:
        Jarvelin and Kekalainen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS
        20(4), with the discount log2(i + 1) of trec_eval.

    Example:
        >>> ndcg(np.array([[False, True]]), np.array([1])).round(3).tolist()
        [[0.0, 0.631]]
    """
    discounts = 1.0 / np.log2(_ranks(hits) + 1.0)
    ideal = np.cumsum(discounts)
    best = np.minimum(_ranks(hits), relevant[:, None])
    return np.asarray(np.cumsum(hits * discounts, axis=1) / ideal[best - 1])


def average_precision(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Average precision; its mean over the accounts is MAP.

        ap@k = sum over hits at ranks i <= k of precision@i / |relevant|

    Source:
        Manning, Raghavan and Schuetze (2008), "Introduction to Information Retrieval", 8.4;
        truncated at k like map_cut of trec_eval.

    Example:
        >>> average_precision(np.array([[True, False, True]]), np.array([2])).round(3).tolist()
        [[0.5, 0.5, 0.833]]
    """
    gains = hits * np.cumsum(hits, axis=1) / _ranks(hits)
    return np.asarray(np.cumsum(gains, axis=1) / relevant[:, None])


def reciprocal_rank(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Reciprocal rank: 1 / rank of the first hit, 0 if there is none; its mean is MRR.

    Source:
        Voorhees (1999), "The TREC-8 question answering track report".

    Example:
        >>> reciprocal_rank(np.array([[False, True, True]]), np.array([2])).tolist()
        [[0.0, 0.5, 0.5]]
    """
    return np.maximum.accumulate(hits / _ranks(hits), axis=1)


def hit_rate(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Hit rate: 1 if the list contains a hit, else 0.

    Source:
        Deshpande and Karypis (2004), "Item-based top-N recommendation algorithms", ACM TOIS 22(1).

    Example:
        >>> hit_rate(np.array([[False, True, False]]), np.array([2])).tolist()
        [[0.0, 1.0, 1.0]]
    """
    return np.maximum.accumulate(hits, axis=1).astype(np.float64)


def novelty(codes: np.ndarray, popularity: Popularity) -> np.ndarray:
    """Novelty: the mean self-information of the candidates, in bits.

        novelty@k = mean over c in the first k of log2(following / followers(c))

    where following is the number of accounts with at least one follow; both are counted in train,
    and an account without followers counts as one with a single follower. If every account follows
    all candidates, novelty is 0; halving their followers adds 1.

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
    """Popularity bias: followers of the candidates, relative to those of the followees.

        popularity_bias@k = mean over c in the first k of followers(c)
                            / mean over the follows (a, c) in train of followers(c)

    1: candidates are as popular as followees; 3: they have three times as many followers.

    Source:
        The numerator is the average recommendation popularity of Yin, Cui, Li, Yao and Chen (2012),
        "Challenging the long tail recommendation", PVLDB 5(9). The denominator, popularity in
        profiles, follows Abdollahpouri, Mansoury, Burke and Mobasher (2020), "The connection
        between popularity bias, calibration, and fairness in recommendation", RecSys; here it is
        the mean over all accounts.

    Example:
        >>> popularity_bias(np.array([[0, 1]]), Popularity(np.array([3, 1]), 3)).tolist()
        [[1.2, 0.8]]
    """
    followers = popularity.followers.astype(np.int64)  # its squares are large
    follows = followers.sum()
    mean_of_follows = np.dot(followers, followers) / follows if follows else np.nan
    return _mean_of_lists(codes, followers / mean_of_follows)


def coverage(recommended: np.ndarray, catalogue: np.ndarray) -> float:
    """Catalogue coverage: the share of the catalogue that is in at least one list.

        coverage@k = |accounts in the first k of any list, and in the catalogue| / |catalogue|

    It is one value for all lists together, and has no bootstrap interval: an account that is drawn
    twice covers nothing new, so every resample would cover less.

    Args:
        recommended: bool[n], True for accounts in at least one list.
        catalogue: bool[n], True for accounts that may be recommended.

    Source:
        Ge, Delgado-Battenfeld and Jannach (2010), "Beyond accuracy: evaluating recommender systems
        by coverage and serendipity", RecSys.

    Example:
        >>> coverage(np.array([True, False, True]), np.array([True, True, False]))
        0.5
    """
    size = np.count_nonzero(catalogue)
    return float(np.count_nonzero(recommended & catalogue) / size) if size else float("nan")


def rejected_share(codes: np.ndarray, rejections: Adjacency) -> np.ndarray:
    """Rejected share: the share of the held-out rejections that the list recommends.

        rejected@k = held-out rejections among the first k / |held-out rejections|

    0 is best; NaN for an account without held-out rejections. This is the recall of rejected
    accounts. Compare it together with recall: a source with empty lists has 0 for both.

    Example:
        >>> rejections = Adjacency(np.array([0, 2, 2]), np.array([3, 8], dtype=np.int32))
        >>> rejected_share(np.array([[8, 5], [8, 3]], dtype=np.int32), rejections).tolist()
        [[0.5, 0.5], [nan, nan]]
    """
    counts = np.where(rejections.degrees > 0, rejections.degrees, np.nan)
    return recall(find_hits(codes, rejections), counts)


#: All metrics, in the order of reports. A new metric is a function and a row here.
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
#: Names of metrics that need a predicted rating, which follows do not have.
OF_RATINGS = ("rmse", "mae", "fcp")


def _ranks(lists: np.ndarray) -> np.ndarray:
    return np.arange(1, lists.shape[1] + 1)


def _mean_of_lists(codes: np.ndarray, value: np.ndarray) -> np.ndarray:
    """float64[m, n]: the mean value of the first k candidates; NaN for an empty list."""
    used = codes >= 0
    counts = np.cumsum(used, axis=1)
    sums = np.cumsum(np.where(used, value[codes], 0.0), axis=1)  # in the order of the list
    return np.asarray(np.divide(sums, counts, out=np.full(codes.shape, np.nan), where=counts > 0))
