"""Why a candidate is recommended to an account by a run, or why it is not; asked of the run itself.

Its graph, config, ladder, neighbours, model and filters are in its folder, so nothing is searched
or trained again: lists of one account are made once more, longer than the night made them.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from raypipe.recommend.filters.eligibility import Exclusions, FilterReason, filter_reasons
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
from raypipe.storage.files import is_file, is_folder
from raypipe.storage.runs.filter_arrays import (
    load_globally_excluded,
    load_reasons,
    load_rows,
    load_shown,
    why_excluded,
)
from raypipe.storage.runs.run import Run

#: Ranks are looked for among so many.
DEPTH = 10_000

#: Why not, beside the names of FilterReason.
NO_LIST, TOO_LOW, NOT_RETRIEVED = "NO_LIST", "TOO_LOW", "NOT_RETRIEVED"

_WORDS = {
    FilterReason.SELF: "it is the account itself",
    FilterReason.ALREADY_FOLLOWED: "it is followed already",
    FilterReason.REJECTED: "it was rejected",
    FilterReason.BLOCKED: "one of the two has blocked the other",
    FilterReason.PREVIOUSLY_FOLLOWED: "it used to be followed, in an earlier run",
    FilterReason.OPTED_OUT: "it has opted out",
    FilterReason.BOT: "it is a bot",
    FilterReason.TOO_FEW_FOLLOWERS: "it has too few followers",
}


@dataclass(frozen=True)
class Explanation:
    """What came of a candidate for an account.

    Attributes:
        account, candidate, run: ids.
        recommended: is it what readers see now?
        because: that in words.
        why_not: name of a FilterReason; NO_LIST: the account is not in the audience; TOO_LOW: lists
            are shorter; NOT_RETRIEVED: by no source that the account's list is made of; None: it is
            recommended.
        rank, score, source: as published; None where it is not in the list.
        list_length: of the published list.
        reason: what ties it to the account, from the graph; None where it must not be shown.
        rank_if_longer: its rank in a list of up to DEPTH; None: it is not in that.
        rejected: ``at`` and ``reason`` of the rejection that holds now.
        shares: ``source`` and ``share`` of those that its place is owed to; the shares sum up to 1.
            None where a blend owes it to no source, but to how the two accounts stand.
        sources: of each source of the night ``source``, ``place`` (in the making of this account's
            list, from 1; None: it has none), and ``rank`` and ``score`` that it gives the candidate
            by itself; None where it does not bring it, or not among its DEPTH best, ``deep`` then.
    """

    account: str
    candidate: str
    run: str
    recommended: bool
    because: str
    why_not: str | None = None
    rank: int | None = None
    score: float | None = None
    source: str | None = None
    list_length: int = 0
    reason: str | None = None
    rank_if_longer: int | None = None
    rejected: dict[str, Any] | None = None
    shares: Sequence[dict[str, Any]] = ()
    sources: Sequence[dict[str, Any]] = ()


def explain(
    run: Run,
    account: str,
    candidate: str,
    rejected: dict[str, Any] | None = None,
    newest: Run | None = None,
) -> Explanation:
    """Why a run recommends the candidate to the account, or why not.

    Args:
        rejected: ``at`` and ``reason`` of the rejection that holds now, if there is one.
        newest: the run that was published last, where readers are back at an earlier one: whom it
            must not show is not shown.

    Raises:
        UnknownAccountError: the run does not know the account, or the candidate.
        RunError: the run's files are gone or damaged.
    """
    rows = run.recommendations(account).to_pylist()
    run.recommendations(candidate, 0)  # is there one of that name?
    published = next((row for row in rows if row[CANDIDATE] == candidate), {})
    about = {
        "account": account,
        "candidate": candidate,
        "run": run.id,
        "list_length": len(rows),
        "rejected": rejected,
        **{name: published.get(name) for name in (RANK, SCORE, SOURCE)},
    }
    graph = load_graph(run.path / "graph")
    code, other = graph.codes([account, candidate]).tolist()
    config = load_config(run.path / "config.yaml")
    context = _context_of(run, graph, config, code)
    kept_out = _kept_out(context, other, run, account, candidate, rejected, newest)
    if kept_out:
        why_not, because = kept_out
        return Explanation(**about, recommended=False, because=because, why_not=why_not)

    near = _neighbours_of(run, account, graph)
    ladder = context.lists.ladder
    tier = ladder[int(tiers_of(ladder, context.follows.followees.degrees_of(code)))]
    longer = _longer_list(context, near, tier)
    rank = _place_in(longer, other)
    if not rows and longer.counts[0]:
        least = config.audience.min_follows
        because = f"{account} is not in the audience of this run (audience.min_follows is {least})"
        return Explanation(**about, recommended=False, because=because, why_not=NO_LIST)
    about |= {
        "rank_if_longer": rank,
        "reason": published.get(REASON) or _reason(context, near, other, graph),
        "sources": [_by_itself(context, near, name, tier, other) for name in _ready(context, tier)],
    }
    if published:
        shares = _shares(context, near, tier, other, published[SOURCE])
        because = f"at rank {published[RANK]} of {len(rows)}"
        return Explanation(**about, recommended=True, because=because, shares=shares)
    if rank is not None:
        because = f"it would have rank {rank:,}, and the list ends at {len(rows)}"
        return Explanation(**about, recommended=False, because=because, why_not=TOO_LOW)
    made_of = ", ".join(tier.sources)
    if tier.how != FILL_UP and any(row[RANK] for row in about["sources"]):
        because = _out_of_the_blend(context, near, tier, other)
        return Explanation(**about, recommended=False, because=because, why_not=TOO_LOW)
    if longer.counts[0] == DEPTH:
        because = f"it is not among the first {DEPTH:,} of {made_of}"
        return Explanation(**about, recommended=False, because=because, why_not=TOO_LOW)
    because = f"its list is made of {made_of}, and none of them brings it"
    return Explanation(**about, recommended=False, because=because, why_not=NOT_RETRIEVED)


def _context_of(run: Run, graph: FollowGraph, config: RunConfig, code: int) -> ShardContext:
    """The context of one account, without a search."""
    ranker = run.path / "ranker.json"
    model = load_model(run.path / "model") if is_folder(run.path / "model") else None
    exclusions = Exclusions(
        Adjacency(*load_rows(run, "excluded", graph.accounts)),
        load_reasons(run),
        load_globally_excluded(run, graph.accounts),
    )
    ladder = ladder_of(run.manifest.ladder.tiers)
    inputs = NightInputs(
        graph,
        np.array([code], np.int32),
        exclusions,
        _that_teach(run, graph, exclusions, config),
        model,
    )
    trained = load_ranker(ranker) if is_file(ranker) else None
    return shard_context(inputs, config, list_rules(config, ladder, graph, trained), search=None)


def _that_teach(
    run: Run, graph: FollowGraph, exclusions: Exclusions, config: RunConfig
) -> Rejections | None:
    """What the night learned of rejections."""
    is_one = exclusions.reasons == FilterReason.REJECTED
    if not config.feedback.negative.teach or not is_one.any():
        return None
    return rejections_of(subset(exclusions.rows, is_one), graph, load_shown(run))


def _kept_out(
    context: ShardContext,
    other: int,
    run: Run,
    account: str,
    candidate: str,
    rejected: dict[str, Any] | None,
    newest: Run | None,
) -> tuple[str, str] | None:
    """(name of the FilterReason, words) of who must not be shown; None for who may be."""
    asked = Candidates(np.array([0, 1]), np.array([other], np.int32), np.zeros(1))
    least, followers = context.lists.min_followers, context.follows.follower_counts
    reason = FilterReason(
        filter_reasons(
            context.follows.followees,
            followers,
            context.exclusions,
            context.accounts,
            asked,
            least,
        )[0]
    )
    if reason in (FilterReason.SELF, FilterReason.ALREADY_FOLLOWED):
        return reason.name, _WORDS[reason]
    if rejected:
        said = f": {rejected['reason']}" if rejected["reason"] else ""
        return FilterReason.REJECTED.name, f"it was rejected at {rejected['at']}{said}"
    words = _WORDS.get(reason)
    if reason == FilterReason.REJECTED:
        words = "it was rejected when this run was made; that was taken back, for later runs"
    elif reason == FilterReason.TOO_FEW_FOLLOWERS:
        words = f"it has {followers[other]} followers, and candidates.min_followers is {least}"
    elif not reason and newest and newest.id != run.id:
        reason = FilterReason(why_excluded(newest, account, candidate))
        words = f"{_WORDS.get(reason, '')}, as run {newest.id} was told, which came later"
    return (reason.name, words) if reason else None


def _neighbours_of(run: Run, account: str, graph: FollowGraph) -> Neighbours:
    """As they were found in the night."""
    table = run.neighbours(account)
    codes = graph.codes(table[NEIGHBOUR].combine_chunks()).astype(np.int32)[None]
    scores = table[SCORE].to_numpy()[None]
    return Neighbours(np.array([len(table)], np.int32), codes, np.zeros_like(codes), scores)


def _longer_list(context: ShardContext, near: Neighbours, tier: Tier) -> Recommendations:
    """The list of the account, as long as it may be: of a blend, all that it looks at."""
    if tier.how != FILL_UP:
        union = _candidate_union(context, near, tier)
        scores = blend_scores(context, context.accounts, tier, union)
        return best_of(context, tier, union, scores, len(union.codes))
    rules = replace(context.lists, per_account=DEPTH, ladder=(tier._replace(min_follows=0),))
    return recommend_to(replace(context, lists=rules), context.accounts, near)[0]


def _candidate_union(context: ShardContext, near: Neighbours, tier: Tier) -> CandidateUnion:
    """What the sources of a blend say of their best candidates."""
    return candidate_union(context, context.accounts, tier, near)[0]


def _out_of_the_blend(context: ShardContext, near: Neighbours, tier: Tier, other: int) -> str:
    """Why one that a source brings has no rank at all in a blend."""
    union = _candidate_union(context, near, tier)
    if other in union.codes:
        return "its source has as many in the list as blend.max_share_per_source allows"
    made_of = ", ".join(tier.sources)
    return f"a blend looks at the {union.length} best of {made_of}, and it is not among these"


def _shares(
    context: ShardContext, near: Neighbours, tier: Tier, other: int, published: str
) -> list[dict[str, Any]]:
    """Which sources a place in the list is owed to: the one that brought it, or those of a blend.

    The share of a source is how much the score loses where the source says nothing of the
    candidate, as part of what it loses for all sources; one that it does not lose by has none.
    """
    if tier.how == FILL_UP:
        return [{SOURCE: published, "share": 1.0}]
    union = _candidate_union(context, near, tier)
    (place,) = np.flatnonzero(union.codes == other)
    whole = blend_scores(context, context.accounts, tier, union)[place]
    losses = []
    for source in range(len(tier.sources)):
        scores, ranks = union.scores.copy(), union.ranks.copy()
        scores[place, source], ranks[place, source] = 0.0, union.length
        without = union._replace(scores=scores, ranks=ranks)
        left = blend_scores(context, context.accounts, tier, without)[place]
        losses.append(max(0.0, float(whole - left)))
    total = sum(losses)
    if not total:  # it is owed to how the two accounts stand
        return []
    return [
        {SOURCE: name, "share": loss / total}
        for name, loss in zip(tier.sources, losses, strict=True)
        if loss
    ]


def _place_in(lists: Recommendations, code: int) -> int | None:
    """From 1, in the first list."""
    found = np.flatnonzero(lists.codes[0, : lists.counts[0]] == code)
    return int(found[0]) + 1 if len(found) else None


def _ready(context: ShardContext, tier: Tier) -> list[str]:
    """All sources that this night has, those of the account's list first."""
    return [*dict.fromkeys((*tier.sources, *context.sources))]


def _by_itself(
    context: ShardContext, near: Neighbours, name: str, tier: Tier, other: int
) -> dict[str, Any]:
    """What a source by itself makes of the candidate."""
    lists = _longer_list(context, near, Tier(0, (name,)))
    rank = _place_in(lists, other)
    return {
        SOURCE: name,
        "place": tier.sources.index(name) + 1 if name in tier.sources else None,
        RANK: rank,
        SCORE: float(lists.scores[0, rank - 1]) if rank else None,
        "deep": rank is None and bool(lists.counts[0] == DEPTH),
    }


def _reason(context: ShardContext, near: Neighbours, other: int, graph: FollowGraph) -> str:
    lists = empty_lists(1, 1)
    lists.counts[0], lists.codes[0, 0] = 1, other
    return sentences(why_recommended(context, context.accounts, lists, near), graph.ids)[0].as_py()
