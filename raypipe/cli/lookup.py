"""What is published, and a network to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.options import (
    DEFAULT_RUNS,
    Account,
    Candidate,
    Feedback,
    Json,
    Limit,
    RunsDir,
    feedback_url,
)


@app.command(epilog="Example: raypipe demo --accounts 20000 --out demo/follows.csv")
def demo(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSV file to write.")] = Path(
        "demo/follows.csv"
    ),
    accounts: Annotated[
        int, typer.Option(metavar="COUNT", min=100, help="Number of accounts.")
    ] = 5000,
    seed: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="Equal seeds give equal files.")
    ] = 0,
    json: Json = False,
) -> None:
    """Make a small network to try things on: communities, hubs, newcomers, some dirt."""
    from raypipe.cli.output.terminal import print_json
    from raypipe.graph.demo import write_demo

    rows = write_demo(out, accounts, seed)
    if json:
        print_json({"file": str(out), "rows": rows})
    else:
        typer.echo(f"{out}: {rows:,} rows")


@app.command(epilog="Example: raypipe recommend jazz-0042 --limit 3")
def recommend(
    account: Account,
    limit: Limit = None,
    following: Annotated[
        str | None,
        typer.Option(
            metavar="ID,...", help="The accounts that a new account follows; needs a model."
        ),
    ] = None,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Whom an account may want to follow, as published last. Does not start Ray.

    With --following, the list is made now, from these follows alone, where the run has a model.
    Whom the account has rejected by now is left out; if that cannot be read, nothing is shown.
    """
    from raypipe.storage.feedback.quick_read import rejected_by
    from raypipe.storage.runs.filter_arrays import excluded_in
    from raypipe.storage.runs.store import RunStore

    runs = RunStore(runs_dir)
    found, newest = runs.current(), runs.newest()
    rejected = rejected_by(feedback_url(feedback, runs_dir), account)
    if following is None:
        rows = found.recommendations(account).to_pylist()
    else:
        from raypipe.serving.newcomer import recommend_newcomer

        ids = [name.strip() for name in following.split(",") if name.strip()]
        rows, unknown = recommend_newcomer(found, account, ids, limit, rejected)
        if unknown:
            typer.echo(f"not in run {found.id}: {', '.join(unknown)}", err=True)
    rows = [row for row in rows if row["candidateId"] not in rejected]
    if newest and newest.id != found.id:  # rolled back: what came to be hidden since stays hidden
        refused = excluded_in(newest, account, [row["candidateId"] for row in rows])
        rows = [row for row in rows if row["candidateId"] not in refused]
    rows = rows[:limit]
    _print_list(rows, f"{account}, run {found.id}", json)


@app.command(epilog="Example: raypipe explain jazz-0042 star-01")
def explain(
    account: Account,
    candidate: Candidate,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Why a candidate is recommended to an account, as published last, or why not.

    Shows the reason, and which rank and score each source by itself would give it.
    """
    from contextlib import closing
    from dataclasses import asdict

    from raypipe.cli.output.runs import print_explanation
    from raypipe.cli.output.terminal import print_json
    from raypipe.serving.explain import explain as explain_candidate
    from raypipe.storage.feedback.store import FeedbackStore
    from raypipe.storage.runs.store import RunStore

    runs = RunStore(runs_dir)
    found, newest = runs.current(), runs.newest()
    with closing(FeedbackStore(feedback_url(feedback, runs_dir))) as store:
        held = (row for row in store.rejections(account) if row["candidateId"] == candidate)
        rejected = next(({key: row[key] for key in ("at", "reason")} for row in held), None)
    facts = asdict(explain_candidate(found, account, candidate, rejected, newest))
    print_json(facts) if json else print_explanation(facts)


@app.command(epilog="Example: raypipe similar jazz-0042")
def similar(
    account: Account,
    limit: Limit = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """The accounts whose follow sets are most like an account's, with their similarity."""
    from raypipe.storage.runs.store import RunStore

    found = RunStore(runs_dir).current()
    rows = found.neighbours(account, limit).to_pylist()
    _print_list(rows, f"{account}, run {found.id}", json)


@app.command(epilog="Example: raypipe stats --png degrees.png")
def stats(
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw the distribution of follows and followers."),
    ] = None,
    degrees: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a degree table, for raypipe plan --degrees."),
    ] = None,
    triangles: Annotated[
        bool, typer.Option("--triangles", help="Also count triangles: 10 s for 16 million follows.")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """What the published graph looks like, in numbers and as a picture."""
    from raypipe.cli.output.runs import print_statistics
    from raypipe.cli.output.terminal import print_json
    from raypipe.storage.runs.store import RunStore

    found = RunStore(runs_dir).current()
    statistics = found.statistics()
    if png or degrees or triangles:
        from raypipe.graph.degree_table import write_degrees
        from raypipe.graph.follow_graph import load_graph
        from raypipe.graph.plots import plot_degrees
        from raypipe.graph.statistics import triangle_statistics

        graph = load_graph(found.path / "graph")
        if png:
            plot_degrees(graph, png)
        if degrees:
            write_degrees(graph, degrees)
        if triangles:
            statistics |= triangle_statistics(graph)
    if json:
        print_json(statistics)
        return
    print_statistics(statistics, f"run {found.id}")
    if png:
        typer.echo(f"picture: {png}")
    if degrees:
        typer.echo(f"degrees: {degrees}")


def _print_list(rows: list[dict], title: str, json: bool) -> None:
    from raypipe.cli.output.runs import print_rows
    from raypipe.cli.output.terminal import print_json

    if json:
        print_json(rows)
    else:
        print_rows(rows, title)
