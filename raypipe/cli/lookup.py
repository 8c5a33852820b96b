"""Commands that read the published run, and the demo network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.options import DEFAULT_RUNS, Account, Feedback, Json, Limit, RunsDir

if TYPE_CHECKING:
    from raypipe.serving.lookup import Lookup, Neighbour, Recommendation


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
    """Make a small network for a first try: communities, hubs, newcomers, some invalid rows."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.graph.demo import write_demo

    rows = write_demo(out, accounts, seed)
    print_answer({"file": str(out), "rows": rows}, f"{out}: {rows:,} rows", json)


@app.command(epilog="Example: raypipe recommend jazz-0042 --limit 3")
def recommend(
    account: Account,
    limit: Limit = None,
    following: Annotated[
        str | None, typer.Option(metavar="ID,...", help="Accounts that a new account follows.")
    ] = None,
    followers: Annotated[
        str | None, typer.Option(metavar="ID,...", help="Accounts that follow a new account.")
    ] = None,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Show the published recommendations of an account. Does not start Ray.

    With --following or --followers, the list is made now, from these follows, as the published run
    makes lists of accounts with as many. Candidates that have been excluded or rejected since then
    are left out. If the rejections cannot be read, nothing is shown.
    """
    lookup = _look_up(account, feedback, runs_dir)
    if following is None and followers is None:
        rows = lookup.recommendations(limit)
    else:
        from raypipe.serving.newcomer import recommend_newcomer

        rows, unknown = recommend_newcomer(lookup, _ids(following), limit, _ids(followers))
        if unknown:
            typer.echo(f"not in run {lookup.run.id}: {', '.join(unknown)}", err=True)
    _print_list(rows, lookup, json)


@app.command(epilog="Example: raypipe explain jazz-0042 star-01")
def explain(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Id of the account.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Argument(metavar="CANDIDATE", help="Id of the recommended account.")
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT", help="Instead: what stands against this account in all lists."
        ),
    ] = None,
    as_account: Annotated[
        bool,
        typer.Option(
            "--as-account",
            help="Answer for the account itself: name only its own rejections, blocks and "
            "unfollows.",
        ),
    ] = False,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Explain why a candidate is or is not recommended to an account, or to nobody.

    The answer for an operator names the filter that excludes the candidate, and shows the rank and
    score that each source alone would give it. With --about, the answer tells an account its
    reputation, the evidence of suspicions and what keeps it out of lists; it names nobody who has
    rejected or blocked it.
    """
    from raypipe import about as about_account
    from raypipe import explain as explain_candidate
    from raypipe.cli.output.report import print_result
    from raypipe.serving.reports.explanation import about_report, explanation_report

    if about is not None and account is None:
        told = about_account(about, runs_dir=runs_dir)
        print_result(told.to_json(), about_report(told), json)
        return
    if about is not None or account is None or candidate is None:
        raise typer.BadParameter("expected ACCOUNT and CANDIDATE, or --about ACCOUNT")
    found = explain_candidate(
        account, candidate, as_account=as_account, runs_dir=runs_dir, feedback=feedback
    )
    print_result(found.to_json(), explanation_report(found), json)


@app.command(epilog="Example: raypipe similar jazz-0042")
def similar(
    account: Account,
    limit: Limit = None,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Show the accounts with the follows most similar to an account's, and their similarity.

    Accounts that have been excluded or rejected since the run are left out. If the rejections
    cannot be read, nothing is shown.
    """
    lookup = _look_up(account, feedback, runs_dir)
    _print_list(lookup.neighbours(limit), lookup, json)


@app.command(epilog="Example: raypipe stats --png degrees.png")
def stats(
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw the distribution of follows and followers."),
    ] = None,
    degrees: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a degree table for raypipe plan --degrees."),
    ] = None,
    triangles: Annotated[
        bool, typer.Option("--triangles", help="Also count triangles: 10 s for 16 million follows.")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Show statistics of the published graph, and draw its degree distribution."""
    from raypipe.cli.output.report import print_result
    from raypipe.serving.reports.lists import statistics_report
    from raypipe.storage.runs.store import RunStore

    published = RunStore(runs_dir).current()
    statistics, closed = published.statistics(), dict[str, float]()
    if png or degrees or triangles:
        from raypipe.graph.degree_table import write_degrees
        from raypipe.graph.follow_graph import load_graph
        from raypipe.graph.plots import plot_degrees
        from raypipe.graph.statistics import triangle_statistics

        graph = load_graph(published.path / "graph")
        if png:
            names = ", ".join(record.file for record in published.manifest.inputs[:2])
            plot_degrees(graph, png, f"{names}, run {published.id}")
        if degrees:
            write_degrees(graph, degrees)
        if triangles:
            closed = triangle_statistics(graph)
    report = statistics_report(statistics, f"run {published.id}", closed)
    print_result({**statistics.model_dump(), **closed}, report, json)
    for what, file in (("picture", png), ("degrees", degrees)):
        if file and not json:
            typer.echo(f"{what}: {file}")


def _ids(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _look_up(account: str, feedback: str | None, runs_dir: Path) -> Lookup:
    from raypipe.serving.lookup import look_up
    from raypipe.storage.runs.store import RunStore

    return look_up(RunStore(runs_dir), account, feedback)


def _print_list(rows: Sequence[Recommendation | Neighbour], lookup: Lookup, json: bool) -> None:
    from raypipe.cli.output.report import print_result
    from raypipe.serving.reports.lists import list_report

    title = f"{lookup.account}, run {lookup.run.id}"
    print_result([row.to_json() for row in rows], list_report(rows, title), json)
