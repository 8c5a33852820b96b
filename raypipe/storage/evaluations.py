"""The stored result of an evaluation: means, intervals and differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from raypipe.storage.attacks import AttackResult
from raypipe.storage.contract import Contract
from raypipe.storage.files import disk_errors, make_folder, remove_file
from raypipe.storage.ratings import RatingResult
from raypipe.storage.records import NetworkResult, WalkRecord

RESULT = "evaluation.json"
#: All accounts with follows in train together, beside the activity segments.
ALL = "all"
#: Level of every interval.
LEVEL = 0.95


class MetricRecord(Contract):
    """One metric.

    Attributes:
        name: without a length, as ``ndcg``.
        better: which values are better; None: neither.
        decides: whether it can select the best source.
        unit: of a value that is not a share.
    """

    name: str
    words: str
    better: Literal["higher", "lower"] | None
    decides: bool
    unit: str


class SegmentRecord(Contract):
    """One activity segment: accounts by their number of follows in train.

    Attributes:
        max_follows: None: no maximum.
    """

    name: str
    min_follows: int
    max_follows: int | None
    accounts: int


class MeanRow(Contract):
    """The mean of one metric over the accounts of a segment.

    Attributes:
        segment: of the accounts, or ``all``.
        metric: name and length, as ``ndcg@20``.
        accounts: number of accounts that have a value.
        mean: None: no account has one.
        low, high: 95 % interval; None: fewer than two accounts, or a value of all lists together.
    """

    segment: str
    source: str
    metric: str
    accounts: int
    mean: float | None
    low: float | None
    high: float | None


class DifferenceRow(Contract):
    """Two sources compared account by account.

    Attributes:
        accounts: number of accounts with both values.
        difference: mean of the first minus the second; None: no account has both.
        low, high: 95 % interval; None: fewer than two accounts.
        verdict: the source whose values are larger beyond the interval, or ``neither``; None: there
            is no interval.
    """

    segment: str
    first: str
    second: str
    metric: str
    accounts: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: str | None

    def turned(self) -> DifferenceRow:
        """The same comparison, with the second source first."""
        values = {"difference": self.difference, "low": self.high, "high": self.low}
        minus = {key: None if value is None else -value for key, value in values.items()}
        return self.model_copy(update={"first": self.second, "second": self.first, **minus})


class FollowCounts(Contract):
    """Numbers of follows."""

    train: int
    test: int


class AccountCounts(Contract):
    """Numbers of accounts: measured, and not measured by reason."""

    measured: int
    not_drawn: int
    without_follows: int
    too_few_follows: int
    nothing_held_out: int


class RejectionCounts(Contract):
    """Numbers of rejections.

    Attributes:
        train: that are used as negative feedback.
        test: that are held out.
        of_followed: of accounts that are followed nevertheless, which are left out.
        of_unknown_accounts: which are left out.
    """

    train: int
    test: int
    of_followed: int
    of_unknown_accounts: int
    accounts_measured: int


class SplitMethod(Contract):
    """How the held-out follows were chosen.

    Attributes:
        share: held out, of split ``share`` and ``time``.
        train_until: time of the last follow in train, of split ``time``.
        test: the file of the held-out follows, of split ``file``.
        already_in_train: follows of that file that are in train too, which are left out.
        run: id of the earlier run, of split ``since``.
        left_out: new follows of or to accounts that the earlier run does not know.
    """

    split: Literal["share", "time", "file", "since"] | None = None
    share: float | None = None
    train_until: str | float | None = None
    test: str | None = None
    already_in_train: int | None = None
    run: str | None = None
    left_out: int | None = None


class SplitRecord(SplitMethod):
    """Which follows were held out, and which accounts are measured."""

    follows: FollowCounts
    accounts: AccountCounts
    rejections: RejectionCounts | None = None


class EvaluationResult(NetworkResult):
    """``evaluation.json``.

    Attributes:
        sources: in the order in which they are shown.
        combined: of these, the blends and the ladder, which are made of others.
        same_lists_as: of a source that makes the very lists of an earlier one, the earlier one.
        metrics: in the order in which they are shown.
        lengths: at which lists are measured, ascending.
        headline: the metric that decides, with its length; None: none of them can.
        segments: by number of follows, ascending; ``zero``, without follows, is not in ``all``.
        at_random: the means that a random hold-out claims, of split ``since``.
        walks: by source, where ``max_intermediary_follows`` is set.
    """

    sources: tuple[str, ...]
    combined: tuple[str, ...]
    same_lists_as: dict[str, str]
    metrics: tuple[MetricRecord, ...]
    lengths: tuple[int, ...]
    headline: str | None
    segments: tuple[SegmentRecord, ...]
    means: tuple[MeanRow, ...]
    differences: tuple[DifferenceRow, ...]
    at_random: tuple[MeanRow, ...] = ()
    split: SplitRecord
    walks: dict[str, WalkRecord]

    def mean(self, segment: str, source: str, metric: str) -> MeanRow | None:
        """The mean of a source in a segment; None where it was not measured."""
        rows = only(self.means, segment=segment, source=source, metric=metric)
        return next(iter(rows), None)

    def metric(self, name: str) -> MetricRecord:
        """The metric with this name; the name may have a length."""
        name = name.rpartition("@")[0] or name
        return next(metric for metric in self.metrics if metric.name == name)

    def rows(self) -> list[dict[str, Any]]:
        """The means, one row each."""
        return [row.model_dump(mode="json") for row in self.means]


_Row = TypeVar("_Row", bound=Contract)


def only(rows: Iterable[_Row], **wanted: str) -> list[_Row]:
    """The rows with these values."""
    return [row for row in rows if all(getattr(row, key) == value for key, value in wanted.items())]


def difference_of(
    rows: Sequence[DifferenceRow], segment: str, metric: str, first: str, second: str
) -> DifferenceRow | None:
    """The comparison of two sources, turned so that ``first`` is the first, if there is one."""
    for row in only(rows, segment=segment, metric=metric):
        if {row.first, row.second} == {first, second}:
            return row if row.first == first else row.turned()
    return None


def save_evaluation(
    result: EvaluationResult | RatingResult | AttackResult,
    folder: Path,
    write: Callable[[Path], None],
    name: str = RESULT,
) -> Path:
    """Write an evaluation into its own folder, in place of one of the same date and digest.

    The JSON is written last, so an evaluation with a JSON is complete.

    Args:
        folder: of all evaluations; it is made if needed.
        write: writes all other files.

    Raises:
        RunError: a file cannot be written.
    """
    path = folder / f"{result.date}-{result.digest}"
    with disk_errors(f"{path}: cannot be written"):
        make_folder(path)
        remove_file(path / name)
        write(path)
    result.save(path / name)
    return path


def leaders(
    means: Sequence[MeanRow], differences: Sequence[DifferenceRow], metric: str
) -> list[DifferenceRow]:
    """For each segment, ``all`` last, the source with the largest mean against the next one.

    Of equal means, that of the source named earlier counts as larger. Sources that make the same
    lists were not compared: the next one with other lists is taken. A segment with fewer than two
    different sources has no row.
    """
    found = []
    segments = dict.fromkeys(row.segment for row in means if row.segment != ALL)
    for segment in (*segments, ALL):
        rows = only(means, segment=segment, metric=metric)
        ranked = sorted(
            (row for row in rows if row.mean is not None), key=lambda row: -(row.mean or 0.0)
        )
        for row in ranked[1:]:
            first = ranked[0].source
            compared = difference_of(differences, segment, metric, first, row.source)
            if compared:
                found.append(compared)
                break
    return found
