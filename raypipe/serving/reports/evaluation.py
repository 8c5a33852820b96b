"""An evaluation: what was measured, every metric, segments, who leads, what the blend gains."""

from collections.abc import Iterable, Sequence

from raypipe.serving.reports.content import Cell, Content, Facts, Line, Report, Table, Value
from raypipe.serving.reports.ladder import ladder_report
from raypipe.storage.evaluations import (
    ALL,
    LEVEL,
    EvaluationResult,
    MeanRow,
    MetricRecord,
    leaders,
    only,
)

#: Metrics of the table by segment, beside the headline.
_BESIDE = ("recall", "hit_rate")


def evaluation_report(result: EvaluationResult, folder: str) -> Report:
    """The report of an evaluation with its files in a folder."""
    found: list[Content] = [_split(result), _metrics(result), *_claims(result), *_segments(result)]
    found += [*_leaders(result), *gains(result)]
    found += [
        Line(f"{name}: same lists as {other}") for name, other in result.same_lists_as.items()
    ]
    if result.ladder:
        found += ladder_report(result.ladder)
    found += [
        Line(
            f"{name}: {walk.share_of_walks_left:.1%} of walks left, without "
            f"{walk.left_out:,} accounts of over {walk.max_intermediary_follows:,} follows"
        )
        for name, walk in result.walks.items()
    ]
    lines = (
        f"*: best; behind each mean: where {LEVEL:.0%} of the means of resampled accounts lie",
        result.engines.frames,
        result.engines.cluster,
        f"result: {folder}",
    )
    return (*found, *map(Line, lines))


def gains(result: EvaluationResult) -> tuple[Table, ...]:
    """By how much each blend, and the ladder, beats the best single source.

    Lists that a single source makes too are left out; no table where nothing can be compared.
    """
    metric = result.headline
    if metric is None:
        return ()
    single = [name for name in result.sources if name not in result.combined and "+" not in name]
    means = [result.mean(ALL, name, metric) for name in single]
    known = [row for row in means if row is not None and row.mean is not None]
    if not known:
        return ()
    best = max(known, key=lambda row: row.mean or 0.0).source
    rows: list[tuple[Cell, ...]] = []
    for name in result.combined:
        for row in only(result.differences, segment=ALL, metric=metric):
            if {row.first, row.second} == {name, best}:
                row = row if row.first == name else row.turned()
                by = (Value(value, "fine") for value in (row.difference, row.low, row.high))
                rows.append((name, *by, _verdict(name, row.verdict)))
    if not rows:
        return ()
    title = f"against the best single source, {best}, by {metric}"
    return (Table(("", "by", "low", "high", "verdict"), tuple(rows), title),)


def _verdict(name: str, verdict: str | None) -> str:
    if verdict is None:
        return "-"
    if verdict == "neither":
        return "not sure"
    return "better" if verdict == name else "worse"


def _split(result: EvaluationResult) -> Facts:
    split = result.split
    items: list[tuple[str, Cell]] = [
        ("follows in train", split.follows.train),
        ("follows in test", split.follows.test),
    ]
    if split.left_out is not None:
        items.append(("follows of or to accounts that came later", split.left_out))
    if split.rejections:
        items += [
            ("rejections in train", split.rejections.train),
            ("rejections held out", split.rejections.test),
            ("measured accounts with rejections", split.rejections.accounts_measured),
        ]
    items += [
        (f"accounts {reason.replace('_', ' ')}", count)
        for reason, count in split.accounts.model_dump().items()
        if count or reason == "measured"
    ]
    for segment in result.segments:
        limits = f"{segment.min_follows} to {segment.max_follows}"
        if segment.max_follows is None:
            limits = f"{segment.min_follows} or more"
        elif segment.min_follows == segment.max_follows:
            limits = f"{segment.min_follows}"
        items.append((f"{segment.name}: {limits} follows in train", segment.accounts))
    how = (split.split, split.share, split.train_until, split.test, split.run)
    return Facts(tuple(items), f"split: {', '.join(str(part) for part in how if part is not None)}")


def _metrics(result: EvaluationResult) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys(row.metric for row in only(result.means, segment=ALL)):
        metric = result.metric(name)
        found = [result.mean(ALL, source, name) for source in result.sources]
        rows.append((_label(name, metric), *_cells(found, metric)))
    return Table(("", *result.sources), tuple(rows), "all accounts with follows in train", keys=1)


def _claims(result: EvaluationResult) -> tuple[Table, ...]:
    """The headline and recall as measured, and as a random hold-out claims; of split ``since``."""
    if not result.at_random or result.headline is None:
        return ()
    names = tuple(dict.fromkeys((result.headline, f"recall@{result.lengths[-1]}")))
    rows: list[tuple[Cell, ...]] = []
    for source in result.sources:
        cells: list[Cell] = [source]
        for name in names:
            for means in (result.means, result.at_random):
                found = only(means, segment=ALL, source=source, metric=name)
                cells.append(Value(found[0].mean if found else None, "short"))
        rows.append(tuple(cells))
    headers = ("", *(header for name in names for header in (name, "at random")))
    title = "at random: what a random hold-out of as many follows of the same accounts claims"
    return (Table(headers, tuple(rows), title, keys=1),)


def _label(name: str, metric: MetricRecord) -> str:
    return _words(name) + (" (less is better)" if metric.better == "lower" else "")


def _words(name: str) -> str:
    """The name of a metric in words; ``module:name`` is not changed."""
    return name if ":" in name else name.replace("_", " ")


def _segments(result: EvaluationResult) -> tuple[Table, ...]:
    if result.headline is None:
        return ()
    measured = {metric.name for metric in result.metrics}
    others = (f"{name}@{result.lengths[-1]}" for name in _BESIDE if name in measured)
    shown = tuple(dict.fromkeys((result.headline, *others)))
    rows: list[tuple[Cell, ...]] = []
    for segment in result.segments:
        columns = []
        for name in shown:
            found = [result.mean(segment.name, source, name) for source in result.sources]
            columns.append(_cells(found, result.metric(name)))
        for place, (source, *cells) in enumerate(zip(result.sources, *columns, strict=True)):
            rows.append(("" if place else segment.name, source, *cells))
    headers = ("", "source", *map(_words, shown))
    return (Table(headers, tuple(rows), "by segment", keys=2),)


def _leaders(result: EvaluationResult) -> tuple[Table, ...]:
    if result.headline is None:
        return ()
    found = leaders(result.means, result.differences, result.headline)
    if not found:
        return ()
    rows: list[tuple[Cell, ...]] = []
    for row in found:
        sure = "-" if row.verdict is None else "no" if row.verdict == "neither" else "yes"
        by = (Value(value, "fine") for value in (row.difference, row.low, row.high))
        rows.append((row.segment, row.first, row.second, *by, sure))
    headers = ("", "first", "second", "by", "low", "high", "sure")
    title = f"who leads by {result.headline}, compared account by account"
    return (Table(headers, tuple(rows), title),)


def _cells(rows: Sequence[MeanRow | None], metric: MetricRecord) -> list[Value]:
    """Means with intervals; the best one is marked if the metric has a direction."""
    best = _best((row.mean for row in rows if row and row.mean is not None), metric)
    return [
        Value(None, "short")
        if row is None
        else Value(row.mean, "short", row.low, row.high, row.mean is not None and row.mean == best)
        for row in rows
    ]


def _best(values: Iterable[float], metric: MetricRecord) -> float | None:
    found = list(values)
    if metric.better is None or len(found) < 2:
        return None
    return max(found) if metric.better == "higher" else min(found)
