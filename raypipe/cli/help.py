"""Help pages: commands in groups, flags without a type, plain text in a narrow terminal.

Typer draws boxes with three columns, which cut words where they have little room. There the same
text is printed by Click's formatter, which never cuts a word.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

#: Narrower terminals get plain text.
NARROW = 70

#: The commands of ``raypipe``, by what they are for, in the order of the help page.
GROUPS = {
    "Every night": ("run", "plan", "config", "runs"),
    "Ask and answer": ("recommend", "similar", "explain", "reject", "unreject", "rejections"),
    "Measure and tune": ("evaluate", "sweep", "stats"),
    "Operate": ("submit", "jobs"),
    "Try": ("demo",),
}


def _no_type(ctx: Any) -> str:
    return ""


class _Readable:
    """What commands and groups of commands share."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters; help names no type for flags and arguments."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False) and param.metavar is None:
                param.metavar = ""
            elif param.param_type_name == "argument":  # its name says what it is
                param.display_type_rich = _no_type
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Boxes where there is room, else plain text."""
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


class Group(_Readable, TyperGroup):
    """A group of commands, without groups inside the page."""


class Root(Group):
    """All commands, grouped as :data:`GROUPS` says."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The order of the help page; what is in no group comes last."""
        grouped = [name for names in GROUPS.values() for name in names]
        known = super().list_commands(ctx)
        return [name for name in grouped if name in known] + [
            name for name in known if name not in grouped
        ]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, which knows the group that it is shown in."""
        command: Any = super().get_command(ctx, cmd_name)
        for panel, names in GROUPS.items():
            if command is not None and cmd_name in names:
                command.rich_help_panel = panel
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """As plain text: a heading and the commands of each group."""
        for panel, names in GROUPS.items():
            found = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name, each.get_short_help_str(200)) for name, each in found if each]
            with formatter.section(panel):
                formatter.write_dl(rows)
