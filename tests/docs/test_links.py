"""What the documents name is there: links, anchors, configs, files; figures have a command."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import (
    anchors_in,
    blocks,
    documents,
    path_of,
    prose_of,
    text_of,
)
from tests.docs.sessions import commands_in, kind_of
from tests.docs.test_documents import benchmarks
from tests.paths import ROOT

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"(?<![\w/.-])((?:configs|docs|k8s|raypipe|tests)/[\w./-]*\w|[A-Z]+\.md|Makefile)(?![\w*/<])"
)


def dead_links(document: str, text: str) -> list[str]:
    """The relative links of a document that lead nowhere."""
    dead = []
    for link in _LINK.findall(prose_of(text)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = (path_of(document).parent / target).resolve() if target else path_of(document)
        if not path.exists() or (
            anchor and anchor not in anchors_in(path.read_text(encoding="utf-8"))
        ):
            dead.append(link)
    return dead


def test_dead_links_finds_files_and_anchors_that_are_not_there():
    text = "[a](no.md) [b](docs/glossary.md#no) [c](docs/glossary.md#glossary) [d](https://x.y)"
    assert dead_links("README.md", text) == ["no.md", "docs/glossary.md#no"]


@pytest.mark.parametrize("document", documents())
def test_links_lead_somewhere(document):
    assert dead_links(document, text_of(document)) == []


@pytest.mark.parametrize("document", documents())
def test_files_that_are_named_are_there(document):
    own = {block.file for block in blocks() if block.document == document}
    named = set(_PATH.findall(text_of(document))) - own
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_page_is_linked_from_the_readme():
    linked = set(_LINK.findall(text_of("README.md")))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked


def sections(text: str) -> list[tuple[str, str]]:
    """(heading, text below it) of a document."""
    parts = re.split(r"^#+ (.+)$", prose_of(text), flags=re.MULTILINE)
    return list(zip(["", *parts[1::2]], parts[0::2], strict=True))


def names_a_command(text: str) -> bool:
    """Does a text name a benchmark that exists, or a command of raypipe or make?"""
    named = re.findall(r"`python -m tests\.benchmarks ([\w -]+)`", text)
    known = benchmarks()
    if any(set(names.split()) <= known for names in named):
        return True
    return bool(re.search(r"`(?:raypipe|make|python -m tests\.benchmarks\.\w+) ?[^`]*`", text))


@pytest.mark.parametrize("document", ["docs/benchmarks.md", "docs/capacity.md"])
def test_no_figure_stands_without_its_command(document):
    shown = {
        block.section
        for block in blocks("console")
        if block.document == document
        and any(kind_of(command) in ("benchmark", "here", "make") for command in commands_in(block))
    }
    without = [
        heading
        for heading, text in sections(text_of(document))
        if re.search(r"^\|.*\d|\d\.\d|\d (?:s|GB|MB)\b", text, re.MULTILINE)
        and heading not in shown
        and not names_a_command(text)
    ]
    assert without == []


def test_names_a_command_refuses_a_benchmark_that_is_not_there():
    assert names_a_command("`python -m tests.benchmarks blend`")
    assert not names_a_command("`python -m tests.benchmarks blender`")
    assert not names_a_command("It takes 3 s.")
