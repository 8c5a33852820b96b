"""`make docs`: rewrite what is generated in the documents, and the output that they show."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.documents import Block, blocks_in, documents, path_of, text_of
from tests.docs.generated import with_generated
from tests.docs.sessions import (
    Session,
    commands_in,
    kind_of,
    matches,
    measured,
    prepare,
    run_make,
    shortened,
    write_files,
)


def main(wanted: list[str]) -> None:
    """Rewrite these documents, or all.

    Args:
        wanted: paths from the project's root; ``--output``: also the output of console blocks.
    """
    output = "--output" in wanted
    names = [name for name in wanted if not name.startswith("-")] or documents()
    with tempfile.TemporaryDirectory() as folder:
        start = prepare(Path(folder) / "start") if output else None
        for number, document in enumerate(names):
            text = with_generated(text_of(document))
            if start:
                session = start.copy_to(Path(folder) / str(number))
                text = with_output(text, document, session)
            if text != text_of(document):
                path_of(document).write_text(text, encoding="utf-8")
                print(f"{document}: rewritten")


def with_output(text: str, document: str, session: Session) -> str:
    """A document whose console blocks show what their commands print now."""
    lines = text.splitlines(keepends=True)
    found = blocks_in(text, document)
    write_files(found, session.folder)
    shown = [(block, _now(block, session)) for block in found if block.language == "console"]
    for block, now in reversed(shown):
        first, count = block.line, len(block.text.splitlines())
        indent = lines[first - 1].partition("`")[0]
        if now != block.text:
            fresh = [f"{indent}{line}".rstrip(" ") for line in now.splitlines(keepends=True)]
            lines[first : first + count] = fresh
    return "".join(lines)


def _now(block: Block, session: Session) -> str:
    """The block with fresh output, where what it shows is no longer true."""
    text = block.text
    for command in commands_in(block):
        kind = kind_of(command)
        if kind == "make" and command.line == "make run" and command.shown.strip():
            out = run_make(command, session.folder)
        elif kind == "here":
            out = session.run(command.line)
        else:
            continue
        if command.shown.strip() and not matches(out, command.shown, measured(command)):
            text = text.replace(command.shown, shortened(out, command.shown), 1)
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
