"""Segment zero: accounts that lose all their follows, in place of those that have none.

An account without follows has none to hold out. Its place is taken by an account with follows and
about as many followers, whose follows are all held out; the other accounts keep theirs.
"""

import numpy as np

from raypipe.config import EvaluationConfig
from raypipe.evaluation.splits import Split, draw_accounts, split_follows
from raypipe.graph.follow_graph import FollowGraph

#: Largest share of the accounts with follows that lose them: one in this number.
ONE_IN = 10


def draw_stand_ins(
    graph: FollowGraph, audience: np.ndarray, limit: int | None, seed: int
) -> np.ndarray:
    """int32, ascending: accounts with follows, and with the followers of those that have none.

    Accounts are grouped by their number of followers: 0, 1, 2 to 3, 4 to 7, and so on. Each group
    has the same share in the sample as among the accounts without follows, if it has enough
    accounts. At most one in ten of the accounts with follows is drawn.

    Args:
        audience: int32, accounts that may be drawn or represented, ascending.
        limit: maximum number of accounts; None: no other limit.

    Returns:
        None of them where every account has follows.
    """
    follows = graph.followees.degrees_of(audience)
    groups = np.frexp(graph.followers.degrees_of(audience))[1]
    to_match = np.bincount(groups[follows == 0], minlength=32)
    active = audience[follows > 0]
    total = len(active) // ONE_IN
    total = total if limit is None else min(total, limit)
    wanted = to_match * total // max(1, to_match.sum())
    drawn = [
        draw_accounts(active[groups[follows > 0] == group], int(count), seed)
        for group, count in enumerate(wanted)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int32)


def split_of_idle(
    graph: FollowGraph, audience: np.ndarray, config: EvaluationConfig, seed: int
) -> Split | None:
    """The split of an evaluation for accounts without follows; None if there are none."""
    stand_ins = draw_stand_ins(graph, audience, config.max_accounts, seed)
    return hide_all_follows(graph, stand_ins, config, seed) if len(stand_ins) else None


def hide_all_follows(
    graph: FollowGraph, accounts: np.ndarray, config: EvaluationConfig, seed: int
) -> Split:
    """The split that holds out all follows of some accounts, and no others.

    Args:
        accounts: int32, ascending, at least one; each has follows.
    """
    chosen = np.zeros(graph.accounts, np.bool_)
    chosen[accounts] = True
    evaluation = config.model_copy(update={"min_follows": 1, "max_accounts": None})
    held_out = np.repeat(chosen, graph.followees.degrees)
    return split_follows(graph, held_out, accounts, evaluation, seed)
