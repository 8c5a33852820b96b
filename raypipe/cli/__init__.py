"""The command-line interface: parse, call, print. Commands import heavy modules on demand."""

from raypipe.cli import (  # noqa: F401  these modules register commands
    config,
    evaluate,
    feedback,
    jobs,
    lookup,
    run,
    runs,
    serve,
)
from raypipe.cli.app import app, main

__all__ = ["app", "main"]
