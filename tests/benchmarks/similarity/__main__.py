"""`python -m tests.benchmarks.similarity`, or `make bench-similarity`: the search beside others.

Every way is asked for the 10 neighbours of each account with the highest Tanimoto similarity above
0.1, on the same arrays, in a process of its own, after an unmeasured call on a small graph. The
time is the median of three calls, or that of one long call.

    seconds     raypipe's with its index; "index apart", unpruned and roof without
    peak MB     resident memory of the process and all below it, above what it had before
    answer      exact: every account's scores equal raypipe's; recall: the part of raypipe's
                neighbours that was found; overlaps: the largest overlaps, which is another, lesser
                question (checked on a sample)
    co-follow pairs      entries of lists counted one by one, of all that there are
    roof        a loop that only adds one for each entry of the same lists, beside this time
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.benchmarks.similarity import graphs, rows, tables, trial
from tests.benchmarks.similarity.peers import PEERS

K, THRESHOLD = 10, (1, 10)
LIMIT_BYTES = 16 * 10**9
GRAPHS = ("slashdot", "gowalla", "rmat14", "rmat17", "community", "rmat20")
#: Between them, for the growth; only with the ways that its table shows.
GROWTH = ("rmat12", "rmat13", "rmat15", "rmat16", "rmat18", "rmat19")


def main(words: Sequence[str] | None = None) -> None:
    options = _parse(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        limits = trial.Limits(options.limit, LIMIT_BYTES)
        found: list[rows.Row] = []
        trials = rows.run(plans(options), K, THRESHOLD, limits, folder)
        for _, of_graph in groupby(trials, lambda row: (row.graph, row.threads)):
            shown = list(of_graph)
            tables.print_graph(shown)
            found += shown
            if options.json:
                Path(options.json).write_text(json.dumps(report(found), indent=2))
    tables.print_times(found)
    tables.print_growth(found)
    tables.print_versions(found)
    print(f"a second process counts after {trial.seconds_to_first_count():.2f} s")
    if wrong := [row for row in found if not row.is_right]:
        raise SystemExit(f"{len(wrong)} answers are not what they claim to be")


def plans(options: argparse.Namespace) -> list[rows.Plan]:
    """What to run: the growth only by the ways that its table shows, unless ways are named."""
    named = options.graphs or (*GRAPHS, *GROWTH)
    ways = options.peers or tuple(PEERS)
    growth = options.peers or tables.GROWTH_WAYS
    planned = [
        rows.Plan(name, growth, options.threads[:1])
        if name in GROWTH and not options.graphs
        else rows.Plan(name, ways, options.threads)
        for name in named
    ]
    return sorted(planned, key=lambda plan: graphs.scale_of(plan.graph) or 0)


def report(found: Sequence[rows.Row]) -> dict[str, object]:
    """All rows, and the machine that they were measured on."""
    machine = {
        "cpus": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    return {"k": K, "threshold": THRESHOLD, "machine": machine, "rows": rows.as_json(found)}


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.similarity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = f"{', '.join(GRAPHS)}, or rmat and a scale"
    parser.add_argument("--graphs", type=_list, help=f"separated by commas: {names}")
    parser.add_argument("--peers", type=_ways, help=f"separated by commas: {', '.join(PEERS)}")
    parser.add_argument("--threads", type=_numbers, default=(1, 2), help="default: 1,2")
    parser.add_argument("--limit", type=float, default=600, help="seconds a call; default: 600")
    parser.add_argument("--folder", help="where the graphs are kept; default: for this run only")
    parser.add_argument("--json", help="the file to write all rows to")
    return parser.parse_args(words)


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _ways(text: str) -> tuple[str, ...]:
    """The reference comes first, named or not: the others are compared with it."""
    named = _list(text)
    for name in named:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"no way {name!r}; there are: {', '.join(PEERS)}")
    return tuple(dict.fromkeys((rows.REFERENCE, *named)))


if __name__ == "__main__":
    main()
