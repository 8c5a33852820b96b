"""The Typer app: it turns errors into one line and an exit code (:mod:`raypipe.errors`)."""

import errno
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from raypipe import __version__
from raypipe.cli.help import Command, Group, Root
from raypipe.errors import RaypipeError, RunError

Function = TypeVar("Function", bound=Callable[..., Any])


class _Raypipe(Root):
    """Prints a :class:`RaypipeError` as one line, and exits with its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except RaypipeError as error:
            typer.echo(f"raypipe: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            typer.echo(f"raypipe: the output cannot be written: {error.strerror}", err=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nor can what is buffered
            raise typer.Exit(RunError.exit_code) from None


class _App(typer.Typer):
    """A Typer whose commands have readable help pages."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        return super().command(name, **{"cls": Command, **options})


def _group(help: str) -> _App:
    return _App(cls=Group, no_args_is_help=True, help=help)


app = _App(
    cls=_Raypipe,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Recommend accounts to follow, for every account, every night.",
    epilog="Start with: raypipe demo && raypipe run configs/quickstart.yaml",
)
runs_app = _group("List, inspect, roll back and prune runs.")
config_app = _group("Show or check a config before a run.")
rejections_app = _group("List, import and export rejections.")
jobs_app = _group("List, follow and stop jobs on a Ray cluster.")
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")
app.add_typer(rejections_app, name="rejections")
app.add_typer(jobs_app, name="jobs")


def _version(requested: bool) -> None:
    if requested:
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
    """The entry point of the ``raypipe`` command."""
    app()
