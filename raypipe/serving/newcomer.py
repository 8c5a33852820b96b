"""Recommendations for an account that came after the night, made now from its follows."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph, load_graph, with_account
from raypipe.integrity.votes import Votes, load_votes
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.blend.ranker import load_ranker
from raypipe.recommend.context import (
    NightInputs,
    ShardContext,
    called_sources,
    list_rules,
    shard_context,
    with_silent_sources,
)
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.eligibility import Exclusions
from raypipe.recommend.ladder import Tier, has_learned, ladder_of, needs_model, tiers_of
from raypipe.recommend.models.algorithms import ALGORITHMS, fold_in
from raypipe.recommend.models.model import FactorModel, load_model
from raypipe.recommend.reasons import sentences
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.shard import nearest, recommend_to, why_recommended
from raypipe.recommend.sources.registry import sources_of
from raypipe.serving.lookup import Lookup, Recommendation
from raypipe.storage.files import is_folder
from raypipe.storage.runs.filter_arrays import load_filters
from raypipe.storage.runs.run import Run


class NewcomerList(NamedTuple):
    """The list of a new account.

    Attributes:
        rows: the recommendations, best first.
        unknown: the follows and followers that are not in the run.
    """

    rows: list[Recommendation]
    unknown: list[str]


def recommend_newcomer(
    lookup: Lookup,
    follows: Sequence[str],
    limit: int | None = None,
    followers: Sequence[str] = (),
) -> NewcomerList:
    """Recommend candidates to a new account as the night would, with its follows added.

    The ladder of the run says by what strategy, from the number of follows. The model and the
    ranker are those of the run; a model that cannot score new accounts retrieves nothing.

    Args:
        lookup: the account's view of the run; if the account is in the run, its follows there are
            ignored, and its followers there are kept.
        follows: ids of the accounts that it follows; ids that are not in the run are ignored.
        limit: maximum number of rows; None: the length of the run's lists.
        followers: ids of the accounts that follow it, likewise.

    Returns:
        The list and the ignored ids.

    Raises:
        RunError: files of the run are missing or damaged.
    """
    run = lookup.run
    config = run.config()
    night = load_graph(run.path / "graph")
    sides = [_known(night, ids, lookup.account) for ids in (follows, followers)]
    follows_of_it = [codes for codes, _ in sides]
    graph, account = with_account(night, lookup.account, *follows_of_it)
    counted, heard = load_votes(night, run.path / "graph")
    votes = Votes(
        with_account(counted, lookup.account, *follows_of_it)[0],
        np.append(heard, True)[: graph.accounts],
    )
    lists = config.recommendations.model_copy(
        update={"per_account": limit or config.recommendations.per_account}
    )
    config = config.model_copy(update={"recommendations": lists})
    ladder = ladder_of(run.manifest.ladder.tiers)
    tier = ladder[int(tiers_of(ladder, graph.followees.degrees_of(np.array([account])))[0])]
    context = _context(lookup, config, graph, votes, account, tier)
    near = nearest(context, context.accounts)
    made, _ = recommend_to(context, context.accounts, near)
    reasons = sentences(why_recommended(context, context.accounts, made, near), graph.ids)
    names = [*sources_of(config)]
    rows = [
        Recommendation(
            lookup.account,
            rank + 1,
            graph.ids[int(made.codes[0, rank])].as_py(),
            float(made.scores[0, rank]),
            names[made.sources[0, rank]],
            reason,
        )
        for rank, reason in enumerate(reasons.to_pylist())
    ]
    unknown = [name for _, ids in sides for name in ids]
    return NewcomerList(lookup.visible(rows, limit, follows), unknown)


def _known(graph: FollowGraph, ids: Sequence[str], account: str) -> tuple[np.ndarray, list[str]]:
    """int32, the codes of the ids in the graph without the account itself; and the other ids."""
    codes = graph.codes([*ids]).astype(np.int32)
    unknown = [name for name, code in zip(ids, codes.tolist(), strict=True) if code < 0]
    return codes[(codes >= 0) & (codes != graph.codes([account])[0])], unknown


def _context(
    lookup: Lookup,
    config: RunConfig,
    graph: FollowGraph,
    votes: Votes,
    account: int,
    tier: Tier,
) -> ShardContext:
    """What makes the list of one account on this tier."""
    run, ladder = lookup.run, (tier._replace(min_follows=0),)
    model = _model(run, graph, votes, account) if needs_model(ladder, config) else None
    excluded = _exclusions(lookup, graph, account)
    inputs = NightInputs(graph, np.array([account], np.int32), excluded, None, model, votes)
    ranker = load_ranker(run.path / "ranker.json") if has_learned(ladder) else None
    search, known = None, sources_of(config)
    called = called_sources(tier.sources, graph, config)
    if len(graph.followees.row(account)) and any(known[n].spec.needs_neighbours for n in called):
        search = neighbour_search(searched_graph(graph, 1, config, inf), config)
    rules = list_rules(config, ladder, inputs, ranker)
    return with_silent_sources(shard_context(inputs, config, rules, search), config)


def _model(run: Run, graph: FollowGraph, votes: Votes, account: int) -> FactorModel | None:
    """The model of the run with the factors of this account; None: it cannot score new accounts."""
    if not is_folder(run.path / "model"):
        return None
    model = load_model(run.path / "model")
    if ALGORITHMS[model.algorithm].fold_in is None:
        return None
    follows = graph.followees.row(account)
    folded = fold_in(model, Adjacency(np.array([0, len(follows)]), follows))
    # Only this account is scored, so one row stands for all.
    everybody = np.broadcast_to(folded, (graph.accounts, folded.shape[1]))
    factors = model.factors._replace(account_factors=everybody)
    return replace(model, factors=factors, fingerprint=votes.graph.fingerprint)


def _exclusions(lookup: Lookup, graph: FollowGraph, account: int) -> Exclusions:
    """What the run excludes for the account, its rejections since, and the account itself."""
    excluded = graph.codes([*lookup.rejected])
    filters = load_filters(lookup.run)
    never = filters.globally_excluded
    if account < len(never):
        before = Adjacency(*filters[:2]).row(account)
        excluded = np.concatenate([excluded, before])
    codes = np.unique(excluded[excluded >= 0]).astype(np.int32)
    indptr = np.zeros(graph.accounts + 1, np.int64)
    indptr[account + 1 :] = len(codes)
    globally = np.zeros(graph.accounts, np.uint8)
    globally[: len(never)] = never
    globally[account] = FilterReason.SELF
    reasons = np.full(len(codes), FilterReason.REJECTED, np.uint8)
    return Exclusions(Adjacency(indptr, codes), reasons, globally)
