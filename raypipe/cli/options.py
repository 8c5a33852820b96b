"""Options that several commands share, and the config that results from them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raypipe.cli.help import Listing

if TYPE_CHECKING:  # this module imports pydantic
    from raypipe.config import RunConfig

RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs-dir",
        envvar="RAYPIPE_RUNS_DIR",
        show_envvar=False,
        metavar="DIR",
        help="Folder of the runs; default: RAYPIPE_RUNS_DIR.",
    ),
]
ResultsDir = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="DIR",
        help="Folder that holds evaluations, sweeps and attacks; default: that of the runs folder.",
    ),
]
RunId = Annotated[
    str | None, typer.Argument(metavar="RUN", help="Id of a run; default: the published one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Config = Annotated[
    Path | None,
    typer.Argument(metavar="CONFIG", help="A YAML file; without it, every key has its default."),
]
Follows = Annotated[
    str | None,
    typer.Option(
        "--follows", metavar="FILE", help="The follows: a file, a folder or a glob (input.follows)."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a config key; may be repeated."),
]
Date = Annotated[
    datetime.datetime | None,
    typer.Option(
        metavar="DATE", formats=["%Y-%m-%d"], help="Date of the run; default: today in UTC."
    ),
]
Account = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="Id of the account, as written in the input.")
]
Candidate = Annotated[
    str, typer.Argument(metavar="CANDIDATE", help="Id of the recommended account.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="COUNT", min=1, help="Maximum number of rows.")
]
Feedback = Annotated[
    str | None,
    typer.Option(
        "--feedback",
        metavar="URL",
        help="URL of the rejection store; default: RAYPIPE_FEEDBACK_URL, else the store of the "
        "published run.",
    ),
]
DEFAULT_RUNS = Path("runs")


class NamesFormats(Listing):
    """A command whose help lists the input formats and the filters."""

    def lists(self) -> str:
        from raypipe.recommend.filters.registry import filters_help
        from raypipe.storage.intake.formats import describe_formats

        return f"Input formats: {describe_formats()}, or module:Class.\n\n{filters_help()}"


def resolve(config: Path | None, follows: str | None, settings: list[str] | None) -> RunConfig:
    """Load the config file; RAYPIPE_FEEDBACK_URL, --set and --follows override it.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong.
    """
    from raypipe import load_config
    from raypipe.config import parse_setting

    overrides = dict(parse_setting(setting) for setting in settings or ())
    if follows is not None:
        overrides["input.follows"] = follows
    return load_config(config, overrides)
