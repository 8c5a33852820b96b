"""Training examples of a ranker: held-out follows and other candidates."""

from typing import NamedTuple

import numpy as np

from raypipe.kernels.compiled import kernel
from raypipe.kernels.splitmix import mix_pair

#: Share of the negative examples to train on, where a source retrieves at most FEW candidates;
#: smaller for longer lists. Five times as many examples made no better lists.
NEGATIVES, FEW = 0.15, 50
#: Added to the seed, which is smaller. If examples used the random numbers of the hold-out, the
#: test follows of an evaluation would be kept as negative examples.
_APART = 2**32


class Examples(NamedTuple):
    """Candidates to train on.

    Attributes:
        accounts: int32[c], the account of each candidate.
        followed: bool[c], True for held-out follows.
    """

    accounts: np.ndarray
    features: np.ndarray
    followed: np.ndarray


def is_example(
    accounts: np.ndarray, codes: np.ndarray, followed: np.ndarray, length: int, seed: int
) -> np.ndarray:
    """bool[c]: True for all held-out follows and for a sample of the other candidates.

    Depends on the seed, the account and the candidate only.

    Args:
        accounts, codes: int32[c], account index and candidate index.
        followed: bool[c], True for held-out follows.
        length: maximum number of candidates of a source.

    Example:
        >>> codes, followed = np.arange(1, 1001), np.arange(1000) < 10
        >>> kept = is_example(np.zeros(1000, int), codes, followed, 50, seed=0)
        >>> bool(kept[:10].all()), 100 < int(kept[10:].sum()) < 200
        (True, True)
    """
    share = NEGATIVES * min(1.0, FEW / length)
    below = np.uint64(share * 2.0**64)
    return np.asarray(_is_example(accounts, codes, followed, below, seed + _APART))


@kernel
def _is_example(
    accounts: np.ndarray, codes: np.ndarray, followed: np.ndarray, below: np.uint64, seed: int
) -> np.ndarray:
    kept = followed.copy()
    for i in range(len(codes)):
        if not followed[i]:
            kept[i] = mix_pair(seed, accounts[i], codes[i]) < below
    return kept
