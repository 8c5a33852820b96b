"""What a run tells whoever watches it; the faces decide how it looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Watches a run."""

    def stage(self, name: str, total: float | None = None) -> None:
        """A stage begins; ``total`` is its work in units of its own, None where not known."""

    def advance(self, work: float) -> None:
        """So much of the stage's work is done."""

    def say(self, text: str) -> None:
        """A decision that was taken, and why."""


class Silent:
    """Watches nothing."""

    def stage(self, name: str, total: float | None = None) -> None:
        """Ignored."""

    def advance(self, work: float) -> None:
        """Ignored."""

    def say(self, text: str) -> None:
        """Ignored."""
