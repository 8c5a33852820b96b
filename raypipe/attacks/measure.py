"""What an attack has bought: from the lists with it and without it to numbers with intervals."""

from math import isnan
from typing import NamedTuple

import numpy as np

from raypipe.evaluation.intervals import bootstrap_means
from raypipe.evaluation.metrics import find_hits
from raypipe.kernels.csr import Adjacency
from raypipe.storage.attacks import Bought, DetectionRecord, Estimate


class Lists(NamedTuple):
    """The lists of the same m accounts, with an attack and without it.

    Attributes:
        codes, before: int32[m, n], best first, then -1; accounts that only the attack has are not
            in ``before``.
        test: m rows, the held-out follows of each account.
    """

    codes: np.ndarray
    before: np.ndarray
    test: Adjacency


def first_ranks(codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """int64[m]: the rank of the first wanted account in each list; 0: there is none.

    Args:
        codes: int32[m, n], the lists, best first, then -1.
        wanted: codes of accounts.

    Example:
        >>> first_ranks(np.array([[5, 8, -1], [8, 5, 7], [7, -1, -1]]), np.array([5])).tolist()
        [1, 2, 0]
    """
    found = np.isin(codes, wanted)
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)


def bought(
    lists: Lists,
    pushed: np.ndarray,
    target: int | None,
    spent: int,
    resamples: int,
    seed: int,
    real: bool = False,
) -> Bought:
    """Compare the lists with an attack and without it, account by account.

    Args:
        pushed: codes of the accounts that count as reached.
        target: the promoted or demoted account; None: the first of ``pushed`` in a list.
        spent: number of fake follows and rejections.
        resamples, seed: of the intervals.
        real: ``pushed`` are real accounts without most of their followers, so that neither the
            lists without the attack nor recall can be compared.
    """
    codes, before, n = lists.codes, lists.before, lists.codes.shape[1]
    known = np.array([] if target is None else [target])
    ranks, earlier = first_ranks(codes, pushed), first_ranks(before, known)
    of_target = ranks if target is None else first_ranks(codes, known)
    recall, recall_before = (recall_of(one, lists.test) for one in (codes, before))
    lost = np.full(len(codes), np.nan) if real else recall_before - recall
    reached, reached_before = ranks > 0, earlier > 0
    place, place_before = (np.where(rank, rank, n + 1) for rank in (of_target, earlier))
    won = reached.astype(np.float64) - reached_before
    columns = [reached, ranks == 1, won * len(codes) / spent, place_before - place, lost]
    values = np.column_stack(columns).astype(np.float64)
    found = bootstrap_means(values, resamples, seed)
    estimates = [
        Estimate(value=_number(mean), low=_number(low), high=_number(high))
        for mean, low, high in zip(found.means, found.low, found.high, strict=True)
    ]
    exposure, exposure_first, price, rank_shift, recall_lost = estimates
    defined = recall_before[~np.isnan(recall_before)]
    return Bought(
        lists=len(codes),
        reached=int(reached.sum()),
        first=int((ranks == 1).sum()),
        reached_before=int(reached_before.sum()),
        first_before=int((earlier == 1).sum()),
        exposure=exposure,
        exposure_first=exposure_first,
        price=price,
        rank_shift=rank_shift,
        recall_before=float(defined.mean()) if len(defined) and not real else None,
        recall_lost=recall_lost,
    )


def recall_of(codes: np.ndarray, test: Adjacency) -> np.ndarray:
    """float64[m]: share of the held-out follows of each account in its list; NaN without any.

    Example:
        >>> test = Adjacency(np.array([0, 2, 2]), np.array([3, 8], dtype=np.int32))
        >>> recall_of(np.array([[8, 5], [8, 5]], dtype=np.int32), test).tolist()
        [0.5, nan]
    """
    hits = find_hits(codes, test).sum(axis=1)
    recall = np.full(len(hits), np.nan)
    np.divide(hits, test.degrees, out=recall, where=test.degrees > 0)
    return recall


def detection(scores: np.ndarray, fakes: int) -> DetectionRecord:
    """How well a suspicion score tells the fakes from the real accounts.

    Args:
        scores: float64[n + fakes], real accounts first; above 0: suspicious.

    Source: Mann and Whitney (1947): the area under the ROC curve as a sum of ranks.

    Example:
        >>> detection(np.array([0.0, 0.2, 0.0, 0.2, 0.9]), fakes=2)
        DetectionRecord(auc=0.9166666666666666, detected=1.0, false_positives=0.3333333333333333)
    """
    real = len(scores) - fakes
    flagged = scores > 0
    false_positives = float(flagged[:real].mean())
    if not fakes:
        return DetectionRecord(auc=None, detected=None, false_positives=false_positives)
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    auc = (ranks[real:].sum() - fakes * (fakes + 1) / 2) / (fakes * real)
    detected = float(flagged[real:].mean())
    return DetectionRecord(auc=float(auc), detected=detected, false_positives=false_positives)


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)
