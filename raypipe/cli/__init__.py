"""The command line: parse, call, print. Heavy imports wait until a command needs them."""

from raypipe.cli import (  # noqa: F401  they add commands
    config,
    evaluate,
    feedback,
    jobs,
    lookup,
    run,
    runs,
)
from raypipe.cli.app import app, main

__all__ = ["app", "main"]
