"""Help pages: commands in groups, flags without a type, plain text in a narrow terminal.

Typer draws boxes with three columns, which cut words in a narrow terminal. There, Click's formatter
prints the same text, without cutting words.
"""

from abc import abstractmethod
from typing import Any

from typer.core import TyperCommand, TyperGroup

#: Terminals with fewer columns get plain text.
NARROW = 70

#: The commands of ``raypipe`` by purpose, in the order of the help page.
GROUPS = {
    "Every night": ("run", "plan", "config", "runs"),
    "Ask and answer": (
        "recommend",
        "similar",
        "explain",
        "reject",
        "unreject",
        "erase",
        "rejections",
    ),
    "Measure and tune": ("evaluate", "attack", "sweep", "stats", "report"),
    "Operate": ("serve", "token", "submit", "jobs"),
    "Try": ("demo",),
}


class _Readable:
    """Readable help, for commands and for groups of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, without a type in the help of flags and arguments."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False) and param.metavar is None:
                param.metavar = ""
            elif param.param_type_name == "argument":  # its name is enough
                param.display_type_rich = lambda ctx: ""
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help in boxes, or as plain text if the terminal is narrow."""
        names = max(len(",".join(param.opts)) for param in self.get_params(ctx))
        if formatter.width >= max(NARROW, 3 * names):
            super().format_help(ctx, formatter)  # type: ignore[misc]
            return
        command: Any = self
        command.format_usage(ctx, formatter)
        command.format_help_text(ctx, formatter)
        command.format_options(ctx, formatter)
        command.format_epilog(ctx, formatter)


class Command(_Readable, TyperCommand):
    """A command with a readable help page."""


class Listing(Command):
    """A command whose help ends with lists; only the help imports what they name."""

    @abstractmethod
    def lists(self) -> str:
        """The text below the example."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, followed by the lists."""
        example = self.epilog
        self.epilog = f"{example}\n\n{self.lists()}"
        try:
            super().format_help(ctx, formatter)
        finally:
            self.epilog = example


class Group(_Readable, TyperGroup):
    """A group of commands; its help page lists them without headings."""


class Root(Group):
    """All commands, grouped as in :data:`GROUPS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order of the help page; commands without a group come last."""
        grouped = [name for names in GROUPS.values() for name in names]
        known = super().list_commands(ctx)
        return [name for name in grouped if name in known] + [
            name for name in known if name not in grouped
        ]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, with its group set as its help panel."""
        command: Any = super().get_command(ctx, cmd_name)
        for panel, names in GROUPS.items():
            if command is not None and cmd_name in names:
                command.rich_help_panel = panel
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each group as plain text: a heading and its commands."""
        for panel, names in GROUPS.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name, each.get_short_help_str(200)) for name, each in commands if each]
            with formatter.section(panel):
                formatter.write_dl(rows)
