"""How good the lists are, and which parameters make them better."""

from __future__ import annotations

import datetime
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.options import Config, Follows, Json, Settings, resolve
from raypipe.errors import ConfigError


@app.command(epilog="Example: raypipe evaluate configs/nightly.yaml --sources popular,similar")
def evaluate(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    sources: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="popular, similar, factors, follow_back, two_hop, co_followed; similar+popular: "
            "filled up by popular; ladder: the night's own lists. If not given, each that the "
            "config has, and the ladder.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the evaluations.")] = Path(
        "evaluations"
    ),
    json: Json = False,
) -> None:
    """How good the recommendations are: holds out follows, and looks who finds them again.

    Leaves evaluation.json, evaluation.parquet (every account) and pictures in OUT/DATE-DIGEST.
    Where the config names ratings, their algorithms are measured by k-fold RMSE, MAE and FCP.
    """
    resolved = resolve(config, follows, settings)
    if resolved.input.kind == "ratings":
        if sources is not None:
            raise ConfigError(
                "--sources: found ratings, which have none; set evaluation.algorithms"
            )
        _evaluate_ratings(resolved, out, json)
        return

    from raypipe.cli.output.evaluation import print_evaluation
    from raypipe.cli.output.terminal import Bars, print_json
    from raypipe.evaluation.evaluate import evaluate as evaluate_sources
    from raypipe.evaluation.record import as_json, save

    names = None if sources is None else sources.split(",")
    day = datetime.date.today().isoformat()
    with Bars() as bars:
        found = evaluate_sources(resolved, names, bars)
        bars.stage("write")
        place = save(found, out, day)
    if json:
        print_json({"folder": str(place), **as_json(found, day)})
    else:
        print_evaluation(found, place)


def _evaluate_ratings(resolved, out: Path, json: bool) -> None:
    from raypipe.cli.output.ratings import print_rating_evaluation
    from raypipe.cli.output.terminal import Bars, print_json
    from raypipe.ratings.record import as_json, save_ratings
    from raypipe.ratings.run import evaluate_ratings

    day = datetime.date.today().isoformat()
    with Bars() as bars:
        found = evaluate_ratings(resolved, bars)
        bars.stage("write")
        place = save_ratings(found, resolved, out, day)
    if json:
        print_json({"folder": str(place), **as_json(found, resolved, day)})
    else:
        print_rating_evaluation(found.facts)
        typer.echo(f"result: {place}")


@app.command(epilog="Example: raypipe sweep configs/sweep-follows.yaml")
def sweep(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the newest sweep of this config.")
    ] = False,
    sweeps_dir: Annotated[
        Path, typer.Option("--sweeps-dir", metavar="DIR", help="Folder of the sweeps.")
    ] = Path("sweeps"),
    json: Json = False,
) -> None:
    """Try parameters on Ray Tune, and keep the best: section sweep of the config.

    Leaves best.yaml, trials.parquet and pictures in SWEEPS/DATE-DIGEST. After a kill, --resume
    goes on; no trial that has ended is lost or tried again.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    resolved = resolve(config, follows, settings)

    from raypipe.cli.output.sweep import print_sweep
    from raypipe.cli.output.terminal import print_json
    from raypipe.cli.output.trials import Lines, TrialTable
    from raypipe.sweeps.run import run_sweep

    day = datetime.date.today().isoformat()
    found = run_sweep(resolved, sweeps_dir, day, TrialTable, resume, Lines())
    if json:
        print_json({"folder": str(found.folder), "new": found.new, **found.facts})
    else:
        print_sweep(found)
