"""Recommendations for a new account, from its follows and the factor model of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from raypipe.config import load_config
from raypipe.errors import RunError, UnknownAccountError
from raypipe.graph.follow_graph import FollowGraph, load_graph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import no_neighbours
from raypipe.kernels.ties import Asked
from raypipe.recommend.models.algorithms import fold_in
from raypipe.recommend.models.model import load_model
from raypipe.recommend.ranking import Recommendations, empty_lists, fill_from
from raypipe.recommend.reasons import reasons_of, sentences
from raypipe.recommend.sources import SourceInputs, factors, popular
from raypipe.recommend.sources.registry import sources_of
from raypipe.serving.lookup import Lookup, Recommendation
from raypipe.storage.files import is_folder
from raypipe.storage.runs.filter_arrays import load_globally_excluded, load_rows
from raypipe.storage.runs.run import Run


class NewcomerList(NamedTuple):
    """The list of a new account.

    Attributes:
        rows: the recommendations, best first.
        unknown: the follows that are not in the run.
    """

    rows: list[Recommendation]
    unknown: list[str]


def recommend_newcomer(
    lookup: Lookup, follows: Sequence[str], limit: int | None = None
) -> NewcomerList:
    """Recommend candidates to a new account: fold its follows into the model of the run.

    Args:
        lookup: the account's view of the run; if the account is in the run, its follows there are
            ignored.
        follows: ids of the accounts that it follows; ids that are not in the run are ignored.
        limit: maximum number of rows; None: the length of the run's lists.

    Returns:
        The list and the ignored ids. If the model has too few candidates, popular accounts fill the
        list up.

    Raises:
        RunError: the run has no model.
        UnknownAccountError: none of the follows is in the run.
        ConfigError: the model cannot score new accounts.
    """
    run = lookup.run
    if not is_folder(run.path / "model"):
        raise RunError(
            f"run {run.id}: has no model, but --following requires one; set "
            "sources.factors.algorithm, such as TruncatedSVD, and ladder: fixed"
        )
    graph = load_graph(run.path / "graph")
    *codes, own = graph.codes([*follows, lookup.account]).tolist()
    unknown = [name for name, code in zip(follows, codes, strict=True) if code < 0]
    known = np.array(sorted({code for code in codes if code >= 0}), np.int32)
    if not len(known):
        raise UnknownAccountError(
            f"--following: found {', '.join(follows) or 'no id'}, expected at least one account "
            f"id in run {run.id}"
        )
    followees = Adjacency(np.array([0, len(known)]), known)
    excluded = np.concatenate([graph.codes([*lookup.rejected]), _excluded(run, graph, own)])
    never = load_globally_excluded(run)
    sources = [*sources_of(load_config(run.path / "config.yaml"))]
    lists = _lists(run, graph, followees, np.concatenate([[own], excluded]), never, limit)
    excluded = np.unique(excluded[excluded >= 0]).astype(np.int32)
    asked = Asked(
        np.array([own]),
        np.array([0]),
        followees,
        Adjacency(np.array([0, len(excluded)]), excluded),
    )
    sides = graph.followees, graph.followers
    why = reasons_of(asked, lists.counts, lists.codes, no_neighbours(1, 0), *sides, never)
    reasons = sentences(why, graph.ids).to_pylist()
    rows = [
        Recommendation(
            lookup.account,
            rank + 1,
            graph.ids[int(lists.codes[0, rank])].as_py(),
            float(lists.scores[0, rank]),
            sources[lists.sources[0, rank]],
            reasons[rank],
        )
        for rank in range(int(lists.counts[0]))
    ]
    return NewcomerList(lookup.visible(rows, limit, follows), unknown)


def _lists(
    run: Run,
    graph: FollowGraph,
    followees: Adjacency,
    excluded: np.ndarray,
    never: np.ndarray,
    limit: int | None,
) -> Recommendations:
    """One list: candidates of the model, then popular accounts."""
    config = load_config(run.path / "config.yaml")
    model = load_model(run.path / "model")
    min_followers = config.candidates.min_followers
    sources = sources_of(config)
    from_model = replace(
        factors.exact_factors(graph, SourceInputs(min_followers, never, model=model)),
        account_factors=fold_in(model, followees),
        followees=followees,
    )
    fills_up = popular.popular(graph, None, SourceInputs(globally_excluded=never))
    length = limit or config.recommendations.per_account
    not_shown = np.concatenate([followees.codes, excluded])
    lists = empty_lists(1, length)
    for name, source in (("factors", from_model), ("popular", fills_up)):
        candidates = source(np.array([0]), np.array([length + len(not_shown)]))
        shown = ~np.isin(candidates.codes, not_shown)
        shown &= graph.followers.degrees_of(candidates.codes) >= min_followers
        lists = fill_from(lists, sources[name].index, candidates, shown)
    return lists


def _excluded(run: Run, graph: FollowGraph, own: int) -> np.ndarray:
    """Account indices that the run excludes for an account; none for an unknown account (-1)."""
    if own < 0:
        return np.empty(0, int)
    return Adjacency(*load_rows(run, "excluded")).row(own)
