"""Trust that walks along follows: steps of a personalised PageRank."""

import numpy as np

from raypipe.kernels.arrays import Floats
from raypipe.kernels.compiled import kernel
from raypipe.kernels.csr import Adjacency


@kernel
def walk_from(
    followees: Adjacency,
    followers: Adjacency,
    home: Floats,
    start: Floats,
    alpha: float,
    steps: int,
) -> Floats:
    """float64[n]: where a walk is after some steps, which follows and now and then goes home.

    p'(v) = (1 - alpha) sum over followers u of v of p(u) / follows(u) + (alpha + (1 - alpha) d)
    home(v), where d is the sum of p over the accounts that follow nobody. An account gathers from
    its followers in the order of their codes, so the last bits never differ; the memory is that of
    two arrays of n.

    Args:
        home: float64[n], the distribution from which a walk starts anew.
        start: float64[n], the distribution of the first step.
        alpha: probability to go home.

    Source:
        Page, Brin, Motwani and Winograd (1999), "The PageRank citation ranking".

    Example:
        >>> followees = Adjacency(np.array([0, 1, 1]), np.array([1], np.int32))
        >>> followers = Adjacency(np.array([0, 0, 1]), np.array([0], np.int32))
        >>> walk_from(followees, followers, np.array([1.0, 0]), np.array([1.0, 0]), 0.5, 1).tolist()
        [0.5, 0.5]
    """
    n = len(home)
    here, passed = start.copy(), np.empty(n)
    for _ in range(steps):
        stuck = 0.0
        for u in range(n):
            follows = followees.indptr[u + 1] - followees.indptr[u]
            if follows:
                passed[u] = (1.0 - alpha) * here[u] / follows
            else:
                stuck += here[u]
        back = alpha + (1.0 - alpha) * stuck
        for v in range(n):
            total = back * home[v]
            for at in range(followers.indptr[v], followers.indptr[v + 1]):
                total += passed[followers.codes[at]]
            here[v] = total
    return here
