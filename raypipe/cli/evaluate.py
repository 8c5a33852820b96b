"""Evaluation, attacks and parameter sweeps."""

from __future__ import annotations

import datetime
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.help import Listing
from raypipe.cli.options import DEFAULT_RUNS, Config, Follows, Json, RunsDir, Settings, resolve
from raypipe.errors import ConfigError

if TYPE_CHECKING:
    from raypipe.compute.progress import Progress
    from raypipe.config import RunConfig
    from raypipe.serving.reports.content import Report
    from raypipe.storage.contract import Versioned


class NamesMetrics(Listing):
    """A command whose help lists the sources and the metrics."""

    def lists(self) -> str:
        from raypipe.evaluation.metric_choice import metrics_help
        from raypipe.recommend.sources.registry import describe_sources

        return f"Sources: {describe_sources()}.\n\n{metrics_help()}"


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
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What is held out (evaluation.split): share, time, file or since."
        ),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the evaluations.")] = Path(
        "evaluations"
    ),
    json: Json = False,
) -> None:
    """Hold out follows and measure which source recovers them.

    Writes evaluation.json, evaluation.parquet (every account) and pictures to OUT/DATE-DIGEST.
    If the config names ratings, measures their algorithms by k-fold RMSE, MAE and FCP.
    """
    of_split = [] if split is None else [f"evaluation.split={split}"]
    resolved = resolve(config, follows, [*(settings or ()), *of_split])
    is_ratings = resolved.input.kind == "ratings"
    if is_ratings and sources is not None:
        raise ConfigError("--sources: not available for ratings; set evaluation.algorithms instead")

    from raypipe.cli.output.report import print_result
    from raypipe.cli.output.terminal import Bars

    with Bars() as bars:
        if is_ratings:
            folder, result, report = _evaluate_ratings(resolved, out, bars)
        else:
            folder, result, report = _evaluate_follows(resolved, sources, runs_dir, out, bars)
    print_result({"folder": folder, **result.model_dump(mode="json")}, report, json)


def _evaluate_follows(
    config: RunConfig, sources: str | None, runs_dir: Path, out: Path, progress: Progress
) -> tuple[str, Versioned, Report]:
    from raypipe.evaluation.evaluate import evaluate as evaluate_sources
    from raypipe.evaluation.record import save
    from raypipe.serving.reports.evaluation import evaluation_report

    names = None if sources is None else sources.split(",")
    found = evaluate_sources(config, names, progress, runs_dir=runs_dir)
    progress.stage("write")
    folder = str(save(found, out))
    return folder, found.result, evaluation_report(found.result, folder)


def _evaluate_ratings(
    config: RunConfig, out: Path, progress: Progress
) -> tuple[str, Versioned, Report]:
    from raypipe.ratings.record import save_ratings
    from raypipe.ratings.run import evaluate_ratings
    from raypipe.serving.reports.ratings import rating_report

    found = evaluate_ratings(config, progress)
    progress.stage("write")
    folder = str(save_ratings(found, out))
    return folder, found.result, rating_report(found.result, folder)


@app.command(epilog="Example: raypipe attack configs/nightly.yaml --attacks ring,newcomers")
def attack(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    attacks: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Attacks to simulate (attack.attacks).")
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(metavar="COUNT,...", help="Numbers of fake follows (attack.budgets)."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path(
        "attacks"
    ),
    json: Json = False,
) -> None:
    """Inject fake accounts and measure into how many lists they get.

    Nothing is published. Writes attack.json, attack.parquet (the accounts that were reached) and
    attack.png to OUT/DATE-DIGEST; see the section attack of the config.
    """
    lists = {"attack.attacks": attacks, "attack.budgets": budgets}
    own = [f"{key}=[{value}]" for key, value in lists.items() if value is not None]
    resolved = resolve(config, follows, [*(settings or ()), *own])

    from raypipe.attacks.record import save
    from raypipe.attacks.run import attack as attack_follows
    from raypipe.cli.output.report import print_result
    from raypipe.cli.output.terminal import Bars
    from raypipe.serving.reports.attack import attack_report

    with Bars() as bars:
        found = attack_follows(resolved, bars)
        bars.stage("write")
        folder = str(save(found, out))
    values = {"folder": folder, **found.result.model_dump(mode="json")}
    print_result(values, attack_report(found.result, folder), json)


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

    from raypipe.cli.output.report import print_result
    from raypipe.cli.output.terminal import Bars
    from raypipe.cli.output.trials import TrialTable
    from raypipe.serving.reports.sweep import sweep_report
    from raypipe.sweeps.run import BEST, run_sweep

    day = datetime.date.today().isoformat()
    found = run_sweep(resolved, sweeps_dir, day, TrialTable, resume, Bars(live=False))
    values = found.result.model_dump(mode="json")
    report = sweep_report(found.result, found.folder.name, str(found.folder / BEST), found.new)
    print_result({"folder": str(found.folder), "new": found.new, **values}, report, json)
