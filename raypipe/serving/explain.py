"""Why a run recommends a candidate to an account, or why not.

The run's folder holds its graph, config, ladder, neighbours, model and filters. So nothing is
searched or trained again: the list of one account is made once more, longer than the night did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from raypipe.columns import CANDIDATE, NEIGHBOUR, RANK, REASON, SCORE, SOURCE
from raypipe.config import RunConfig, load_config
from raypipe.graph.follow_graph import FollowGraph, load_graph
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import Adjacency, subset
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.blend.ranker import load_ranker
from raypipe.recommend.context import NightInputs, ShardContext, list_rules, shard_context
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.eligibility import Exclusions, filter_reasons
from raypipe.recommend.filters.registry import specs_of
from raypipe.recommend.ladder import FILL_UP, Tier, ladder_of, tiers_of
from raypipe.recommend.models.model import load_model
from raypipe.recommend.negative_feedback import Rejections, rejections_of
from raypipe.recommend.ranking import Recommendations, empty_lists
from raypipe.recommend.reasons import sentences
from raypipe.recommend.shard import (
    best_of,
    blend_scores,
    candidate_union,
    recommend_to,
    why_recommended,
)
from raypipe.recommend.sources import Candidates
from raypipe.serving.explanation import (
    NO_LIST,
    NOT_RETRIEVED,
    TOO_LOW,
    Explanation,
    Share,
    SourceRank,
    explain_to_account,
    when_rejected,
)
from raypipe.serving.lookup import Lookup
from raypipe.storage.files import is_file, is_folder
from raypipe.storage.runs.filter_arrays import (
    exclusions_in,
    load_globally_excluded,
    load_reasons,
    load_rows,
    load_shown,
)
from raypipe.storage.runs.run import Run

#: Maximum length of the lists in which a rank is looked up.
DEPTH = 10_000


@dataclass(frozen=True)
class _Case:
    """One account and one candidate in the night of a run.

    Attributes:
        lookup: of the account.
        config, graph, context: of the run; the context is for this account alone.
        candidate: its code.
        near: the neighbours of the account.
        tier: of the account.
    """

    lookup: Lookup
    config: RunConfig
    graph: FollowGraph
    context: ShardContext
    candidate: int
    near: Neighbours
    tier: Tier


def explain(lookup: Lookup, candidate: str, as_account: bool = False) -> Explanation:
    """Why a run recommends the candidate to the account, or why not.

    Args:
        lookup: what the account sees.
        as_account: answer to the account itself: of the reasons of exclusion only its own
            rejections, blocks and unfollows are named. Otherwise the answer is for an operator.

    Raises:
        UnknownAccountError: the run does not know the account; for an operator, the candidate too.
        RunError: the run's files are gone or damaged.
    """
    if as_account:
        return explain_to_account(lookup, candidate)
    run = lookup.run
    rows = run.recommendations(lookup.account).to_pylist()
    run.recommendations(candidate, 0)  # raises for an unknown candidate
    published: dict[str, Any] = next((row for row in rows if row[CANDIDATE] == candidate), {})
    about = Explanation(
        lookup.account,
        candidate,
        run.id,
        recommended=False,
        because="",
        rank=published.get(RANK),
        score=published.get(SCORE),
        source=published.get(SOURCE),
        list_length=len(rows),
        rejected=lookup.rejected.get(candidate),
    )
    case = _case_of(lookup, candidate)
    excluded = _excluded(case, candidate)
    if excluded:
        why_not, because = excluded
        return replace(about, because=because, why_not=why_not)
    longer = _longer_list(case, case.tier)
    if not rows and longer.counts[0]:
        minimum = case.config.audience.min_follows
        because = f"{lookup.account} is not in the audience of this run (audience.min_follows is "
        return replace(about, because=f"{because}{minimum})", why_not=NO_LIST)
    (reason,) = lookup.safe_reasons([published.get(REASON) or _reason(case)])
    about = replace(
        about,
        reason=reason,
        rank_if_longer=_rank_in(longer, case.candidate),
        sources=tuple(_by_itself(case, name) for name in _ready(case)),
    )
    if published:
        because = f"at rank {about.rank} of {len(rows)}"
        shares = _shares(case, published[SOURCE])
        return replace(about, recommended=True, because=because, shares=shares)
    why_not, because = _not_in_the_list(case, about, cut=longer.counts[0] == DEPTH)
    return replace(about, because=because, why_not=why_not)


def _not_in_the_list(case: _Case, about: Explanation, cut: bool) -> tuple[str, str]:
    """Why a candidate that may be shown is not in the list: name and words.

    Args:
        cut: the longer list has DEPTH rows.
    """
    made_of = ", ".join(case.tier.sources)
    if about.rank_if_longer is not None:
        because = f"it would have rank {about.rank_if_longer:,}, and the list ends at "
        return TOO_LOW, f"{because}{about.list_length}"
    if case.tier.how != FILL_UP and any(row.rank for row in about.sources):
        union = _candidate_union(case)
        if case.candidate in union.codes:
            source = "its source has as many in the list as blend.max_share_per_source allows"
            return TOO_LOW, source
        best = f"a blend looks at the {union.length} best of {made_of}"
        return TOO_LOW, f"{best}, and it is not among these"
    if cut:
        return TOO_LOW, f"it is not among the first {DEPTH:,} of {made_of}"
    return NOT_RETRIEVED, f"its list is made of {made_of}, and none of them retrieves it"


def _case_of(lookup: Lookup, candidate: str) -> _Case:
    run = lookup.run
    graph = load_graph(run.path / "graph")
    code, other = graph.codes([lookup.account, candidate]).tolist()
    config = load_config(run.path / "config.yaml")
    context = _context_of(run, graph, config, code)
    table = run.neighbours(lookup.account)
    codes = graph.codes(table[NEIGHBOUR].combine_chunks()).astype(np.int32)[None]
    scores = table[SCORE].to_numpy()[None]
    near = Neighbours(np.array([len(table)], np.int32), codes, np.zeros_like(codes), scores)
    ladder = context.lists.ladder
    tier = ladder[int(tiers_of(ladder, context.follows.followees.degrees_of(code)))]
    return _Case(lookup, config, graph, context, other, near, tier)


def _context_of(run: Run, graph: FollowGraph, config: RunConfig, code: int) -> ShardContext:
    """The context of one account, without a search."""
    ranker = run.path / "ranker.json"
    model = load_model(run.path / "model") if is_folder(run.path / "model") else None
    exclusions = Exclusions(
        Adjacency(*load_rows(run, "excluded", graph.accounts)),
        load_reasons(run),
        load_globally_excluded(run, graph.accounts),
    )
    inputs = NightInputs(
        graph,
        np.array([code], np.int32),
        exclusions,
        _negative_feedback(run, graph, exclusions, config),
        model,
    )
    ladder = ladder_of(run.manifest.ladder.tiers)
    trained = load_ranker(ranker) if is_file(ranker) else None
    return shard_context(inputs, config, list_rules(config, ladder, graph, trained), search=None)


def _negative_feedback(
    run: Run, graph: FollowGraph, exclusions: Exclusions, config: RunConfig
) -> Rejections | None:
    """The rejections that the night has learned from."""
    is_rejection = exclusions.reasons == FilterReason.REJECTED
    if not config.feedback.negative.teach or not is_rejection.any():
        return None
    return rejections_of(subset(exclusions.rows, is_rejection), graph, load_shown(run))


def _excluded(case: _Case, candidate: str) -> tuple[str, str] | None:
    """Name and words of the reason of exclusion; None if the candidate may be shown."""
    context, rejected = case.context, case.lookup.rejected.get(candidate)
    min_followers, followers = context.lists.min_followers, context.follows.follower_counts
    one = Candidates(np.array([0, 1]), np.array([case.candidate], np.int32), np.zeros(1))
    code = filter_reasons(
        context.follows.followees,
        followers,
        context.exclusions,
        context.accounts,
        one,
        min_followers,
    )[0]
    fixed = {
        FilterReason.SELF: "it is the account itself",
        FilterReason.ALREADY_FOLLOWED: "it is followed already",
    }
    if code in fixed:
        return FilterReason(code).name, fixed[code]
    if rejected:
        return FilterReason.REJECTED.name, f"it was rejected{when_rejected(rejected)}"
    if code == FilterReason.REJECTED:
        words = "it was rejected when this run was made; that was taken back, for later runs"
        return FilterReason.REJECTED.name, words
    if code == FilterReason.TOO_FEW_FOLLOWERS:
        words = f"it has {followers[case.candidate]} followers, and candidates.min_followers is "
        return FilterReason.TOO_FEW_FOLLOWERS.name, f"{words}{min_followers}"
    if code:
        return _in_words(code, case.config)
    newest = case.lookup.newest
    later = newest and exclusions_in(newest, case.lookup.account, [candidate]).get(candidate)
    if not newest or not later:
        return None
    name, words = _in_words(later.reason, load_config(newest.path / "config.yaml"))
    return name, f"{words}, as the later run {newest.id} has it"


def _in_words(code: int, config: RunConfig) -> tuple[str, str]:
    """Name and words of a filter of a run."""
    for spec in specs_of(config.filters):
        if spec.reason.value == code:
            return spec.reason.name, spec.words
    return f"FILTER_{code}", f"a filter that is not registered here (code {code}) leaves it out"


def _longer_list(case: _Case, tier: Tier) -> Recommendations:
    """The account's list, as long as possible; of a blend, all candidates that it looks at."""
    context = case.context
    if tier.how != FILL_UP:
        union = _candidate_union(case)
        scores = blend_scores(context, context.accounts, tier, union)
        return best_of(context, tier, union, scores, len(union.codes))
    rules = replace(context.lists, per_account=DEPTH, ladder=(tier._replace(min_follows=0),))
    return recommend_to(replace(context, lists=rules), context.accounts, case.near)[0]


def _candidate_union(case: _Case) -> CandidateUnion:
    """The best candidates of each source of a blend."""
    return candidate_union(case.context, case.context.accounts, case.tier, case.near)[0]


def _shares(case: _Case, published: str) -> tuple[Share, ...]:
    """The sources that a rank is owed to: the one that retrieved it, or those of a blend.

    The share of a source is the loss of score where this source does not retrieve the candidate,
    divided by the sum of these losses; a source without loss has no share.
    """
    tier = case.tier
    if tier.how == FILL_UP:
        return (Share(published, 1.0),)
    union = _candidate_union(case)
    (place,) = np.flatnonzero(union.codes == case.candidate)
    accounts = case.context.accounts
    whole = blend_scores(case.context, accounts, tier, union)[place]
    losses = []
    for source in range(len(tier.sources)):
        scores, ranks = union.scores.copy(), union.ranks.copy()
        scores[place, source], ranks[place, source] = 0.0, union.length
        without = union._replace(scores=scores, ranks=ranks)
        left = blend_scores(case.context, accounts, tier, without)[place]
        losses.append(max(0.0, float(whole - left)))
    total = sum(losses)
    named = zip(tier.sources, losses, strict=True)
    return tuple(Share(name, loss / total) for name, loss in named if loss)


def _rank_in(lists: Recommendations, code: int) -> int | None:
    """The rank in the first list, from 1."""
    found = np.flatnonzero(lists.codes[0, : lists.counts[0]] == code)
    return int(found[0]) + 1 if len(found) else None


def _ready(case: _Case) -> list[str]:
    """The sources of this night, those of the account's list first."""
    return [*dict.fromkeys((*case.tier.sources, *case.context.sources))]


def _by_itself(case: _Case, name: str) -> SourceRank:
    """What a source by itself makes of the candidate."""
    lists = _longer_list(case, Tier(0, (name,)))
    rank = _rank_in(lists, case.candidate)
    own = case.tier.sources
    return SourceRank(
        name,
        place=own.index(name) + 1 if name in own else None,
        rank=rank,
        score=float(lists.scores[0, rank - 1]) if rank else None,
        deep=rank is None and bool(lists.counts[0] == DEPTH),
    )


def _reason(case: _Case) -> str:
    """The reason of a candidate that is not in the list."""
    lists = empty_lists(1, 1)
    lists.counts[0], lists.codes[0, 0] = 1, case.candidate
    why = why_recommended(case.context, case.context.accounts, lists, case.near)
    text: str = sentences(why, case.graph.ids)[0].as_py()
    return text
