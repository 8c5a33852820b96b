"""Recommendations for an account that came after the night, made now from its follows."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph, with_account
from raypipe.integrity.votes import Votes
from raypipe.kernels.csr import Adjacency
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
from raypipe.recommend.ladder import Tier, has_learned, needs_model
from raypipe.recommend.models.algorithms import ALGORITHMS, fold_in
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.reasons import sentences
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.shard import nearest, recommend_to, why_recommended
from raypipe.recommend.sources.registry import sources_of
from raypipe.serving.lookup import Lookup, Recommendation
from raypipe.serving.whole_run import WholeRun


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
    whole = WholeRun(lookup.run)
    config, night = whole.config, whole.graph
    sides = [_known(night, ids, lookup.account) for ids in (follows, followers)]
    follows_of_it = [codes for codes, _ in sides]
    graph, account = with_account(night, lookup.account, *follows_of_it)
    counted, heard = whole.votes
    votes = Votes(
        with_account(counted, lookup.account, *follows_of_it)[0],
        np.append(heard, True)[: graph.accounts],
    )
    if limit:  # more than a config allows, too
        lists = config.recommendations.model_copy(update={"per_account": limit})
        config = config.model_copy(update={"recommendations": lists})
    tier = whole.tier_of(graph, account)
    excluded = _exclusions(lookup, whole, graph, account)
    context = _context(whole, config, graph, votes, account, tier, excluded)
    near = nearest(context, context.accounts)
    made, _ = recommend_to(context, context.accounts, near)
    reasons = sentences(why_recommended(context, context.accounts, made, near), graph.ids)
    names = [*sources_of(config)]
    count = len(reasons)
    candidates = graph.ids.take(pa.array(made.codes[0, :count])).to_pylist()
    sources = [names[source] for source in made.sources[0, :count]]
    values = candidates, made.scores[0, :count].tolist(), sources, reasons.to_pylist()
    rows = [
        Recommendation(lookup.account, rank, *row)
        for rank, row in enumerate(zip(*values, strict=True), 1)
    ]
    unknown = [name for _, ids in sides for name in ids]
    return NewcomerList(lookup.visible(rows, limit, follows), unknown)


def _known(graph: FollowGraph, ids: Sequence[str], account: str) -> tuple[np.ndarray, list[str]]:
    """int32, the codes of the ids in the graph without the account itself; and the other ids."""
    codes = graph.codes([*ids]).astype(np.int32)
    unknown = [name for name, code in zip(ids, codes.tolist(), strict=True) if code < 0]
    return codes[(codes >= 0) & (codes != graph.codes([account])[0])], unknown


def _context(
    whole: WholeRun,
    config: RunConfig,
    graph: FollowGraph,
    votes: Votes,
    account: int,
    tier: Tier,
    excluded: Exclusions,
) -> ShardContext:
    """What makes the list of one account on this tier."""
    ladder = (tier._replace(min_follows=0),)
    model = _model(whole, graph, votes, account) if needs_model(ladder, config) else None
    inputs = NightInputs(graph, np.array([account], np.int32), excluded, None, model, votes)
    ranker = whole.ranker if has_learned(ladder) else None
    search, known = None, sources_of(config)
    called = called_sources(tier.sources, graph, config)
    if len(graph.followees.row(account)) and any(known[n].spec.needs_neighbours for n in called):
        search = neighbour_search(searched_graph(graph, 1, config, inf), config)
    rules = list_rules(config, ladder, inputs, ranker)
    return with_silent_sources(shard_context(inputs, config, rules, search), config)


def _model(whole: WholeRun, graph: FollowGraph, votes: Votes, account: int) -> FactorModel | None:
    """The model of the run with the factors of this account; None: it cannot score new accounts."""
    model = whole.model
    if model is None or ALGORITHMS[model.algorithm].fold_in is None:
        return None
    follows = graph.followees.row(account)
    folded = fold_in(model, Adjacency(np.array([0, len(follows)]), follows))
    # Only this account is scored, so one row stands for all.
    everybody = np.broadcast_to(folded, (graph.accounts, folded.shape[1]))
    factors = model.factors._replace(account_factors=everybody)
    return replace(model, factors=factors, fingerprint=votes.graph.fingerprint)


def _exclusions(lookup: Lookup, whole: WholeRun, graph: FollowGraph, account: int) -> Exclusions:
    """What the run excludes for the account, its rejections since, and the account itself."""
    excluded, never = graph.codes([*lookup.rejected]), whole.filters.globally_excluded
    if account < len(never):
        excluded = np.concatenate([excluded, whole.excluded.row(account)])
    codes = np.unique(excluded[excluded >= 0]).astype(np.int32)
    indptr = np.zeros(graph.accounts + 1, np.int64)
    indptr[account + 1 :] = len(codes)
    globally = np.zeros(graph.accounts, np.uint8)
    globally[: len(never)] = never
    globally[account] = FilterReason.SELF
    reasons = np.full(len(codes), FilterReason.REJECTED, np.uint8)
    return Exclusions(Adjacency(indptr, codes), reasons, globally)
