"""Explanations: their contents, and what an account itself is told. Importing this is cheap."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from raypipe.recommend.filters import registry
from raypipe.recommend.filters.codes import FilterReason
from raypipe.serving.lookup import Lookup
from raypipe.storage.feedback.quick_read import Rejection

#: Why not, beside the names of reasons of exclusion.
NO_LIST, TOO_LOW, NOT_RETRIEVED = "NO_LIST", "TOO_LOW", "NOT_RETRIEVED"
#: What an account is told in place of every reason that is not its own.
NOT_AVAILABLE = "NOT_AVAILABLE"


@dataclass(frozen=True)
class Share:
    """The part of a rank that is owed to a source, between 0 and 1."""

    source: str
    share: float


@dataclass(frozen=True)
class SourceRank:
    """What a source by itself makes of a candidate.

    Attributes:
        source: its name.
        place: its position, from 1, among the sources of this account's list; None: it is unused.
        rank, score: in a list of this source alone; None where it does not retrieve the candidate.
        deep: it is not known whether the source retrieves it, since the list was cut.
    """

    source: str
    place: int | None
    rank: int | None
    score: float | None
    deep: bool


@dataclass(frozen=True)
class Explanation:
    """Why a candidate is or is not in an account's list.

    Attributes:
        account, candidate, run: ids.
        recommended: do readers see it now?
        because: the answer in words.
        why_not: name of a reason of exclusion; NO_LIST: the account is not in the audience;
            TOO_LOW: the list is shorter; NOT_RETRIEVED: by no source of the account's list;
            NOT_AVAILABLE: the account itself is not told why; None: it is recommended.
        rank, score, source: as published; None if it is not in the list.
        list_length: of the published list.
        reason: what ties it to the account, from the graph; None if it must not be shown.
        rank_if_longer: its rank in a list of at most ``explain.DEPTH`` rows; None: not in that.
        rejected: (at, reason) of the rejection that holds now.
        shares: the sources that its rank is owed to; they sum up to 1. Empty where a blend owes it
            to no source but to features of the two accounts.
        sources: each source of the night by itself.
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
    rejected: Rejection | None = None
    shares: tuple[Share, ...] = ()
    sources: tuple[SourceRank, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON values."""
        rejected = None if self.rejected is None else self.rejected._asdict()
        return {**asdict(self), "rejected": rejected}


def explain_to_account(lookup: Lookup, candidate: str) -> Explanation:
    """What the account itself may know of a candidate.

    Its own rejections, blocks and unfollows are named, whatever else holds. Every other answer is
    NOT_AVAILABLE and the same for all candidates, unknown ones too, so that an account cannot
    find out who has blocked it.

    Raises:
        UnknownAccountError: the run does not know the account.
        RunError: the run's files are gone or damaged.
    """
    unknown = Explanation(
        lookup.account,
        candidate,
        lookup.run.id,
        recommended=False,
        because="not available",
        why_not=NOT_AVAILABLE,
    )
    rows = lookup.recommendations()
    for row in rows:
        if row.candidate == candidate:
            return replace(
                unknown,
                recommended=True,
                because=f"at rank {row.rank}",
                why_not=None,
                rank=row.rank,
                score=row.score,
                source=row.source,
                list_length=len(rows),
                reason=row.reason,
            )
    rejected = lookup.rejected.get(candidate)
    codes = [FilterReason.REJECTED.value] if rejected else []
    codes += [exclusion.own for exclusion in lookup.exclusions(candidate)]
    own = {spec.reason.value: spec for spec in registry.FILTERS if spec.own_words}
    for spec in (own[code] for code in codes if code in own):
        because = f"{spec.own_words}{when_rejected(rejected)}"
        return replace(unknown, because=because, why_not=spec.reason.name, rejected=rejected)
    return unknown


def when_rejected(rejected: Rejection | None) -> str:
    """Time and note of a rejection, to follow "it was rejected"."""
    if rejected is None:
        return ""
    return f" at {rejected.at}" + (f": {rejected.reason}" if rejected.reason else "")
