"""The command-line interface: parse, call, print. Commands import heavy modules on demand."""

# These modules register commands.
from raypipe.cli import config, evaluate, feedback, jobs, lookup, run, runs, serve  # noqa: F401
from raypipe.cli.app import app, main

__all__ = ["app", "main"]
