"""The night: run it, or plan it."""

from __future__ import annotations

import datetime
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.options import (
    DEFAULT_RUNS,
    Config,
    Follows,
    Json,
    NamesFormats,
    RunsDir,
    Settings,
    resolve,
)
from raypipe.errors import ConfigError


@app.command(
    cls=NamesFormats,
    epilog="Example: raypipe run configs/nightly.yaml --set sources.similar.neighbours=50",
)
def run(
    config: Config = None,
    follows: Follows = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    date: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Of the run; today if not given."),
    ] = None,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Turn follows into published recommendations, once for a date, a config and an input.

    The same command again changes nothing; after a kill it goes on where it was. The rejections are
    where --set feedback.url says, else RAYPIPE_FEEDBACK_URL, else the config.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    resolved = resolve(config, follows, settings)
    day = (date or datetime.datetime.now()).date().isoformat()

    from raypipe.cli.output.runs import print_nothing_to_do, print_run
    from raypipe.cli.output.terminal import Bars, print_json
    from raypipe.pipeline.run import run_night
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    with Bars() as bars:
        outcome = run_night(resolved, store, day, bars)
    if json:
        print_json({"new": outcome.new, **outcome.run.manifest.model_dump(mode="json")})
    else:
        print_run(outcome.run)
        if not outcome.new:
            print_nothing_to_do(outcome.run, store.current_id())


@app.command(epilog="Example: raypipe plan configs/nightly.yaml --nodes 4 --cpus 16")
def plan(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines, each as fast as this one.")] = 1,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="CPUs of each; as many as here if not given.")
    ] = None,
    degrees: Annotated[
        Path | None,
        typer.Option(help="Plan from a degree table, for a network that is not here."),
    ] = None,
    accounts: Annotated[
        int | None, typer.Option(min=1, help="With --degrees: as grown to so many accounts.")
    ] = None,
    json: Json = False,
) -> None:
    """What a night will cost: reads the follows, times a sample of the accounts, runs nothing.

    Seconds by stage, memory by part, and the accounts whose followers cost most.

    A degree table (CSV or Parquet) has the columns follows, followers and, if wanted, accounts: how
    many accounts have these numbers. Of a network that was run, raypipe stats --degrees writes it.
    """
    resolved = resolve(config, follows, settings)
    if follows and degrees:
        raise ConfigError("--follows and --degrees: found both; plan from one of them")
    if accounts and not degrees:
        raise ConfigError("--accounts: found no --degrees, of which to make so many accounts")

    from raypipe.cli.output.runs import print_plan
    from raypipe.cli.output.terminal import Bars, print_json
    from raypipe.compute.engines import cpus_here
    from raypipe.graph.degree_table import grown, read_degrees
    from raypipe.pipeline.plan import plan_degrees, plan_night

    if resolved.input.kind == "ratings":
        if nodes > 1 or cpus or degrees:
            raise ConfigError(
                "--nodes, --cpus, --degrees: found ratings, of which this machine is planned; "
                "leave them out"
            )
        from raypipe.cli.output.ratings import print_rating_plan
        from raypipe.ratings.run import plan_ratings

        with Bars() as bars:
            planned = plan_ratings(resolved, bars)
        print_json(planned) if json else print_rating_plan(planned)
        return
    with Bars() as bars:
        if degrees:
            table = read_degrees(degrees)
            table = grown(table, accounts) if accounts else table
            planned = plan_degrees(resolved, table, nodes, cpus or cpus_here(), bars)
        else:
            planned = plan_night(resolved, nodes, cpus or cpus_here(), bars)
    if json:
        print_json(planned)
    else:
        print_plan(planned)
