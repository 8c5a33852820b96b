"""The rows as tables of at most 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from raypipe.cli.output.terminal import print_line, print_table
from tests.benchmarks.similarity import graphs
from tests.benchmarks.similarity.peers import PEERS
from tests.benchmarks.similarity.peers.peer import EXACT
from tests.benchmarks.similarity.rows import Row

OURS = ("raypipe", "raypipe-search", "raypipe-plain")
GROWTH_WAYS = (*OURS, "sparse_dot_topn", "roof")


def print_graph(rows: Sequence[Row]) -> None:
    """All ways on one graph with so many threads."""
    first = rows[0]
    roof = _seconds(rows, "roof")
    table = []
    for row in rows:
        entries = (row.looked_at or {}).get("entries")
        table.append(
            [
                row.title,
                row.seconds,
                None if row.peak_mb is None else round(row.peak_mb),
                row.answer,
                "-" if entries is None else _percent(entries / row.co_follow_pairs),
                "-" if None in (roof, row.seconds) else _percent(roof / row.seconds),
            ]
        )
    threads = "1 thread" if first.threads == 1 else f"{first.threads} threads"
    title = (
        f"{first.graph}: {first.accounts:,} accounts, {first.follows:,} follows, "
        f"{first.co_follow_pairs / 1e9:.3g} G co-follow pairs; {threads}"
    )
    print_table(["way", "seconds", "peak MB", "answer", "pairs", "roof"], table, title)
    for row in rows:
        if row.note:
            print_line(f"{row.title}: {row.note}")
        if row.way == "raypipe" and row.looked_at:
            counted, again, planes = (value / 1e9 for value in row.looked_at.values())
            print_line(
                f"raypipe: {counted:.3g} G entries counted one by one, {again:.3g} G of them "
                f"walked again;\n  {planes:.3g} G bytes of planes, each up to 8 entries"
            )


def print_times(rows: Sequence[Row]) -> None:
    """How many times as fast the search is as others, by graph; one thread, index apart."""
    table = []
    for name, of_graph in by_graph(rows).items():
        ours, plain = _seconds(of_graph, "raypipe-search"), _seconds(of_graph, "raypipe-plain")
        exact = [r.seconds for r in of_graph if r.kind == EXACT and r.way not in OURS and r.seconds]
        roof = _seconds(of_graph, "roof")
        table.append(
            [
                name,
                of_graph[0].co_follow_pairs / 1e9,
                _times(min(exact, default=None), ours),
                _times(_seconds(of_graph, "sparse_dot_topn"), ours),
                _times(plain, ours),
                "-" if None in (roof, plain) else _percent(roof / plain),
            ]
        )
    columns = [
        "graph",
        "G pairs",
        "best exact",
        "sdtn overlap",
        "unpruned",
        "unpruned/roof",
    ]
    print_table(columns, table, "one thread, index apart: raypipe is so many times as fast as")


def print_growth(rows: Sequence[Row]) -> None:
    """Seconds over R-MAT scales, one thread."""
    table = []
    for name, of_graph in by_graph(rows).items():
        if graphs.scale_of(name):
            seconds = [_seconds(of_graph, way) for way in GROWTH_WAYS]
            table.append([graphs.scale_of(name), of_graph[0].co_follow_pairs / 1e9, *seconds])
    if len(table) > 1:
        columns = ["scale", "G pairs", "raypipe", "search", "unpruned", "sdtn", "roof"]
        print_table(columns, table, "growth over R-MAT scales, seconds, one thread")


def print_versions(rows: Sequence[Row]) -> None:
    peers = {PEERS[row.way].package: PEERS[row.way].version() for row in rows}
    print_line(", ".join(f"{name} {version}" for name, version in peers.items() if version))


def by_graph(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of one thread, by graph."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.threads == 1:
            found.setdefault(row.graph, []).append(row)
    return found


def _seconds(rows: Sequence[Row], way: str) -> float | None:
    return next((row.seconds for row in rows if row.way == way), None)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _times(theirs: float | None, ours: float | None) -> str:
    return "-" if None in (theirs, ours) else f"{theirs / ours:.2f}"
