"""Lists for an account that came after the night, from its follows alone and the run's model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe.candidates.factors import Factors
from raypipe.candidates.popular import Popular
from raypipe.columns import FOLLOWING, RANK, SCORE, SOURCE
from raypipe.config import load_config
from raypipe.errors import RunError, UnknownAccountError
from raypipe.factors.algorithms import fold_in
from raypipe.factors.model import load_model
from raypipe.graph import FollowGraph, load_graph
from raypipe.kernels.csr import Adjacency
from raypipe.ladder import SOURCES
from raypipe.ranking import empty_lists, fill_from
from raypipe.runs.filtered import load_hidden, load_rows
from raypipe.runs.run import Run


def recommend_newcomer(
    run: Run,
    account: str,
    follows: Sequence[str],
    k: int | None = None,
    rejected: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Whom an account that follows these may want to follow, by the model of a run.

    Args:
        account: its id; it may be in the run, whose follows of it do not count then.
        follows: ids, at least one of which is in the run; the others are not counted.
        k: at most so many; None: as many as a list of the run has.
        rejected: ids that are not to be shown.

    Returns:
        Rows: rank, followingId, score, source; where the model has too few, popular fills up.

    Raises:
        RunError: the run has no model.
        UnknownAccountError: none of the follows is in the run.
        ConfigError: its model cannot score accounts that came later.
    """
    if not (run.path / "model").is_dir():
        raise RunError(
            f"run {run.id}: has no model, which --follows needs: none was asked for, or it leads "
            "for nobody; set factors.algorithm, as TruncatedSVD, and ladder: fixed"
        )
    graph, model = load_graph(run.path / "graph"), load_model(run.path / "model")
    config = load_config(run.path / "config.yaml")
    known = np.unique(graph.codes(follows))
    known = known[known >= 0].astype(np.int32)
    if not len(known):
        raise UnknownAccountError(
            f"--follows: found {', '.join(follows)}, none of which is in run {run.id}; expected "
            "ids of accounts"
        )
    never = load_hidden(run, graph.accounts)
    theirs = Adjacency(np.array([0, len(known)]), known)
    least = config.candidates.min_followers
    of_model = replace(
        Factors.of(model, graph, least, never),
        account_factors=fold_in(model, theirs),
        followees=theirs,
    )
    n = k or config.recommendations.per_account
    hidden = np.concatenate(
        [known, graph.codes([account, *rejected]), _refused(run, graph, account)]
    )
    lists = empty_lists(1, n)
    for source in (of_model, Popular.of(graph, never)):
        candidates = source(np.array([0]), np.array([n + len(hidden)]))
        shown = ~np.isin(candidates.codes, hidden)
        shown &= graph.followers.degrees_of(candidates.codes) >= least
        lists = fill_from(lists, SOURCES.index(source.name), candidates, shown)
    return [
        {
            RANK: rank + 1,
            FOLLOWING: graph.ids[int(lists.codes[0, rank])].as_py(),
            SCORE: float(lists.scores[0, rank]),
            SOURCE: SOURCES[lists.sources[0, rank]],
        }
        for rank in range(int(lists.counts[0]))
    ]


def _refused(run: Run, graph: FollowGraph, account: str) -> np.ndarray:
    """Codes of whom the run must not show to the account; it need not be in the run."""
    code = int(graph.codes([account])[0])
    return (
        Adjacency(*load_rows(run, "refused", graph.accounts)).row(code)
        if code >= 0
        else np.empty(0, int)
    )
