"""Every block of every document runs or is checked, and what it shows is what comes out."""

from __future__ import annotations

import configparser
import doctest
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from raypipe.config import load_config
from tests.docs.documents import Block, blocks, blocks_in, documents, text_of
from tests.docs.sessions import (
    Session,
    check_syntax,
    commands_in,
    kind_of,
    matches,
    measured,
    planned_by_make,
    prepare,
    run_make,
    write_files,
)
from tests.k8s.entrypoints import parse
from tests.paths import ROOT

#: What a language is checked by; "text" shows layouts and diagrams, and nothing else.
LANGUAGES = {"console", "python", "yaml", "ini", "crontab", "sh", "sql", "text"}
#: Custom resources, which tests/k8s checks by their own schemas.
CUSTOM = ("ray.io/", "kueue.x-k8s.io/")

#: The session and the Python names of a document.
Place = tuple[Session, dict[str, Any]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Place]:
    """place(document): its folder, in which its blocks run in order, and its Python names."""
    folder = tmp_path_factory.mktemp("documents")
    start = prepare(folder / "start")
    places: dict[str, Place] = {}

    def of(document: str) -> Place:
        if document not in places:
            session = start.copy_to(folder / document.replace("/", "-"))
            if document in documents():
                write_files(blocks_in(text_of(document), document), session.folder)
            places[document] = session, {}
        return places[document]

    return of


def by_id(block: Block) -> str:
    return block.id


def test_blocks_name_a_language_that_is_checked():
    assert [block.id for block in blocks() if block.language not in LANGUAGES] == []


def test_blocks_in_indented_code_raises():
    with pytest.raises(ValueError, match=r"a\.md:3: indented code"):
        blocks_in("Run:\n\n    raypipe run\n", "a.md")


def test_blocks_in_open_fence_raises():
    with pytest.raises(ValueError, match=r"a\.md:1: the fence is not closed"):
        blocks_in("```console\n$ ls\n", "a.md")


@pytest.mark.parametrize("block", blocks("console", "python"), ids=by_id)
def test_block_runs_and_shows_what_comes_out(block, place, monkeypatch, tmp_path):
    session, names = place(block.document)
    monkeypatch.chdir(session.folder)
    monkeypatch.syspath_prepend(session.folder)
    if block.language == "python":
        run_python(block, names)
        return
    commands = commands_in(block)
    assert commands, "no line starts with $"
    for number, command in enumerate(commands):
        kind = kind_of(command)
        if kind == "make":
            planned_by_make(command)
            if command.shown.strip() and command.line == "make run":
                out = run_make(command, tmp_path)
                assert matches(out, command.shown), out
        elif kind == "benchmark":
            check_benchmark(command.words)
        elif kind == "here":
            out = session.run(command.line)
            following = commands[number + 1].line if number + 1 < len(commands) else ""
            told = "echo $?" in (command.line, following)
            assert not session.code or told, f"{command.line}: {out}"
            if command.shown.strip():
                assert matches(out, command.shown, measured(command)), out
        else:
            check_syntax(command)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block: a session as a doctest, a file or an Airflow DAG as far as compilation."""
    if ">>>" in block.text:
        test = doctest.DocTestParser().get_doctest(block.text, names, block.id, None, 0)
        report: list[str] = []
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        result = doctest.DocTestRunner(optionflags=flags).run(
            test, out=report.append, clear_globs=False
        )
        names |= test.globs
        assert not result.failed, "".join(report)
        return
    code = compile(block.text, block.id, "exec")
    if "airflow" in block.text:
        check_airflow(block)
    elif not block.file:
        exec(code, names)


def check_benchmark(words: list[str]) -> None:
    """A benchmark that is there: ``python -m tests.benchmarks NAME`` or a module below it."""
    module, *names = words[2:]
    if module != "tests.benchmarks":
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file(), module
        return
    assert set(names) <= benchmarks(), names


def benchmarks() -> set[str]:
    text = (ROOT / "tests" / "benchmarks" / "__main__.py").read_text()
    return set(re.findall(r'^    "([\w-]+)": ', text, re.MULTILINE))


def check_airflow(block: Block) -> None:
    """Its commands are raypipe's. (Airflow itself is too large to be installed for a test.)"""
    found = re.findall(r'bash_command="([^"]+)"', block.text)
    assert found
    for command in found:
        parse(re.sub(r"\{\{.*?\}\}", "2026-11-23", command))


@pytest.mark.parametrize("block", blocks("yaml"), ids=by_id)
def test_yaml_is_a_config_or_kubernetes_objects(block, tmp_path):
    objects = list(yaml.safe_load_all(block.text))
    if "apiVersion" not in objects[0]:
        path = tmp_path / "config.yaml"
        path.write_text(block.text)
        load_config(path)
        return
    for found in objects:
        if not found["apiVersion"].startswith(CUSTOM):
            kubernetes_validate.validate(found, "1.30", strict=True)


@pytest.mark.parametrize("block", blocks("ini"), ids=by_id)
def test_systemd_units_are_understood(block, tmp_path):
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read_string(block.text)
    assert set(unit.sections()) <= {"Unit", "Service", "Timer", "Install"}
    command = unit.get("Service", "ExecStart", fallback=None)
    if command:
        parse(re.sub(r"^\S*/raypipe", "raypipe", command))
    if shutil.which("systemd-analyze"):
        path = tmp_path / Path(block.file).name
        here = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", block.text, flags=re.MULTILINE)
        path.write_text(here)
        other = tmp_path / "raypipe.service"
        if path != other:
            other.write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr


@pytest.mark.parametrize("block", blocks("crontab"), ids=by_id)
def test_crontab_lines_are_understood(block):
    lines = [line for line in block.text.splitlines() if line and not line.startswith("#")]
    for line in lines:
        if re.match(r"[A-Z_]+=", line):
            continue
        *fields, command = line.split(None, 5)
        assert len(fields) == 5
        assert all(re.fullmatch(r"[\d*,/-]+", field) for field in fields)
        parse(re.sub(r"^cd \S+ && \S*raypipe", "raypipe", command).partition(" >>")[0])


@pytest.mark.parametrize("block", blocks("sh"), ids=by_id)
def test_scripts_are_understood(block):
    done = subprocess.run(
        ["/bin/sh", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    for line in re.findall(r"^\s*(raypipe .*)$", block.text, re.MULTILINE):
        parse(re.sub(r'["$]', "", line))


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_config_runs(path, place):
    session, _ = place("configs")
    if load_config(path).input.kind == "ratings":
        rows = [
            f"{user},{item},{user % 4 + item % 2 + 1},0" for user in range(9) for item in range(9)
        ]
        table = "\n".join(["userId,itemId,rating,timestamp", *rows])
        (session.folder / "ratings.csv").write_text(table)
        line = f"raypipe evaluate configs/{path.name} --set input.ratings=ratings.csv"
    else:
        quick = "--set frames=pandas --set cluster=none --follows demo/follows.csv"
        line = f"raypipe run configs/{path.name} {quick} --runs-dir {path.stem}"
    out = session.run(line)
    assert not session.code, out
    assert "result: " in out


def test_the_readme_fits_on_a_page_and_shows_the_two_commands_early():
    lines = text_of("README.md").splitlines()
    assert len(lines) <= 150
    first = lines[:70]
    assert any(line.startswith("$ make run") for line in first)
    assert any(line.startswith("$ make test") for line in first)
    assert re.search(r"=+ \d+ passed, .* in [\d.]+s", text_of("README.md"))


def test_nothing_is_left_to_fill_in():
    assert [name for name in documents() if re.search(r"@[A-Z]+@|TODO|FIXME", text_of(name))] == []
