"""Explanations: why a candidate is or is not in a list, and what stands against an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raypipe.serving.explanation import FEWEST, Explanation, SourceRank
from raypipe.serving.reports.content import Content, Line, Report, Table

if TYPE_CHECKING:  # this module needs the graph
    from raypipe.serving.about import About


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


def about_report(found: About) -> Report:
    """What stands against an account, a line for each."""
    excluded = f"at least {found.excluded_by:,}" if found.excluded_by else f"fewer than {FEWEST}"
    lines = [
        f"about {found.account}, run {found.run}",
        f"reputation: {found.reputation:.2g}; {found.above:.0%} of the accounts have more",
        f"followers: {found.followers:,}; {found.counted:,} count as votes",
        *(f"suspicion: {one.evidence} ({one.detector}, {one.score})" for one in found.suspicions),
        *(f"shown to nobody: {words}" for words in found.shown_to_nobody),
        f"excluded from the lists of {excluded} accounts",
    ]
    if not found.suspicions:
        lines.insert(3, "suspicion: none")
    if found.new_entries is not None:
        lines.append(
            f"new lists in the next night: at most {found.new_entries:,}, and one for each that it "
            "leaves"
        )
    return tuple(map(Line, lines))


def _rank(row: SourceRank) -> str:
    if row.rank is None:
        return "not among its best" if row.deep else "does not bring it"
    return f"{row.rank:,}"
