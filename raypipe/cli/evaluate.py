"""Evaluation and parameter sweeps."""

from __future__ import annotations

import datetime
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raypipe.cli.app import app
from raypipe.cli.help import Command
from raypipe.cli.options import Config, Follows, Json, Settings, resolve
from raypipe.errors import ConfigError

if TYPE_CHECKING:
    from raypipe.config import RunConfig


class NamesMetrics(Command):
    """A command whose help lists the sources and the metrics; only the help imports them."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, followed by the sources and the metrics."""
        from raypipe.evaluation.metric_choice import metrics_help
        from raypipe.recommend.sources.registry import describe_sources

        example = self.epilog
        self.epilog = f"{example}\n\nSources: {describe_sources()}.\n\n{metrics_help()}"
        try:
            super().format_help(ctx, formatter)
        finally:
            self.epilog = example


@app.command(
    cls=NamesMetrics,
    epilog="Example: raypipe evaluate configs/nightly.yaml --sources popular,similar",
)
def evaluate(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    sources: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Sources to measure; similar+popular: similar, filled up by popular; ladder: the "
            "lists that a run would publish. Default: each source of the config, and the ladder.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the evaluations.")] = Path(
        "evaluations"
    ),
    json: Json = False,
) -> None:
    """Hold out follows and measure which source recovers them.

    Writes evaluation.json, evaluation.parquet (every account) and pictures to OUT/DATE-DIGEST.
    If the config names ratings, measures their algorithms by k-fold RMSE, MAE and FCP.
    """
    resolved = resolve(config, follows, settings)
    if resolved.input.kind == "ratings":
        if sources is not None:
            raise ConfigError(
                "--sources: not available for ratings; set evaluation.algorithms instead"
            )
        _evaluate_ratings(resolved, out, json)
        return

    from raypipe.cli.output.report import print_report
    from raypipe.cli.output.terminal import Bars, print_json
    from raypipe.evaluation.evaluate import evaluate as evaluate_sources
    from raypipe.evaluation.record import save
    from raypipe.serving.reports.evaluation import evaluation_report

    names = None if sources is None else sources.split(",")
    day = datetime.date.today().isoformat()
    with Bars() as bars:
        evaluation = evaluate_sources(resolved, names, bars, day)
        bars.stage("write")
        folder = save(evaluation, out)
    if json:
        print_json({"folder": str(folder), **evaluation.result.model_dump(mode="json")})
    else:
        print_report(evaluation_report(evaluation.result, str(folder)))


def _evaluate_ratings(resolved: RunConfig, out: Path, json: bool) -> None:
    from raypipe.cli.output.report import print_report
    from raypipe.cli.output.terminal import Bars, print_json
    from raypipe.ratings.record import save_ratings
    from raypipe.ratings.run import evaluate_ratings
    from raypipe.serving.reports.ratings import rating_report

    day = datetime.date.today().isoformat()
    with Bars() as bars:
        evaluation = evaluate_ratings(resolved, bars, day)
        bars.stage("write")
        folder = save_ratings(evaluation, out)
    if json:
        print_json({"folder": str(folder), **evaluation.result.model_dump(mode="json")})
    else:
        print_report(rating_report(evaluation.result, str(folder)))


@app.command(cls=NamesMetrics, epilog="Example: raypipe sweep configs/sweep-follows.yaml")
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
    """Try parameters on Ray Tune and keep the best; see the section sweep of the config.

    Writes best.yaml, trials.parquet and pictures to SWEEPS/DATE-DIGEST. After a kill, --resume
    continues the sweep; finished trials are neither lost nor repeated.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    resolved = resolve(config, follows, settings)

    from raypipe.cli.output.report import print_report
    from raypipe.cli.output.terminal import print_json
    from raypipe.cli.output.trials import Lines, TrialTable
    from raypipe.serving.reports.sweep import sweep_report
    from raypipe.sweeps.run import BEST, run_sweep

    day = datetime.date.today().isoformat()
    outcome = run_sweep(resolved, sweeps_dir, day, TrialTable, resume, Lines())
    if json:
        result = outcome.result.model_dump(mode="json")
        print_json({"folder": str(outcome.folder), "new": outcome.new, **result})
    else:
        best = str(outcome.folder / BEST)
        print_report(sweep_report(outcome.result, outcome.folder.name, best, outcome.new))
