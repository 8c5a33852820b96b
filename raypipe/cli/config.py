"""Show or check a config before a run."""

from raypipe.cli.app import config_app
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


@config_app.command("show", epilog="Example: raypipe config show configs/nightly.yaml")
def config_show(
    config: Config = None, follows: Follows = None, settings: Settings = None, json: Json = False
) -> None:
    """Print every key with its value, after the file, --follows and --set."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.config import to_yaml

    resolved = resolve(config, follows, settings)
    print_answer(resolved.model_dump(mode="json"), to_yaml(resolved).rstrip("\n"), json)


@config_app.command(
    "check", cls=NamesFormats, epilog="Example: raypipe config check configs/nightly.yaml"
)
def config_check(
    config: Config = None,
    follows: Follows = None,
    settings: Settings = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Check a config: its keys, the columns of its input, its filters and rejections."""
    resolved = resolve(config, follows, settings)

    from raypipe.cli.output.terminal import print_answer
    from raypipe.config.user_code import load_user_code
    from raypipe.pipeline.load import check_config
    from raypipe.ratings.run import chosen_algorithms
    from raypipe.recommend.audience import read_accounts
    from raypipe.recommend.filters.inputs import check_filters
    from raypipe.recommend.sources.registry import sources_of
    from raypipe.storage.intake.inputs import open_inputs
    from raypipe.storage.intake.read import check_files
    from raypipe.storage.runs.store import RunStore

    inputs = open_inputs(resolved.input)
    check_files(inputs)
    if resolved.input.kind == "follows":
        check_config(resolved)
        check_filters(resolved, RunStore(runs_dir))
        sources_of(resolved)  # imports the sources of sources.custom
    elif resolved.sources.factors.trained:
        chosen_algorithms(resolved)
    if resolved.input.transform:
        load_user_code(resolved.input.transform, "input.transform")
    read_accounts(resolved.audience, resolved.input)
    values = {"digest": resolved.digest(), "files": [path for path, _ in inputs.sizes]}
    good = f"good: {len(inputs.opened)} input files, config {resolved.digest()}"
    print_answer(values, good, json)
