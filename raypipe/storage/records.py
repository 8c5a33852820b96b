"""Records that runs, evaluations and plans share: stages, the ladder's decision, hub limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, JsonValue

from raypipe.storage.contract import Contract, Result


class EntriesRecord(Contract):
    """The limits on how lists change in one night.

    Attributes:
        run: the earlier run since which entries are new; None: no limit in this night.
        held_back: new entries that were not let in, or gave way to earlier ones.
        refilled: candidates that took their place.
        moved: lists with another first entry, as the made one would have been a change too many.
    """

    run: str | None = None
    held_back: int = 0
    refilled: int = 0
    moved: int = 0
    why: str


class Notice(Contract):
    """Something in an input that a person should know; the night goes on.

    Attributes:
        kind: what was found, a plural, as ``lines repeat the header, and are no rows``.
        total: of how many; None: of an unknown number.
        where: a file, or the key of the config that names it; None: the follows.
        key: key of the config that decides what becomes of it.
    """

    kind: str
    count: int
    total: int | None = None
    where: str | None = None
    example: str | None = None
    key: str | None = None

    @classmethod
    def of(
        cls,
        kind: str,
        count: int,
        example: str | None = None,
        key: str | None = None,
        where: str | None = None,
        total: int | None = None,
    ) -> Notice:
        """A notice, by position."""
        return cls(kind=kind, count=count, example=example, key=key, where=where, total=total)

    @property
    def text(self) -> str:
        """The notice as one line.

        Example:
            >>> Notice.of("ids are unknown", 2, "7.0", "input.normalise", "a.csv", 3).text
            'a.csv: 2 of 3 ids are unknown, such as 7.0 (input.normalise)'
        """
        where = f"{self.where}: " if self.where else ""
        of = "" if self.total is None else f"of {self.total:,} "
        such = f", such as {self.example}" if self.example else ""
        key = f" ({self.key})" if self.key else ""
        return f"{where}{self.count:,} {of}{self.kind}{such}{key}"


def merge_notices(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """One notice for each kind, with the sum of the counts and the first example."""
    found: dict[tuple[str, str | None, str | None], Notice] = {}
    for notice in notices:
        same = notice.kind, notice.where, notice.key
        before = found.get(same)
        count = notice.count + (before.count if before else 0)
        found[same] = (before or notice).model_copy(update={"count": count})
    return tuple(found.values())


class StageRecord(Contract):
    """One stage of a run, as measured.

    Attributes:
        peak_memory_mb: megabytes of this process and its children; shared pages counted once.
    """

    stage: str
    seconds: float
    peak_memory_mb: float


class EngineRecord(Contract):
    """The execution engines and where they run, as text."""

    frames: str
    cluster: str


class TierRecord(Contract):
    """One tier of a ladder.

    Attributes:
        min_follows: number of follows from which an account is on this tier.
        sources: names, the leading one first.
        how: the sources are combined: ``fill_up``, ``rank_fusion`` or ``learned_ranker``.
    """

    min_follows: int
    sources: tuple[str, ...]
    how: str


class GraphCounts(Contract):
    """The size of a graph."""

    accounts: int
    follows: int
    co_follow_pairs: int


class GraphStatistics(Contract):
    """``statistics.json`` of a run, in the order of its keys.

    Attributes:
        mutual_follows: pairs of accounts that follow each other.
        reciprocity: share of the follows that are returned.
        follows_per_follower, followers_per_followee: pandas' ``describe()``, without accounts that
            have none.
    """

    accounts: int
    accounts_without_followers: int
    accounts_without_follows: int
    co_follow_pairs: int
    followers_per_followee: dict[str, float]
    follows: int
    follows_per_follower: dict[str, float]
    mutual_follows: int
    reciprocity: float

    @property
    def counts(self) -> GraphCounts:
        """The counts that a manifest and a plan show."""
        return GraphCounts(**self.model_dump(include=set(GraphCounts.model_fields)))


#: Begins the reason of a strategy that the budget leaves out.
OVER_BUDGET = "over the budget"


class StrategyRow(Contract):
    """One strategy for one activity segment, as measured by hold-out selection.

    Attributes:
        segment: ``zero``, ``few``, ``cold``, ``warm`` or ``hot``.
        min_follows, max_follows: number of follows of its accounts; None: no maximum.
        accounts: number of accounts measured; 0 where there were too few, and the decision is that
            of another segment.
        strategy: the leading source, or the blend.
        sources: names, the leading one first.
        ndcg, low, high: mean over the accounts and its 95 % interval; None: not measured.
        against: the strategy that it is compared with.
        difference, difference_low, difference_high: mean of the differences, account by account.
        at_random: mean by a random hold-out of the earlier follows, where new follows decide; None:
            not measured.
        work: estimated work per account, as a multiple of the plain night's; None: not estimated.
        leads: whether it is used for this segment.
    """

    segment: str
    min_follows: int
    max_follows: int | None
    accounts: int
    strategy: str
    sources: tuple[str, ...]
    ndcg: float | None = None
    low: float | None = None
    high: float | None = None
    against: str | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    at_random: float | None = None
    work: float | None = None
    leads: bool
    why: str


class TrainingRecord(Contract):
    """The training data of a ranker.

    Attributes:
        accounts: with at least one example.
        follows: held-out follows among the candidates.
        others: other candidates.
    """

    accounts: int
    follows: int
    others: int
    trees: int


class RankerRecord(Contract):
    """The training of the learned blend.

    Attributes:
        why: in words, also where no ranker was trained.
        trained_on: None where no ranker was trained.
        gains: the features with the largest gain to their share of the total gain.
    """

    why: str
    trained_on: TrainingRecord | None = None
    gains: dict[str, float] = Field(default_factory=dict)


class SinceRecord(Contract):
    """The follows that are new since an earlier run.

    Attributes:
        run: id of the earlier run; None: the newest follows by their time.
        follows: new follows between accounts that the earlier run knows.
        left_out: follows of or to accounts that it does not know.
        accounts: number of accounts with new follows, which can be measured.
        decides: whether they are the evidence; if not, follows are held out at random.
    """

    run: str | None
    follows: int = 0
    left_out: int = 0
    accounts: int = 0
    decides: bool = False
    why: str


class LadderDecision(Contract):
    """Which strategy leads for which accounts, and the measurements that decided.

    Attributes:
        decided_by: ``holdout``; ``fixed`` by the config; ``too few`` accounts to measure.
        metric: name and length, as ``ndcg@10``.
        table: one row for each segment and strategy.
        tiers: the ladder, lowest tier first.
        blend: None where the config asks for no ranker, or none could be measured.
        since: None where there is no earlier run.
    """

    decided_by: Literal["holdout", "fixed", "too few"]
    why: str
    metric: str
    table: tuple[StrategyRow, ...] = ()
    tiers: tuple[TierRecord, ...]
    blend: RankerRecord | None = None
    since: SinceRecord | None = None


class NetworkResult(Result):
    """What an evaluation and an experiment with attacks record of a network.

    Attributes:
        digest: of config and input: equal ones give equal results, to the last bit.
        data: the follows, as the config names them.
        ladder: None where it was not asked for, or no strategy needs one.
        config: as resolved.
    """

    date: str
    digest: str
    data: str
    ladder: LadderDecision | None
    config: dict[str, JsonValue]
    engines: EngineRecord
    stages: tuple[StageRecord, ...]
    versions: dict[str, str]


class RecallRecord(Contract):
    """The mean share of what an exact search finds that a bounded one finds too.

    Attributes:
        recall: of the sample; None: unknown.
        low, high: 95 % interval of the recall of the whole audience.
        sample: number of accounts measured; all of them have exact results.
    """

    recall: float | None
    low: float
    high: float
    sample: int


#: The recall of an exact search, and that of a search that was not measured.
EXACT = RecallRecord(recall=1.0, low=1.0, high=1.0, sample=0)
NOT_MEASURED = RecallRecord(recall=None, low=0.0, high=1.0, sample=0)


class SimilarityRecord(RecallRecord):
    """The effect of ``sources.similar.max_followers`` on the neighbour search.

    Attributes:
        max_followers: the limit; None: no hub is left out.
        hubs_left_out: number of accounts with more followers.
        share_of_co_follow_pairs_left: of all pairs of followers of one account.
    """

    max_followers: int | None
    hubs_left_out: int
    share_of_co_follow_pairs_left: float


class FactorRecord(RecallRecord):
    """How the candidates of the factor model are retrieved, and what that misses.

    Attributes:
        retrieval: ``exact``: all accounts are scored; ``candidates``: those of other sources.
    """

    retrieval: Literal["exact", "candidates"]
    why: str


class WalkRecord(Contract):
    """The effect of ``max_intermediary_follows`` of a two-step source.

    Attributes:
        left_out: number of accounts with more follows, which are not walked through.
        share_of_walks_left: of all walks.
    """

    max_intermediary_follows: int
    left_out: int
    share_of_walks_left: float
