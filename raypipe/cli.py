"""The command line: parse, call, print. Heavy imports wait until a command needs them."""

from __future__ import annotations

import datetime
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from raypipe import __version__
from raypipe.errors import ConfigError, RaypipeError


class _Group(TyperGroup):
    """Turns what a user has to mend into one line and an exit code."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except RaypipeError as error:
            typer.echo(f"raypipe: {error}", err=True)
            raise typer.Exit(error.exit_code) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Accounts you may want to follow, for every account, every night.",
    epilog="Start with: raypipe demo && raypipe run configs/quickstart.yaml",
)
runs_app = typer.Typer(no_args_is_help=True, help="Look at finished runs, go back, clear away.")
config_app = typer.Typer(no_args_is_help=True, help="Look at a config before it runs.")
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")

RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", envvar="RAYPIPE_RUNS_DIR", help="Where the runs are."),
]
RunId = Annotated[str | None, typer.Argument(metavar="RUN", help="The published one if not given.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Config = Annotated[
    Path | None,
    typer.Argument(help="A YAML file; without it, the defaults hold.", metavar="CONFIG"),
]
Follows = Annotated[
    str | None, typer.Option("--follows", help="input.follows: a file, a folder or a glob.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Wins over the file; may repeat."),
]
Account = Annotated[str, typer.Argument(help="The account's id, as it stands in the input.")]
AtMost = Annotated[int | None, typer.Option(min=1, help="At most so many.")]
DEFAULT_RUNS = Path("runs")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"raypipe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: raypipe run configs/nightly.yaml --set similar.neighbours=50")
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

    The same command again changes nothing; after a kill it goes on where it was.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    settled = _load(config, follows, settings)
    day = (date or datetime.datetime.now()).date().isoformat()

    from raypipe.pipeline import run_night
    from raypipe.reports import print_nothing_to_do, print_run
    from raypipe.runs.store import RunStore
    from raypipe.show import Bars, print_json

    store = RunStore(runs_dir)
    with Bars() as bars:
        outcome = run_night(settled, store, day, bars)
    if json:
        print_json({"new": outcome.new, **outcome.run.manifest})
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
    settled = _load(config, follows, settings)
    if follows and degrees:
        raise ConfigError("--follows and --degrees: found both; plan from one of them")
    if accounts and not degrees:
        raise ConfigError("--accounts: found no --degrees, of which to make so many accounts")

    from raypipe.degrees import grown, read_degrees
    from raypipe.engines import cpus_here
    from raypipe.plan import plan_degrees, plan_night
    from raypipe.reports import print_plan
    from raypipe.show import Bars, print_json

    if settled.input.kind == "ratings":
        if nodes > 1 or cpus or degrees:
            raise ConfigError(
                "--nodes, --cpus, --degrees: found ratings, of which this machine is planned; "
                "leave them out"
            )
        from raypipe.rating_evaluation import plan_ratings
        from raypipe.rating_report import print_rating_plan

        with Bars() as bars:
            planned = plan_ratings(settled, bars)
        print_json(planned) if json else print_rating_plan(planned)
        return
    with Bars() as bars:
        if degrees:
            table = read_degrees(degrees)
            table = grown(table, accounts) if accounts else table
            planned = plan_degrees(settled, table, nodes, cpus or cpus_here(), bars)
        else:
            planned = plan_night(settled, nodes, cpus or cpus_here(), bars)
    if json:
        print_json(planned)
    else:
        print_plan(planned)


@app.command(epilog="Example: raypipe evaluate configs/nightly.yaml --sources popular,similar")
def evaluate(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    sources: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="popular, similar, factors; similar+popular: filled up by popular; ladder: the "
            "night's own lists. If not given, each that the config has, and the ladder.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the evaluations.")] = Path("evaluations"),
    json: Json = False,
) -> None:
    """How good the recommendations are: holds out follows, and looks who finds them again.

    Leaves evaluation.json, evaluation.parquet (every account) and pictures in OUT/DATE-DIGEST.
    Where the config names ratings, their algorithms are measured by k-fold RMSE, MAE and FCP.
    """
    settled = _load(config, follows, settings)
    if settled.input.kind == "ratings":
        if sources is not None:
            raise ConfigError(
                "--sources: found ratings, which have none; set evaluation.algorithms"
            )
        _evaluate_ratings(settled, out, json)
        return

    from raypipe.evaluation.evaluate import evaluate as evaluate_sources
    from raypipe.evaluation.record import as_json, save
    from raypipe.evaluation.report import print_evaluation
    from raypipe.show import Bars, print_json

    names = None if sources is None else sources.split(",")
    day = datetime.date.today().isoformat()
    with Bars() as bars:
        found = evaluate_sources(settled, names, bars)
        bars.stage("write")
        place = save(found, out, day)
    if json:
        print_json({"folder": str(place), **as_json(found, day)})
    else:
        print_evaluation(found, place)


def _evaluate_ratings(settled, out: Path, json: bool) -> None:
    from raypipe.rating_evaluation import evaluate_ratings
    from raypipe.rating_record import as_json, save_ratings
    from raypipe.rating_report import print_rating_evaluation
    from raypipe.show import Bars, print_json

    day = datetime.date.today().isoformat()
    with Bars() as bars:
        found = evaluate_ratings(settled, bars)
        bars.stage("write")
        place = save_ratings(found, settled, out, day)
    if json:
        print_json({"folder": str(place), **as_json(found, settled, day)})
    else:
        print_rating_evaluation(found.facts)
        typer.echo(f"result: {place}")


@app.command(epilog="Example: raypipe sweep configs/sweep-follows.yaml")
def sweep(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest sweep of this config.")
    ] = False,
    sweeps_dir: Annotated[Path, typer.Option("--sweeps-dir", help="Where the sweeps are.")] = Path(
        "sweeps"
    ),
    json: Json = False,
) -> None:
    """Try parameters on Ray Tune, and keep the best: section sweep of the config.

    Leaves best.yaml, trials.parquet and pictures in SWEEPS/DATE-DIGEST. After a kill, --resume
    goes on; no trial that has ended is lost or tried again.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    settled = _load(config, follows, settings)

    from raypipe.show import print_json
    from raypipe.sweep import run_sweep
    from raypipe.sweep_report import print_sweep
    from raypipe.sweeps.watch import Lines, TrialTable

    day = datetime.date.today().isoformat()
    found = run_sweep(settled, sweeps_dir, day, TrialTable, resume, Lines())
    if json:
        print_json({"folder": str(found.folder), "new": found.new, **found.facts})
    else:
        print_sweep(found)


@app.command(epilog="Example: raypipe demo --accounts 20000 --out demo/follows.csv")
def demo(
    out: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("demo/follows.csv"),
    accounts: Annotated[int, typer.Option(min=100, help="Accounts of the network.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files.")] = 0,
    json: Json = False,
) -> None:
    """Make a small network to try things on: communities, hubs, newcomers, some dirt."""
    from raypipe.demo import write_demo
    from raypipe.show import print_json

    rows = write_demo(out, accounts, seed)
    if json:
        print_json({"file": str(out), "rows": rows})
    else:
        typer.echo(f"{out}: {rows:,} rows")


@app.command(epilog="Example: raypipe recommend jazz-0042 --k 3")
def recommend(
    account: Account,
    k: AtMost = None,
    follows: Annotated[
        str | None,
        typer.Option(
            metavar="ID,...", help="Of an account that came later: whom it follows, for the model."
        ),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Whom an account may want to follow, as published last. Does not start Ray.

    With --follows, the list is made now, from these follows alone, where the run has a model.
    """
    from raypipe.runs.store import RunStore

    found = RunStore(runs_dir).current()
    if follows is None:
        rows = found.recommendations(account, k).to_pylist()
    else:
        from raypipe.newcomer import recommend_newcomer

        rows = recommend_newcomer(found, account, follows.split(","), k)
    _print_list(rows, f"{account}, run {found.id}", json)


@app.command(epilog="Example: raypipe similar jazz-0042")
def similar(
    account: Account,
    k: AtMost = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """The accounts whose follow sets are most like an account's, with their similarity."""
    from raypipe.runs.store import RunStore

    found = RunStore(runs_dir).current()
    rows = found.neighbours(account, k).to_pylist()
    _print_list(rows, f"{account}, run {found.id}", json)


@app.command(epilog="Example: raypipe stats --png degrees.png")
def stats(
    png: Annotated[
        Path | None, typer.Option(help="Also draw the distribution of follows and followers.")
    ] = None,
    degrees: Annotated[
        Path | None, typer.Option(help="Also write them, as a table for raypipe plan --degrees.")
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """What the published graph looks like, in numbers and as a picture."""
    from raypipe.reports import print_statistics
    from raypipe.runs.store import RunStore
    from raypipe.show import print_json

    found = RunStore(runs_dir).current()
    statistics = found.statistics()
    if png or degrees:
        from raypipe.degrees import write_degrees
        from raypipe.graph import load_graph
        from raypipe.plots import plot_degrees

        graph = load_graph(found.path / "graph")
        if png:
            plot_degrees(graph, png)
        if degrees:
            write_degrees(graph, degrees)
    if json:
        print_json(statistics)
        return
    print_statistics(statistics, f"run {found.id}")
    if png:
        typer.echo(f"picture: {png}")
    if degrees:
        typer.echo(f"degrees: {degrees}")


@runs_app.command("list", epilog="Example: raypipe runs list --json")
def runs_list(runs_dir: RunsDir = DEFAULT_RUNS, json: Json = False) -> None:
    """All finished runs, newest first; * marks the published one."""
    from raypipe.runs.store import RunStore
    from raypipe.show import print_json, print_table

    store = RunStore(runs_dir)
    published = store.current_id()
    rows = [
        {
            "run": run.id,
            "published": run.id == published,
            "created": run.manifest.get("created"),
            "accounts": run.manifest.get("counts", {}).get("graph", {}).get("accounts"),
            "problem": run.problem,
        }
        for run in store.runs()
    ]
    if json:
        print_json(rows)
    elif not rows:
        typer.echo(f"no runs in {runs_dir}; start with: raypipe run CONFIG")
    else:
        print_table(
            ["", "run", "created", "accounts", "problem"],
            (("*" if row.pop("published") else "", *row.values()) for row in rows),
        )


@runs_app.command("show", epilog="Example: raypipe runs show 2026-03-01-1a2b3c4d --verify")
def runs_show(
    run_id: RunId = None,
    verify: Annotated[bool, typer.Option(help="Read every file and compare its SHA-256.")] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """One run: counts by stage, seconds, memory, engines, versions."""
    from raypipe.errors import RunError
    from raypipe.reports import print_run
    from raypipe.runs.store import RunStore
    from raypipe.show import print_json

    store = RunStore(runs_dir)
    found = store.get(run_id) if run_id else store.current()
    if verify and (problems := store.verify(found)):
        raise RunError(f"run {found.id}: {'; '.join(problems)}; go back: raypipe runs rollback")
    if json:
        print_json(found.manifest)
    else:
        print_run(found)
        if verify:
            typer.echo(f"verified: {len(found.manifest['files'])} files are as written")


@runs_app.command("rollback", epilog="Example: raypipe runs rollback")
def runs_rollback(
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="The one published before if not given.")
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Publish an earlier run again."""
    from raypipe.runs.store import RunStore
    from raypipe.show import print_json

    found = RunStore(runs_dir).rollback(run_id)
    if json:
        print_json({"run": found.id})
    else:
        typer.echo(f"published: {found.id}")


@runs_app.command("prune", epilog="Example: raypipe runs prune --keep 14")
def runs_prune(
    keep: Annotated[int, typer.Option(help="Newest runs to keep.")],
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Delete old runs; never the published one nor the one that a rollback would go to."""
    from raypipe.runs.store import RunStore
    from raypipe.show import print_json

    removed = [run.id for run in RunStore(runs_dir).prune(keep)]
    if json:
        print_json({"removed": removed})
    else:
        typer.echo(f"removed {len(removed)} runs" + "".join(f"\n  {run_id}" for run_id in removed))


@config_app.command("show", epilog="Example: raypipe config show configs/nightly.yaml")
def config_show(
    config: Config = None, follows: Follows = None, settings: Settings = None, json: Json = False
) -> None:
    """Print what holds after the file, --follows and --set: every key with its value."""
    from raypipe.config import to_yaml
    from raypipe.show import print_json

    settled = _load(config, follows, settings)
    if json:
        print_json(settled.model_dump(mode="json"))
    else:
        typer.echo(to_yaml(settled), nl=False)


@config_app.command("check", epilog="Example: raypipe config check configs/nightly.yaml")
def config_check(
    config: Config = None, follows: Follows = None, settings: Settings = None, json: Json = False
) -> None:
    """Check a config and that its input is there, without reading it."""
    settled = _load(config, follows, settings)

    from raypipe.audience import read_accounts
    from raypipe.intake.files import list_files
    from raypipe.intake.transform import load_function
    from raypipe.show import print_json

    files = list_files(settled.input)
    if settled.input.transform:
        load_function(settled.input.transform)
    read_accounts(settled.audience)
    if json:
        print_json({"digest": settled.digest(), "files": [str(path) for path in files]})
    else:
        typer.echo(f"good: {len(files)} input files, config {settled.digest()}")


def _load(config: Path | None, follows: str | None, settings: list[str] | None):
    from raypipe.config import load_config, parse_setting

    overrides = dict(parse_setting(setting) for setting in settings or ())
    if follows is not None:
        overrides["input.follows"] = follows
    return load_config(config, overrides)


def _print_list(rows: list[dict], title: str, json: bool) -> None:
    from raypipe.reports import print_rows
    from raypipe.show import print_json

    if json:
        print_json(rows)
    else:
        print_rows(rows, title)


def main() -> None:
    """Entry point."""
    app()
