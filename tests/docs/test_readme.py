"""Every block of the README runs, and what it shows is what comes out."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raypipe.config import load_config
from tests.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def commands() -> list[tuple[str, str]]:
    """(command, what the README shows below it) of every console block."""
    found = []
    for text in blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command.partition("  #")[0].strip(), shown))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder as `make run` leaves it: the configs, the demo network, a published run."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shell("raypipe demo", folder)
    quick = "--set frames=pandas --set cluster=none"
    shell(f"raypipe run configs/quickstart.yaml --date 2026-11-23 {quick}", folder)
    return folder


def shell(command: str, folder: Path) -> str:
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # Where make runs this test, what that was given (ARGS=...) is not for the make below it.
    given = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "ARGS", "FOLLOWS")
    around = {key: value for key, value in os.environ.items() if key not in given}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**around, "PATH": binaries, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def masked(text: str) -> list[str]:
    """Without what differs from run to run: dates and digests, seconds, memory, CPUs, pytest's."""
    text = re.sub(r"\d{4}-\d\d-\d\d(-[0-9a-f]{8})?", "DATE", text)
    text = re.sub(r"│ +[\d.]+ │ +[\d,.]+ │", "TIMES", text)
    text = re.sub(r"\d+ CPUs", "CPUS", text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize(
    ("command", "shown"), [pair for pair in commands() if not pair[0].startswith("make")]
)
def test_commands(command, shown, place):
    out = shell(command.replace(".venv/bin/", ""), place)
    if shown.strip():
        assert masked(out) == masked(shown)


@pytest.mark.parametrize(
    ("command", "shown"), [pair for pair in commands() if pair[0].startswith("make")]
)
def test_make_targets(command, shown, tmp_path):
    """What make would run; the night among it is run, and compared with what is shown."""
    planned = shell(
        f"cd {ROOT} && {command.replace('make', 'make --always-make --dry-run', 1)}", ROOT
    )
    assert "No rule" not in planned
    if command != "make run":
        return
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    out = "".join(
        shell(line.replace(".venv/bin/", ""), tmp_path)
        for line in planned.splitlines()
        if line.startswith(".venv/bin/raypipe")
    )
    assert masked(out) == masked(shown)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configs(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    load_config(path)


@pytest.mark.parametrize("text", [text for text in blocks("python") if ">>>" in text])
def test_sessions(text, place, monkeypatch):
    monkeypatch.chdir(place)
    test = doctest.DocTestParser().get_doctest(text, {}, "README", None, 0)
    report: list[str] = []
    result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.attempted >= 5
    assert not result.failed, "".join(report)


def test_the_users_own_step(place):
    (step,) = [text for text in blocks("python") if ">>>" not in text]
    (place / "my_steps.py").write_text(step)
    (place / "dated.csv").write_text(
        "followerId,followingId,createdAt\na,b,2024-12-31\na,c,2025-01-01\nb,c,2026-01-01\n"
    )
    settings = "--set input.transform=my_steps:only_recent --set input.carry=[createdAt]"
    shell(f"raypipe run --follows dated.csv --runs-dir dated {settings}", place)
    assert '"rows_used": 2' in shell("raypipe runs show --json --runs-dir dated", place)


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@|TODO", README)
    assert re.search(r"=+ \d+ passed, .* in [\d.]+s", README)


def test_the_two_commands_are_shown_early():
    first = README.splitlines()[:40]
    assert any(line.startswith("$ make run") for line in first)
    assert any(line.startswith("$ make test") for line in first)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_config_runs(path, place):
    if load_config(path).input.kind == "ratings":
        rows = [
            f"{user},{item},{user % 4 + item % 2 + 1},0" for user in range(9) for item in range(9)
        ]
        (place / "ratings.csv").write_text("\n".join(["userId,itemId,rating,timestamp", *rows]))
        shown = shell(
            f"raypipe evaluate configs/{path.name} --set input.ratings=ratings.csv", place
        )
        assert "result: " in shown
        return
    quick = "--set frames=pandas --set cluster=none --follows demo/follows.csv"
    shell(f"raypipe run configs/{path.name} {quick} --runs-dir {path.stem}", place)
    assert "result: " in shell(f"raypipe runs show --runs-dir {path.stem}", place)
