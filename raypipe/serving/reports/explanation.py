"""An explanation: why a candidate is or is not in a list, and its rank by each source."""

from raypipe.serving.explanation import Explanation, SourceRank
from raypipe.serving.reports.content import Content, Line, Report, Table


def explanation_report(explanation: Explanation) -> Report:
    """The answer, the reason, and a table of the sources for an operator."""
    verdict = "recommended" if explanation.recommended else "not recommended:"
    found: list[Content] = [
        Line(f"{explanation.candidate} to {explanation.account}, run {explanation.run}"),
        Line(f"{verdict} {explanation.because}"),
    ]
    if explanation.reason:
        found.append(Line(f"reason: {explanation.reason}"))
    if explanation.sources:
        shares = {share.source: share.share for share in explanation.shares}
        columns = ("source", "place", "rank by itself", "score", "share")
        rows = tuple(
            (row.source, row.place, _rank(row), row.score, shares.get(row.source))
            for row in explanation.sources
        )
        found.append(Table(columns, rows))
    return tuple(found)


def _rank(row: SourceRank) -> str:
    if row.rank is None:
        return "not among its best" if row.deep else "does not bring it"
    return f"{row.rank:,}"
