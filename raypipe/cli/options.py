"""What several commands are told, and how it becomes a config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

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
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="COUNT", min=1, help="Maximum number of rows.")
]
#: Says where the rejections are, to every command: after what is given on the command line, before
#: what a config or the published run says.
FEEDBACK_URL = "RAYPIPE_FEEDBACK_URL"
Feedback = Annotated[
    str | None,
    typer.Option(
        "--feedback",
        envvar=FEEDBACK_URL,
        metavar="URL",
        help="The store of rejections; as the published run says, if not given.",
    ),
]
DEFAULT_RUNS = Path("runs")


class NamesFormats(TyperCommand):
    """A command whose help names the input formats, which are imported for that alone."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the formats below it."""
        from raypipe.storage.intake.formats import describe_formats

        example = self.epilog
        self.epilog = f"{example}\n\nInput formats: {describe_formats()}, or module:Class."
        try:
            super().format_help(ctx, formatter)
        finally:
            self.epilog = example


def feedback_url(given: str | None, runs_dir: Path) -> str:
    """Where the rejections are: as told, else where the published run has read them.

    Before the first run, and by default, that is a file beside the runs.
    """
    from raypipe.config.feedback_url import store_url
    from raypipe.storage.runs.store import RunStore

    if given is None:
        runs = RunStore(runs_dir)
        if runs.current_id() is not None:
            given = runs.current().manifest.feedback.url
    return store_url(given, runs_dir)


def resolve(config: Path | None, follows: str | None, settings: list[str] | None) -> Any:
    """The config that holds: the file, then RAYPIPE_FEEDBACK_URL, then --set, then --follows.

    Raises:
        ConfigError: it cannot be read, or something in it is refused.
    """
    from raypipe.config import load_config, parse_setting

    overrides = {"feedback.url": os.environ[FEEDBACK_URL]} if os.environ.get(FEEDBACK_URL) else {}
    overrides |= dict(parse_setting(setting) for setting in settings or ())
    if follows is not None:
        overrides["input.follows"] = follows
    return load_config(config, overrides)
