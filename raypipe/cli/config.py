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
    from raypipe.cli.output.terminal import print_json
    from raypipe.config import to_yaml

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

    from raypipe.cli.output.terminal import print_json
    from raypipe.ratings.run import chosen_algorithms
    from raypipe.recommend.audience import read_accounts
    from raypipe.recommend.blend.training import check_blend
    from raypipe.recommend.filters.inputs import check_filters
    from raypipe.recommend.models.algorithms import check_factors
    from raypipe.storage.intake.files import list_files
    from raypipe.storage.intake.transform import load_function
    from raypipe.storage.runs.store import RunStore

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
