"""The command line itself. What a user has to mend is one line, and an exit code."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from raypipe import __version__
from raypipe.errors import RaypipeError


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
rejections_app = typer.Typer(no_args_is_help=True, help="What accounts do not want to see.")
jobs_app = typer.Typer(no_args_is_help=True, help="Look at jobs on a Ray cluster, stop them.")
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")
app.add_typer(rejections_app, name="rejections")
app.add_typer(jobs_app, name="jobs")


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


def main() -> None:
    """Entry point."""
    app()
