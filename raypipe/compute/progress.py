"""Progress events of a run; the CLI renders them."""

from typing import Protocol


class Progress(Protocol):
    """Receives progress events."""

    def stage(self, name: str, total: float | None = None) -> None:
        """A stage begins; ``total`` is its amount of work in any unit, None if unknown."""

    def advance(self, work: float) -> None:
        """An amount of work of the current stage is done, in the unit of its total."""

    def say(self, text: str) -> None:
        """A message for the user, such as a decision and its reason."""


class Silent:
    """Ignores all progress events."""

    def stage(self, name: str, total: float | None = None) -> None:
        """Ignored."""

    def advance(self, work: float) -> None:
        """Ignored."""

    def say(self, text: str) -> None:
        """Ignored."""
