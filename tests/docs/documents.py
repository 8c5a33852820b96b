"""The documents, and the blocks in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT

_FENCE = re.compile(r"^( *)(`{3,}|~{3,}) *([\w-]*)")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        document: path of its document, from the project's root.
        line: of its fence, from 1.
        language: the first word after the fence; "" without one.
        text: without the indentation of the fence.
        section: heading that it stands under.
    """

    document: str
    line: int
    language: str
    text: str
    section: str = ""

    @property
    def id(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the block is, where its first line is a comment with a path.

        Example:
            >>> Block("a.md", 1, "python", "# my_steps.py\\nx = 1\\n").file
            'my_steps.py'
            >>> Block("a.md", 1, "yaml", "# configs/snap.yaml: an edge list\\n").file
            'configs/snap.yaml'
        """
        found = re.match(r"# ([\w./-]+\.\w+)(?=[:;,\s]|$)", self.text)
        return found[1] if found else None


def documents() -> list[str]:
    """All documents that users read, from the project's root."""
    pages = sorted((ROOT / "docs").glob("*.md"))
    named = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    found = [*named, *pages, ROOT / "k8s" / "README.md", ROOT / "CHANGELOG.md"]
    return [path.relative_to(ROOT).as_posix() for path in found if path.is_file()]


def text_of(document: str) -> str:
    return path_of(document).read_text(encoding="utf-8")


def blocks_in(text: str, document: str = "") -> list[Block]:
    """The fenced blocks of a Markdown text, indented ones too.

    Raises:
        ValueError: a fence that is not closed, or code that is only indented: nothing checks that.

    Example:
        >>> blocks_in("1. Do:\\n   ```console\\n   $ ls\\n   ```\\n")[0].text
        '$ ls\\n'
    """
    found: list[Block] = []
    opened, lines, indent, mark, section = None, [], 0, "", ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                indent, mark = len(fence[1]), fence[2]
                opened, lines = (number, fence[3]), []
            elif line.startswith("    ") and line.strip():
                raise ValueError(f"{document}:{number}: indented code; put it between fences")
            elif line.startswith("#"):
                section = line.lstrip("# ")
        elif fence and fence[2].startswith(mark) and not fence[3]:
            body = "".join(f"{kept[min(indent, _leading(kept)) :]}\n" for kept in lines)
            found.append(Block(document, *opened, body, section))
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        raise ValueError(f"{document}:{opened[0]}: the fence is not closed")
    return found


def blocks(*languages: str) -> list[Block]:
    """The blocks of all documents in these languages, or in any."""
    return [
        block
        for document in documents()
        for block in blocks_in(text_of(document), document)
        if not languages or block.language in languages
    ]


def prose_of(text: str) -> str:
    """A Markdown text without its fenced blocks; as many lines."""
    kept, inside = [], False
    for line in text.splitlines():
        fence = bool(_FENCE.match(line))
        kept.append("" if inside or fence else line)
        inside ^= fence
    return "\n".join(kept)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading.

    Example:
        >>> slug("Backup and restore"), slug("`raypipe run`: exit codes")
        ('backup-and-restore', 'raypipe-run-exit-codes')
    """
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def anchors_in(text: str) -> set[str]:
    return {slug(found) for found in re.findall(r"^#+ (.+)$", prose_of(text), re.MULTILINE)}


def path_of(document: str) -> Path:
    return ROOT / document


def _leading(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
