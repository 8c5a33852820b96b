"""A config, before it runs."""

from __future__ import annotations

import typer

from raypipe.cli.app import config_app
from raypipe.cli.options import DEFAULT_RUNS, Config, Follows, Json, RunsDir, Settings, settle


@config_app.command("show", epilog="Example: raypipe config show configs/nightly.yaml")
def config_show(
    config: Config = None, follows: Follows = None, settings: Settings = None, json: Json = False
) -> None:
    """Print what holds after the file, --follows and --set: every key with its value."""
    from raypipe.config import to_yaml
    from raypipe.show import print_json

    settled = settle(config, follows, settings)
    if json:
        print_json(settled.model_dump(mode="json"))
    else:
        typer.echo(to_yaml(settled), nl=False)


@config_app.command("check", epilog="Example: raypipe config check configs/nightly.yaml")
def config_check(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Check a config, that its input is there, and that filters and rejections can be read."""
    settled = settle(config, follows, settings)

    from raypipe.audience import read_accounts
    from raypipe.blend.training import check_blend
    from raypipe.factors.algorithms import check_factors
    from raypipe.filters import check_filters
    from raypipe.intake.files import list_files
    from raypipe.intake.transform import load_function
    from raypipe.rating_evaluation import chosen_algorithms
    from raypipe.runs.store import RunStore
    from raypipe.show import print_json

    files = list_files(settled.input)
    if settled.input.kind == "follows":
        check_factors(settled)
        check_blend(settled)
        check_filters(settled, RunStore(runs_dir))
    elif settled.factors.trained:
        chosen_algorithms(settled)
    if settled.input.transform:
        load_function(settled.input.transform)
    read_accounts(settled.audience)
    if json:
        print_json({"digest": settled.digest(), "files": [str(path) for path in files]})
    else:
        typer.echo(f"good: {len(files)} input files, config {settled.digest()}")
