"""Labels: what the follows say about each account. Filters, sources and reports read them."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.graph.follow_graph import FollowGraph
from raypipe.integrity.reputation import Trusted, reputation
from raypipe.integrity.suspects import Suspects, find_suspects
from raypipe.integrity.votes import Standing, standing_of
from raypipe.kernels.arrays import Floats


class Labels(NamedTuple):
    """The labels of n accounts.

    Attributes:
        trusted: the accounts from which trust starts.
        reputation: float64[n].
        suspects: they do not depend on earlier nights.
    """

    trusted: Trusted
    reputation: Floats
    suspects: Suspects


def label_accounts(graph: FollowGraph, standing: Standing, start: Floats | None = None) -> Labels:
    """Label every account of a graph.

    Args:
        standing: of its accounts.
        start: float64[n], the reputation of an earlier night.

    Example:
        >>> from raypipe.graph.follow_graph import graph_of
        >>> graph = graph_of("ab ba xa")
        >>> labels = label_accounts(graph, standing_of(graph))
        >>> labels.trusted.why, labels.reputation.tolist(), labels.suspects.codes.tolist()
        ('2 accounts that follow each other', [0.5, 0.5, 0.0], [])
    """
    trusted, found, _ = standing
    suspects = find_suspects(graph, trusted.codes, found)
    if start is not None:
        found = reputation(graph, trusted.codes, start)
    return Labels(trusted, found, suspects)


def suspicion(graph: FollowGraph, ids: pa.Array | None = None) -> Floats:
    """float64[n]: the highest score of each account by any detector; 0: it is no suspect.

    Takes and raises what :func:`raypipe.integrity.reputation.trusted_accounts` does.
    """
    found = label_accounts(graph, standing_of(graph, ids)).suspects
    scores = np.zeros(graph.accounts)
    np.maximum.at(scores, found.codes, found.scores)
    return scores
