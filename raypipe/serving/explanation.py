"""Explanations: their fields, and the explanation for the account itself. Cheap to import."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from raypipe.recommend.filters import registry
from raypipe.recommend.filters.codes import FilterReason
from raypipe.serving.lookup import Lookup
from raypipe.storage.feedback.account import Rejection

#: Values of ``why_not``, in addition to the names of reason codes.
NO_LIST, TOO_LOW, NOT_RETRIEVED = "NO_LIST", "TOO_LOW", "NOT_RETRIEVED"
#: ``why_not`` for the account itself, if it did not cause the exclusion.
NOT_AVAILABLE = "NOT_AVAILABLE"
#: Fewer accounts that exclude an account are not counted: a change would tell which one it was.
FEWEST = 5
#: The reason of each mark in the feedback store, and the marks that are the account's own.
MARKED = {
    "block": FilterReason.BLOCKED,
    "blocked": FilterReason.BLOCKED,
    "follow": FilterReason.FOLLOW_CHANGED,
    "unfollow": FilterReason.FOLLOW_CHANGED,
    "opt_out": FilterReason.OPTED_OUT,
}
OWN_MARKS = ("block", "follow", "unfollow")


@dataclass(frozen=True)
class Share:
    """The share of a source in a candidate's score, between 0 and 1."""

    source: str
    share: float


@dataclass(frozen=True)
class SourceRank:
    """Rank and score of a candidate in a list of one source.

    Attributes:
        source: name of the source.
        place: position of the source, from 1, among the sources of this account's list; None if
            the list does not use it.
        rank, score: values in a list of this source alone; None if it does not retrieve the
            candidate.
        deep: True if the source may retrieve the candidate below the maximum length of the list.
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
        recommended: whether the account sees the candidate now.
        because: the answer as a sentence.
        why_not: name of the reason code of an exclusion; NO_LIST: the account is not in the
            audience; TOO_LOW: the candidate ranks below the end of the list; NOT_RETRIEVED: no
            source of the account's list retrieves it; NOT_AVAILABLE: the account must not know the
            reason; None: it is recommended.
        rank, score, source: published values; None if the candidate is not in the list.
        list_length: length of the published list.
        reason: the connection between the two accounts in the graph; None if it must not be shown.
        rank_if_longer: rank in a list of up to ``explain.DEPTH`` rows; None if it is not in it.
        rejected: (at, reason) of the current rejection.
        shares: the shares of the sources in the score; their sum is 1. Empty if a blend scored it
            only by features of the two accounts.
        sources: rank and score by each source of the run alone.
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
    """Explain a candidate to the account itself.

    The explanation names the account's own rejections, blocks and unfollows. Any other exclusion is
    NOT_AVAILABLE, with the same answer for all candidates, including unknown ones, so that an
    account cannot find out who has blocked it.

    Raises:
        UnknownAccountError: the account is not in the run.
        RunError: files of the run are missing or damaged.
    """
    not_available = Explanation(
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
                not_available,
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
    codes += [MARKED[why].value for why in [lookup.marked.get(candidate)] if why in OWN_MARKS]
    codes += [exclusion.own for exclusion in lookup.exclusions(candidate)]
    own = {spec.reason.value: spec for spec in registry.FILTERS if spec.own_words}
    for spec in (own[code] for code in codes if code in own):
        because = f"{spec.own_words}{when_rejected(rejected)}"
        return replace(not_available, because=because, why_not=spec.reason.name, rejected=rejected)
    return not_available


def when_rejected(rejected: Rejection | None) -> str:
    """Time and note of a rejection, as the end of a sentence; empty if there is none."""
    if rejected is None:
        return ""
    return f" at {rejected.at}" + (f": {rejected.reason}" if rejected.reason else "")
