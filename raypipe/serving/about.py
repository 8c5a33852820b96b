"""What stands against an account being recommended, in words that it may be told."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raypipe.columns import ACCOUNT, DETECTOR, EVIDENCE, SCORE
from raypipe.integrity.entries import chances, more_entries
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.registry import specs_of
from raypipe.serving.explanation import FEWEST
from raypipe.serving.whole_run import WholeRun
from raypipe.storage.runs.labels import load_reputation, load_suspects
from raypipe.storage.runs.run import Run

_AGAINST = (FilterReason.REJECTED, FilterReason.BLOCKED, FilterReason.PREVIOUSLY_FOLLOWED)


@dataclass(frozen=True)
class Suspicion:
    """A detector that suspects an account, its score in nats, and its evidence in words."""

    detector: str
    score: float
    evidence: str


@dataclass(frozen=True)
class About:
    """What stands against an account in a run.

    Attributes:
        account, run: ids.
        followers: number of its followers.
        counted: number of those that count for what others are shown.
        new_entries: number of lists that it may newly enter in the next night, beyond those that it
            leaves; None: no limit (``integrity.bounds: false``).
        reputation: between 0 and 1.
        above: share of the accounts with a higher reputation.
        suspicions: the strongest first.
        shown_to_nobody: why no list holds it, in words; empty if lists may hold it.
        excluded_by: number of accounts to which it is not shown because of a rejection, a block or
            an unfollow by either side, rounded down to one digit; 0: fewer than ``FEWEST``.
    """

    account: str
    run: str
    followers: int
    counted: int
    new_entries: int | None
    reputation: float
    above: float
    suspicions: tuple[Suspicion, ...]
    shown_to_nobody: tuple[str, ...]
    excluded_by: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def about_account(run: Run, account: str) -> About:
    """Everything that keeps a run from recommending an account.

    It names no account that has rejected, blocked or unfollowed it, and does not count few.

    Raises:
        UnknownAccountError: the account is not in the run.
        RunError: files of the run are missing or damaged.
    """
    run.recommendations(account, 0)  # raises for an unknown account
    whole, reputation = WholeRun(run), load_reputation(run)
    graph, votes = whole.graph, whole.votes.graph.followers.degrees
    code = graph.code(account)
    followers, bounds = len(graph.followers.row(code)), whole.config.integrity
    drawn = chances(graph.tie_rule.positions, graph.fingerprint)
    suspects, filters = load_suspects(run), whole.filters
    against = np.isin(filters.excluded_reasons, _AGAINST) & (filters.excluded_codes == code)
    mine = suspects.filter(pa.array(np.asarray(suspects[ACCOUNT]) == account)).to_pylist()
    return About(
        account,
        run.id,
        followers,
        int(votes[code]),
        int(more_entries(votes, drawn, bounds)[code]) if bounds.bounds else None,
        float(reputation[code]),
        float(np.mean(reputation > reputation[code])),
        tuple(Suspicion(row[DETECTOR], row[SCORE], row[EVIDENCE]) for row in mine),
        _shown_to_nobody(whole, code, followers),
        rounded_down(int(np.count_nonzero(against))),
    )


def rounded_down(count: int) -> int:
    """A count to one digit; 0 for fewer than ``FEWEST``.

    Example:
        >>> [rounded_down(count) for count in (0, 4, 5, 9, 10, 39, 250)]
        [0, 0, 5, 9, 10, 30, 200]
    """
    if count < FEWEST:
        return 0
    unit: int = 10 ** (len(str(count)) - 1)
    return count // unit * unit


def _shown_to_nobody(whole: WholeRun, code: int, followers: int) -> tuple[str, ...]:
    """The filter about accounts that holds, and the minimum of followers."""
    config, reason = whole.config, int(whole.filters.globally_excluded[code])
    fewest = config.candidates.min_followers
    words = [spec.words for spec in specs_of(config.filters) if spec.reason.value == reason]
    if followers < fewest:
        words.append(f"it has {followers:,} followers, but candidates.min_followers is {fewest:,}")
    return tuple(words)
