"""The rows of one account, and the statistics of the published graph."""

from collections.abc import Sequence

from raypipe.columns import ACCOUNT
from raypipe.serving.lookup import Neighbour, Recommendation
from raypipe.serving.reports.content import Facts, Line, Report, Table, numbers
from raypipe.storage.records import GraphStatistics

_DESCRIBED = ("follows_per_follower", "followers_per_followee")


def list_report(rows: Sequence[Recommendation | Neighbour], title: str) -> Report:
    """The rows of one account, without the column that names it."""
    cells = [row.to_json() for row in rows]
    if not cells:
        return (Line(f"{title}: none"),)
    names = tuple(name for name in cells[0] if name != ACCOUNT)
    return (Table(names, tuple(tuple(row[name] for name in names) for row in cells), title),)


def statistics_report(
    statistics: GraphStatistics, title: str, triangles: dict[str, float] | None = None
) -> Report:
    """The statistics of a graph, and of its triangles where they were counted."""
    plain = {**statistics.model_dump(exclude=set(_DESCRIBED)), **(triangles or {})}
    rows = tuple(
        (key, *(_whole(getattr(statistics, name)[key]) for name in _DESCRIBED))
        for key in ("count", "mean", "std", "min", "25%", "50%", "75%", "max")
    )
    headers = ("", *(name.replace("_", " ") for name in _DESCRIBED))
    return (Facts(numbers(plain), title), Table(headers, rows))


def _whole(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number
