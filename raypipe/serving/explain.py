"""Explanations for operators: why a run does or does not recommend a candidate to an account.

The run's folder contains its graph, config, ladder, neighbours, model and filters. So an
explanation needs no search and no training: it makes the list of the account again, but longer.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from raypipe.columns import CANDIDATE, RANK, REASON, SCORE, SOURCE
from raypipe.config import RunConfig
from raypipe.kernels.candidate_union import CandidateUnion
from raypipe.kernels.csr import subset
from raypipe.kernels.tanimoto import Neighbours
from raypipe.recommend.context import NightInputs, ShardContext, list_rules, shard_context
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.eligibility import Exclusions, filter_reasons
from raypipe.recommend.filters.registry import specs_of
from raypipe.recommend.ladder import FILL_UP, Tier
from raypipe.recommend.negative_feedback import rejections_of
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
    MARKED,
    NO_LIST,
    NOT_RETRIEVED,
    TOO_LOW,
    Explanation,
    Share,
    SourceRank,
    when_rejected,
)
from raypipe.serving.lookup import Lookup
from raypipe.serving.refill import neighbours_of
from raypipe.serving.whole_run import WholeRun
from raypipe.storage.runs.filter_arrays import exclusions_in

#: Maximum length of the lists in which a candidate's rank is searched.
DEPTH = 10_000


@dataclass(frozen=True)
class _Case:
    """One account and one candidate, with the data of the run.

    Attributes:
        lookup: the account's view of the run.
        context: that of the run, with only this account.
        candidate: account index of the candidate.
        near: the neighbours of the account.
        tier: the ladder tier of the account.
    """

    lookup: Lookup
    whole: WholeRun
    context: ShardContext
    candidate: int
    near: Neighbours
    tier: Tier


def explain(lookup: Lookup, candidate: str) -> Explanation:
    """Explain to an operator why a run does or does not recommend the candidate to the account.

    Args:
        lookup: the account's view of the run.

    Raises:
        UnknownAccountError: the account or the candidate is not in the run.
        RunError: files of the run are missing or damaged.
    """
    run = lookup.run
    rows = run.recommendations(lookup.account).to_pylist()
    run.recommendations(candidate, 0)  # raises for an unknown candidate
    seen = [row.to_json() for row in lookup.recommendations()]
    published: dict[str, Any] = next(
        (row for row in [*seen, *rows] if row[CANDIDATE] == candidate), {}
    )
    explanation = Explanation(
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
        return replace(explanation, because=because, why_not=why_not)
    longer = _longer_list(case, case.tier)
    if not rows and longer.counts[0]:
        minimum = case.whole.config.audience.min_follows
        because = f"{lookup.account} is not in the audience of this run (audience.min_follows is "
        return replace(explanation, because=f"{because}{minimum})", why_not=NO_LIST)
    (reason,) = lookup.safe_reasons([published.get(REASON) or _reason(case)])
    explanation = replace(
        explanation,
        reason=reason,
        rank_if_longer=_rank_in(longer, case.candidate),
        sources=tuple(
            _by_itself(case, name)
            for name in dict.fromkeys((*case.tier.sources, *case.context.sources))
        ),
    )
    if published:
        because = f"at rank {explanation.rank} of {len(rows)}"
        shares = _shares(case, published[SOURCE])
        return replace(explanation, recommended=True, because=because, shares=shares)
    why_not, because = _not_in_the_list(case, explanation, cut=longer.counts[0] == DEPTH)
    return replace(explanation, because=because, why_not=why_not)


def _not_in_the_list(case: _Case, explanation: Explanation, cut: bool) -> tuple[str, str]:
    """Reason name and sentence for a candidate that passes all filters but is not in the list.

    Args:
        cut: whether the longer list has DEPTH rows.
    """
    sources = ", ".join(case.tier.sources)
    if explanation.rank_if_longer is not None:
        because = f"it would have rank {explanation.rank_if_longer:,}, but the list ends at rank "
        return TOO_LOW, f"{because}{explanation.list_length}"
    if case.tier.how != FILL_UP and any(row.rank for row in explanation.sources):
        union = _candidate_union(case)
        if case.candidate in union.codes:
            because = "the list already has blend.max_share_per_source candidates of its source"
            return TOO_LOW, because
        because = f"it is not among the {union.length} best candidates of {sources}, which the "
        return TOO_LOW, f"{because}blend ranks"
    if cut:
        return TOO_LOW, f"it is not among the first {DEPTH:,} candidates of {sources}"
    return NOT_RETRIEVED, f"none of the sources of the list retrieves it: {sources}"


def _case_of(lookup: Lookup, candidate: str) -> _Case:
    """Load what an explanation needs from the run."""
    whole = WholeRun(lookup.run)
    code, other = whole.graph.codes([lookup.account, candidate]).tolist()
    context = _context_of(whole, code)
    near = neighbours_of(whole.run, whole.graph, whole.config, lookup.account)
    return _Case(lookup, whole, context, other, near, whole.tier_of(whole.graph, code))


def _context_of(whole: WholeRun, code: int) -> ShardContext:
    """The shard context of one account, without a neighbour search."""
    config, graph, filters, rows = whole.config, whole.graph, whole.filters, whole.excluded
    exclusions = Exclusions(rows, filters.excluded_reasons, filters.globally_excluded)
    feedback, is_rejection = None, exclusions.reasons == FilterReason.REJECTED
    if config.feedback.negative.teach and is_rejection.any():
        feedback = rejections_of(subset(rows, is_rejection), graph, filters.shown)
    account = np.array([code], np.int32)
    inputs = NightInputs(graph, account, exclusions, feedback, whole.model, whole.votes)
    rules = list_rules(config, whole.ladder, inputs, whole.ranker)
    return shard_context(inputs, config, rules, search=None)


def _excluded(case: _Case, candidate: str) -> tuple[str, str] | None:
    """Reason code name and sentence of an exclusion; None if the candidate passes all filters."""
    context, rejected = case.context, case.lookup.rejected.get(candidate)
    min_followers, followers = context.lists.min_followers, context.follows.follower_counts
    candidates = Candidates(np.array([0, 1]), np.array([case.candidate], np.int32), np.zeros(1))
    of_account = context.follows.followees, followers, context.exclusions, context.accounts
    code = filter_reasons(*of_account, candidates, min_followers)[0]
    fixed = {
        FilterReason.SELF: "it is the account itself",
        FilterReason.ALREADY_FOLLOWED: "the account follows it already",
    }
    if code in fixed:
        return FilterReason(code).name, fixed[code]
    if rejected:
        return FilterReason.REJECTED.name, f"it was rejected{when_rejected(rejected)}"
    if why := case.lookup.marked.get(candidate):
        return _in_words(MARKED[why].value, case.whole.config)
    if code == FilterReason.REJECTED:
        words = "it was rejected when this run was made; later runs may show it again"
        return FilterReason.REJECTED.name, words
    if code == FilterReason.TOO_FEW_FOLLOWERS:
        words = f"it has {followers[case.candidate]} followers, but candidates.min_followers is "
        return FilterReason.TOO_FEW_FOLLOWERS.name, f"{words}{min_followers}"
    if code:
        return _in_words(code, case.whole.config)
    newest = case.lookup.newest
    exclusion = newest and exclusions_in(newest, case.lookup.account, [candidate]).get(candidate)
    if not newest or not exclusion:
        return None
    name, words = _in_words(exclusion.reason, newest.config())
    return name, f"{words}, according to the later run {newest.id}"


def _in_words(code: int, config: RunConfig) -> tuple[str, str]:
    """Reason code name and sentence of a filter of a run."""
    for spec in specs_of(config.filters):
        if spec.reason.value == code:
            return spec.reason.name, spec.words
    return f"FILTER_{code}", f"a filter that is not registered here (code {code}) excludes it"


def _longer_list(case: _Case, tier: Tier) -> Recommendations:
    """The account's list with up to DEPTH rows; for a blend, the whole candidate union."""
    context = case.context
    if tier.how != FILL_UP:
        union = _candidate_union(case)
        scores = blend_scores(context, context.accounts, tier, union)
        return best_of(context, context.accounts, tier, union, scores, len(union.codes))
    rules = replace(context.lists, per_account=DEPTH, ladder=(tier._replace(min_follows=0),))
    return recommend_to(replace(context, lists=rules), context.accounts, case.near)[0]


def _candidate_union(case: _Case) -> CandidateUnion:
    """The candidate union that the blend ranks."""
    return candidate_union(case.context, case.context.accounts, case.tier, case.near)[0]


def _shares(case: _Case, published: str) -> tuple[Share, ...]:
    """Attribute a candidate's score to sources.

    Without a blend, the source that retrieved the candidate has the whole share. In a blend, the
    share of a source is the loss of score if that source did not retrieve the candidate, divided by
    the sum of these losses; sources without loss are left out.
    """
    tier = case.tier
    if tier.how == FILL_UP:
        return (Share(published, 1.0),)
    union = _candidate_union(case)
    (row,) = np.flatnonzero(union.codes == case.candidate)
    accounts = case.context.accounts
    whole = blend_scores(case.context, accounts, tier, union)[row]
    losses = []
    for source in range(len(tier.sources)):
        scores, ranks = union.scores.copy(), union.ranks.copy()
        scores[row, source], ranks[row, source] = 0.0, union.length
        without = union._replace(scores=scores, ranks=ranks)
        rest = blend_scores(case.context, accounts, tier, without)[row]
        losses.append(max(0.0, float(whole - rest)))
    total = sum(losses)
    named = zip(tier.sources, losses, strict=True)
    return tuple(Share(name, loss / total) for name, loss in named if loss)


def _rank_in(lists: Recommendations, code: int) -> int | None:
    """The rank of a candidate in the first list, from 1; None if it is not in the list."""
    indices = np.flatnonzero(lists.codes[0, : lists.counts[0]] == code)
    return int(indices[0]) + 1 if len(indices) else None


def _by_itself(case: _Case, name: str) -> SourceRank:
    """Rank and score of the candidate in a list of one source."""
    lists = _longer_list(case, Tier(0, (name,)))
    rank = _rank_in(lists, case.candidate)
    sources = case.tier.sources
    return SourceRank(
        name,
        place=sources.index(name) + 1 if name in sources else None,
        rank=rank,
        score=float(lists.scores[0, rank - 1]) if rank else None,
        deep=rank is None and bool(lists.counts[0] == DEPTH),
    )


def _reason(case: _Case) -> str:
    """The reason for a candidate that is not in the published list."""
    lists = empty_lists(1, 1)
    lists.counts[0], lists.codes[0, 0] = 1, case.candidate
    why = why_recommended(case.context, case.context.accounts, lists, case.near)
    text: str = sentences(why, case.whole.graph.ids)[0].as_py()
    return text
