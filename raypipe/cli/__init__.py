"""The command line: parse, call, print. Heavy imports wait until a command needs them."""

from raypipe.cli import config, feedback, night, quality, reading, runs  # noqa: F401  they add commands
from raypipe.cli.app import app, main

__all__ = ["app", "main"]
