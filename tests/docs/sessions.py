"""Console blocks: the commands in them, where they run, and what of their output is compared."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

from tests.docs.documents import Block
from tests.k8s.entrypoints import parse
from tests.paths import ROOT

#: A local Ray takes some 8 s to start and changes no byte of the result.
QUICK = "--set frames=pandas --set cluster=none"
#: Programs of which only the syntax is checked: they need a cluster, a registry or root.
ELSEWHERE = (
    "kubectl",
    "helm",
    "docker",
    "systemctl",
    "journalctl",
    "crontab",
    "git",
    "export",
    "pip",
    "curl",
)
#: Commands of raypipe that need a cluster, or never end: the parser checks them.
REMOTE = (("submit",), ("jobs",), ("serve",), ("token",))
#: Programs that run here.
HERE = ("raypipe", "python", "ls", "cat", "head", "cp", "mkdir", "echo", "printf", "sqlite3", "rm")
#: Commands whose every number is a measurement.
MEASURED = ("raypipe plan",)


class Command(NamedTuple):
    """A command of a console block, and the output that the block shows."""

    line: str
    shown: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)


def commands_in(block: Block) -> list[Command]:
    """The commands of a console block, without comments and the path of the environment.

    Example:
        >>> block = Block("a.md", 1, "console", "$ .venv/bin/raypipe stats  # numbers\\nmany\\n")
        >>> commands_in(block)
        [Command(line='raypipe stats', shown='many\\n')]
    """
    found = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        while line.endswith("\\"):
            more, _, shown = shown.partition("\n")
            line = line[:-1].rstrip() + " " + more.removeprefix(">").strip()
        line = line.partition("  #")[0].strip().replace(".venv/bin/", "")
        found.append(Command(line, shown))
    return found


def kind_of(command: Command) -> str:
    """``make``, ``benchmark``, ``remote``, ``elsewhere`` or ``here``.

    Raises:
        ValueError: a program that is not known.
    """
    words = list(dropwhile(lambda word: re.match(r"\w+=", word), command.words))
    program = words[0]
    if program == "make":
        return "make"
    if words[:3] == ["python", "-m", "tests.benchmarks"]:
        return "benchmark"
    if program == "raypipe" and tuple(words[1:2]) in REMOTE:
        return "remote"
    if program in ELSEWHERE:
        return "elsewhere"
    if program in HERE:
        return "here"
    raise ValueError(f"{command.line}: {program} is not known; add it to tests/docs/sessions.py")


def check_syntax(command: Command) -> None:
    """Check a command that is not run.

    Raises:
        ValueError: raypipe does not know it, or a shell cannot parse it.
    """
    if kind_of(command) == "remote":
        parse(command.line)
    done = subprocess.run(
        ["/bin/sh", "-n", "-c", command.line], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"{command.line}: {done.stderr}")


class Session:
    """A folder as `make run` leaves it, in which the commands of a document run, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = 0

    def run(self, line: str) -> str:
        """Standard output; where the command fails, standard error without its progress lines."""
        if line == "echo $?":
            return f"{self.code}\n"
        # Where make runs this test, what it was given (ARGS=...) is not for the make below it.
        given = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "ARGS", "FOLLOWS", "RAYPIPE_FEEDBACK_URL")
        around = {key: value for key, value in os.environ.items() if key not in given}
        binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env={**around, "PATH": binaries, "COLUMNS": "80", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.code = done.returncode
        if not self.code:
            return done.stdout
        return "".join(
            line for line in done.stderr.splitlines(True) if not line.rstrip().endswith("...")
        )

    def copy_to(self, folder: Path) -> Session:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Session(folder)


def prepare(folder: Path) -> Session:
    """A folder with the configs, the demo network and a published run."""
    session = Session(folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    for line in ("raypipe demo", f"raypipe run configs/quickstart.yaml --date 2026-11-23 {QUICK}"):
        out = session.run(line)
        assert not session.code, f"{line}: {out}"
    return session


def masked(text: str, measured: bool = False) -> list[str]:
    """The lines without what differs from run to run or from machine to machine.

    That is: dates, digests and run ids, times, memory, CPUs, every number in a table whose heading
    names seconds or MB, and how wide columns are.

    Args:
        measured: every number is a measurement.

    Example:
        >>> masked("run 2026-11-23-25ac8113\\nin 2.5 s, 12 MB, on 2 CPUs")
        ['run DATE', 'in N s, N MB, on N CPUs']
    """
    lines, table = [], False
    for line in text.strip().splitlines():
        line = re.sub(r"\d{4}-\d\d-\d\d(-[0-9a-f]{8})?(T[\d:.]+Z?)?", "DATE", line)
        line = re.sub(r"\b(?=[a-z]*\d)[0-9a-f]{8}\b", "DIGEST", line)
        line = re.sub(r"\d[\d,.]*(?= ?(?:s|ms|seconds?|min|MB|GB|CPUs?)\b)", "N", line)
        if line.startswith("┃"):
            table = bool(re.search(r"seconds|MB", line))
        if measured or (table and line.startswith("│")):
            line = re.sub(r"(?<![\w-])\d*[\d.][\d,.]*(?![\w-])", "N", line)
        line = re.sub(r"[━─]+", "─", re.sub(r" +", " ", line)).rstrip()
        lines.append(line)
    return lines


def matches(out: str, shown: str, measured: bool = False) -> bool:
    """Is the output as shown? A line ``...`` stands for any number of lines.

    Example:
        >>> matches("a\\nb\\nc\\nd", "a\\n...\\nc\\n..."), matches("a\\nb", "a\\n...\\nd")
        (True, False)
        >>> matches("a\\nb", "a"), matches("a\\nb", "...\\na")
        (False, False)
    """
    found, expected = masked(out, measured), masked(shown, measured)
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in expected
    )
    return bool(re.fullmatch(pattern, "".join(f"{line}\n" for line in found)))


def shortened(out: str, shown: str) -> str:
    """The output with as many lines left out as in what is shown now, by one line ``...``.

    Example:
        >>> shortened("1\\n2\\n3\\n4\\n", "a\\n...\\nb\\n")
        '1\\n...\\n4\\n'
    """
    before = shown.rstrip("\n").split("\n")
    lines = [line.rstrip() for line in out.rstrip("\n").split("\n")]
    if before.count("...") > 1:
        return shown
    if "..." in before:
        head = before.index("...")
        tail = len(before) - head - 1
        lines = [*lines[:head], "...", *lines[len(lines) - tail :]]
    return "".join(f"{line}\n" for line in lines)


def measured(command: Command) -> bool:
    return command.line.startswith(MEASURED)


def write_files(blocks: list[Block], folder: Path) -> None:
    """Write the blocks that are files, so that the commands beside them find these."""
    for block in blocks:
        if block.file and block.language in ("python", "yaml", "csv"):
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def planned_by_make(command: Command) -> list[str]:
    """The commands that make would run."""
    line = command.line.replace("make", "make --always-make --dry-run", 1)
    session = Session(ROOT)
    out = session.run(line)
    if session.code or "No rule" in out:
        raise ValueError(f"{command.line}: {out}")
    return out.splitlines()


def run_make(command: Command, folder: Path) -> str:
    """What the raypipe commands print that make would run, in an empty folder."""
    below = folder / "make"
    below.mkdir()
    shutil.copytree(ROOT / "configs", below / "configs")
    session = Session(below)
    found = []
    for line in planned_by_make(command):
        if line.startswith(".venv/bin/raypipe"):
            found.append(session.run(line.replace(".venv/bin/", "")))
            assert not session.code, f"{line}: {found[-1]}"
    return "".join(found)
