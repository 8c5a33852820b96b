"""Lists for an account that came after the night, from its follows alone and the run's model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from raypipe.columns import CANDIDATE, RANK, REASON, SCORE, SOURCE
from raypipe.config import load_config
from raypipe.errors import RunError, UnknownAccountError
from raypipe.graph.follow_graph import FollowGraph, load_graph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import no_neighbours
from raypipe.kernels.ties import Asked
from raypipe.recommend.models.algorithms import fold_in
from raypipe.recommend.models.model import load_model
from raypipe.recommend.ranking import empty_lists, fill_from
from raypipe.recommend.reasons import reasons_of, sentences
from raypipe.recommend.sources import SourceInputs, factors, popular
from raypipe.recommend.sources.registry import sources_of
from raypipe.storage.files import is_folder
from raypipe.storage.runs.filter_arrays import load_globally_excluded, load_rows
from raypipe.storage.runs.run import Run


def recommend_newcomer(
    run: Run,
    account: str,
    follows: Sequence[str],
    k: int | None = None,
    rejected: Collection[str] = (),
) -> tuple[list[dict[str, Any]], list[str]]:
    """Whom an account that follows these may want to follow, by the model of a run.

    Args:
        account: its id; it may be in the run, whose follows of it do not count then.
        follows: ids, at least one of which is in the run; the others are not counted.
        k: at most so many; None: as many as a list of the run has.
        rejected: ids that are not to be shown.

    Returns:
        Rows: rank, candidateId, score, source, reason; where the model has too few, popular fills
        up. And those of the follows that are not in the run.

    Raises:
        RunError: the run has no model.
        UnknownAccountError: none of the follows is in the run.
        ConfigError: its model cannot score accounts that came later.
    """
    if not is_folder(run.path / "model"):
        raise RunError(
            f"run {run.id}: has no model, which --following needs: none was asked for, or it leads "
            "for nobody; set sources.factors.algorithm, as TruncatedSVD, and ladder: fixed"
        )
    graph, model = load_graph(run.path / "graph"), load_model(run.path / "model")
    config = load_config(run.path / "config.yaml")
    *codes, own = graph.codes([*follows, account]).tolist()
    unknown = [name for name, code in zip(follows, codes, strict=True) if code < 0]
    known = np.array(sorted({code for code in codes if code >= 0}), np.int32)
    if not len(known):
        raise UnknownAccountError(
            f"--following: found {', '.join(follows) or 'no id'}, none of them is in "
            f"run {run.id}; expected ids of accounts"
        )
    never = load_globally_excluded(run, graph.accounts)
    theirs = Adjacency(np.array([0, len(known)]), known)
    least = config.candidates.min_followers
    sources, inputs = sources_of(config), SourceInputs(least, never, model=model)
    of_model = replace(
        factors.factors(graph, None, inputs),
        account_factors=fold_in(model, theirs),
        followees=theirs,
    )
    fills_up = popular.popular(graph, None, SourceInputs(globally_excluded=never))
    n = k or config.recommendations.per_account
    excluded = np.concatenate([graph.codes([*rejected]), _excluded(run, graph, own)])
    globally_excluded = np.concatenate([known, [own], excluded])
    lists = empty_lists(1, n)
    for name, source in (("factors", of_model), ("popular", fills_up)):
        wanted = np.array([n + len(globally_excluded)])
        candidates = source(np.array([0]), wanted)
        shown = ~np.isin(candidates.codes, globally_excluded)
        shown &= graph.followers.degrees_of(candidates.codes) >= least
        lists = fill_from(lists, sources[name].index, candidates, shown)
    excluded = np.unique(excluded[excluded >= 0]).astype(np.int32)
    theirs_not = Adjacency(np.array([0, len(excluded)]), excluded)
    asked = Asked(np.array([own]), np.array([0]), theirs, theirs_not)
    sides = graph.followees, graph.followers
    why = reasons_of(asked, lists.counts, lists.codes, no_neighbours(1, 0), *sides, never)
    reasons = sentences(why, graph.ids).to_pylist()
    rows = [
        {
            RANK: rank + 1,
            CANDIDATE: graph.ids[int(lists.codes[0, rank])].as_py(),
            SCORE: float(lists.scores[0, rank]),
            SOURCE: [*sources][lists.sources[0, rank]],
            REASON: reasons[rank],
        }
        for rank in range(int(lists.counts[0]))
    ]
    return rows, unknown


def _excluded(run: Run, graph: FollowGraph, own: int) -> np.ndarray:
    """Codes of whom the run must not show to the account; it need not be in the run."""
    if own < 0:
        return np.empty(0, int)
    return Adjacency(*load_rows(run, "excluded", graph.accounts)).row(own)
