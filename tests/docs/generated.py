"""The parts of the documents that the code generates: configuration, exit codes, commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import typer

from raypipe import errors
from raypipe.cli import app
from raypipe.config import RunConfig

_PART = re.compile(
    r"(<!-- generated: ([\w-]+), by make docs -->\n).*?(<!-- end of generated -->)", re.DOTALL
)

Schema = dict[str, Any]

#: Of a section that is no part of the digest of a config.
_NO_LIST = "No key of this section changes a published list."
#: Exit codes without an exception of raypipe.
_OTHER_CODES = {
    0: "success",
    1: "A bug: the command ends with a traceback.",
    2: "Usage: an unknown command or option, or an invalid value of an option.",
    130: "Ctrl-C ended the command.",
    143: "SIGTERM ended the command.",
}
#: What pydantic's ByteSize is in a JSON schema.
_BYTE_SIZE = ["text", "integer, at least 0"]


def with_generated(text: str) -> str:
    """A document with its generated parts as the code has them now.

    Raises:
        KeyError: a part that nothing generates.
    """
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", text)


def configuration() -> str:
    """A table for each section of the config."""
    schema = RunConfig.model_json_schema()
    return "\n".join(_sections(schema, "", schema["$defs"]))


def _sections(
    schema: Schema, above: str, known: dict[str, Schema], apart: bool = False
) -> Iterator[str]:
    keys = {name: field for name, field in schema["properties"].items() if "$ref" not in field}
    yield f"## {f'`{above}`' if above else 'Top level'}\n"
    about = _sentence(schema.get("description", ""))
    yield f"{about} {_NO_LIST if apart else ''}".rstrip() + "\n"
    if keys:
        yield "| key | type | default | description |"
        yield "|---|---|---|---|"
        for name, field in keys.items():
            text = _sentence(field.get("description", ""))
            yield f"| `{name}` | {_type(field)} | {_default(field)} | {_cell(text)} |"
        yield ""
    for name, field in schema["properties"].items():
        if "$ref" in field:
            below = known[field["$ref"].rpartition("/")[2]]
            key = f"{above}.{name}" if above else name
            yield from _sections(below, key, known, bool(field.get("speed_only")))


def _type(field: Schema) -> str:
    if "enum" in field:
        return _cell(" \\| ".join(f"`{value}`" for value in field["enum"]), escape=False)
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        found = list(dict.fromkeys(_type(each) for each in field["anyOf"]))
        if found == _BYTE_SIZE:
            return "size, such as `2GB`"
        return (", or " if any("," in each for each in found) else " or ").join(found)
    names = {"string": "text", "boolean": "true or false", "object": "mapping", "null": "null"}
    kind = field.get("type", "any")
    if kind == "array":
        items = field.get("items")
        if items:
            return f"list of {_type(items)}"
        return f"list of {len(field['prefixItems'])} numbers"
    return names.get(kind, kind) + _bounds(field)


def _bounds(field: Schema) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    found = [f"{word} {field[key]:,}" for key, word in words.items() if key in field]
    return f", {' and '.join(found)}" if found else ""


def _default(field: Schema) -> str:
    return f"`{json.dumps(field.get('default'))}`"


def exit_codes() -> str:
    """A table of the exit codes, from the exceptions."""
    found: dict[int, list[type[errors.RaypipeError]]] = {}
    for error in _errors_below(errors.RaypipeError):
        found.setdefault(error.exit_code, []).append(error)
    rows = {code: ("", meaning) for code, meaning in _OTHER_CODES.items()}
    for code, kinds in found.items():
        names = ", ".join(f"`{kind.__name__}`" for kind in kinds)
        meaning = " ".join(_first_sentence(kind.__doc__ or "") for kind in kinds)
        rows[code] = (f" {names}", _cell(meaning))
    lines = ["| code | error | meaning |", "|---|---|---|"]
    lines += [f"| {code} |{names} | {meaning} |" for code, (names, meaning) in sorted(rows.items())]
    return "\n".join([*lines, ""])


def _errors_below(error: type[errors.RaypipeError]) -> Iterator[type[errors.RaypipeError]]:
    for each in error.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from _errors_below(each)


def commands() -> str:
    """A table of all commands, from the command line itself."""
    lines = ["| command | what it does |", "|---|---|"]
    root = typer.main.get_command(app)
    for name, about in _commands(root, "raypipe"):
        lines.append(f"| `{name}` | {_cell(about)} |")
    return "\n".join([*lines, ""])


def _commands(group: Any, above: str) -> Iterator[tuple[str, str]]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", _first_sentence(command.help or "")


def _first_sentence(text: str) -> str:
    return _sentence(text.partition("\n\n")[0])


def _sentence(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _cell(text: str, escape: bool = True) -> str:
    return text.replace("|", "\\|") if escape else text


PARTS = {"configuration": configuration, "exit-codes": exit_codes, "commands": commands}
