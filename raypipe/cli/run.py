"""Run or plan a night."""

from __future__ import annotations

import datetime
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.options import (
    DEFAULT_RUNS,
    Config,
    Date,
    Follows,
    Json,
    NamesFormats,
    RunsDir,
    Settings,
    resolve,
)
from raypipe.errors import ConfigError

if TYPE_CHECKING:  # these modules import pyarrow and pydantic
    from raypipe.storage.runs.run import Run


@app.command(
    cls=NamesFormats,
    epilog="Example: raypipe run configs/nightly.yaml --set sources.similar.neighbours=50",
)
def run(
    config: Config = None,
    follows: Follows = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    date: Date = None,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Make and publish recommendations, once per date, config and input.

    A run that differs too much from the published one is held back (exit code 77), and a run of an
    earlier date is not published: raypipe runs publish does it.

    Repeating the command changes nothing; after a kill, it continues from the finished shards.

    The rejection store is --set feedback.url, else RAYPIPE_FEEDBACK_URL, else the config's.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    resolved = resolve(config, follows, settings)
    day = (date or datetime.datetime.now(datetime.timezone.utc)).date().isoformat()

    from raypipe.cli.output.terminal import Bars

    with Bars() as bars:
        if date is None:
            bars.stage(f"date {day}, today in UTC")
        bars.stage("import")  # takes seconds on a cold disk: say so first
        from raypipe.cli.output.report import print_result
        from raypipe.compute.compilation import compilations_reported
        from raypipe.pipeline.run import run_night
        from raypipe.serving.reports.runs import run_report
        from raypipe.storage.runs.store import RunStore

        store = RunStore(runs_dir)
        with compilations_reported(bars):
            outcome = run_night(resolved, store, day, bars)
    made = outcome.run
    report = run_report(made.manifest, str(made.path), outcome.new, store.current_id())
    print_result({"new": outcome.new, **made.manifest.model_dump(mode="json")}, report, json)
    if not json:
        _print_next_steps(made, runs_dir, time.monotonic() - started)
        if outcome.newer:
            typer.echo(
                f"not published: {outcome.newer} is of a later date; to publish this run: "
                f"raypipe runs publish {made.id}",
                err=True,
            )


def _print_next_steps(run: Run, runs_dir: Path, seconds: float) -> None:
    """Print the next steps to standard error, because programs read standard output."""
    from raypipe.serving.next_steps import next_steps

    config = run.config()  # with what the night has chosen
    command = "raypipe" if shutil.which("raypipe") else sys.argv[0]
    other_dir = None if runs_dir == DEFAULT_RUNS else runs_dir
    for line in (f"run: {seconds:.0f} s", *next_steps(run, config, other_dir, command)):
        typer.echo(line, err=True)


@app.command(epilog="Example: raypipe plan configs/nightly.yaml --nodes 4 --cpus 16")
def plan(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    nodes: Annotated[
        int,
        typer.Option(metavar="COUNT", min=1, help="Number of machines, each as fast as this one."),
    ] = 1,
    cpus: Annotated[
        int | None,
        typer.Option(metavar="COUNT", min=1, help="CPUs of each machine; default: as this one."),
    ] = None,
    degrees: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Plan from a degree table instead of follows."),
    ] = None,
    accounts: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", min=1, help="With --degrees: scale the table up to COUNT accounts."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Predict the cost of a run: read the follows and time a sample, but make no lists.

    Prints seconds by stage, memory by part, and the accounts whose followers cost most.

    A degree table (CSV or Parquet) has the columns follows, followers and optionally accounts, the
    number of accounts with these degrees. raypipe stats --degrees writes one for a published run.
    """
    resolved = resolve(config, follows, settings)
    if follows and degrees:
        raise ConfigError("--follows and --degrees: found both; use only one of them")
    if accounts and not degrees:
        raise ConfigError("--accounts: found no --degrees; expected a degree table to scale up")

    is_ratings = resolved.input.kind == "ratings"
    if is_ratings and (nodes > 1 or cpus or degrees):
        raise ConfigError(
            "--nodes, --cpus, --degrees: not available for ratings, which are planned for this "
            "machine; leave these options out"
        )

    from raypipe.cli.output.report import print_result
    from raypipe.cli.output.terminal import Bars

    if is_ratings:
        from raypipe.ratings.run import plan_ratings
        from raypipe.serving.reports.ratings import rating_plan_report

        with Bars() as bars:
            ratings = plan_ratings(resolved, bars)
        print_result(ratings.model_dump(mode="json"), rating_plan_report(ratings), json)
        return

    from raypipe.compute.engines import cpus_here
    from raypipe.graph.degree_table import grown, read_degrees
    from raypipe.pipeline.plan import plan_degrees, plan_night
    from raypipe.serving.reports.runs import plan_report

    cpus = cpus or cpus_here()
    with Bars() as bars:
        if degrees:
            table = read_degrees(degrees)
            table = grown(table, accounts) if accounts else table
            planned = plan_degrees(resolved, table, nodes, cpus, bars)
        else:
            planned = plan_night(resolved, nodes, cpus, bars)
    print_result(planned.model_dump(mode="json"), plan_report(planned), json)
