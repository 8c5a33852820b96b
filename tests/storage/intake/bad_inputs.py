"""Everything that can be wrong with an input, as one table: what, which error, which words.

``make`` writes the input into an empty folder, which is the current one too, and returns the
overrides of the config that name it. In a message, ``{tmp}`` stands for that folder and ``(...)``
for words of Arrow's own.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypipe.errors import ConfigError, InputError, MissingInputError, TooManyBadRows
from raypipe.storage.intake.texts import EmptyFileError

Make = Callable[[Path], dict[str, Any]]

HEADER = "followerId,followingId\n"


@dataclass(frozen=True)
class BadInput:
    """One way in which an input can be bad."""

    name: str
    make: Make
    error: type[Exception]
    message: str

    def is_said_by(self, text: str, tmp: Path) -> bool:
        """Is ``text`` this message, to the letter?"""
        pattern = re.escape(self.message.replace("{tmp}", str(tmp)))
        return re.fullmatch(pattern.replace(re.escape("(...)"), r"\(.+\)"), text) is not None


def written(content: str | bytes, name: str = "follows.csv", **settings: Any) -> Make:
    """An input of one file."""

    def make(tmp: Path) -> dict[str, Any]:
        data = content.encode() if isinstance(content, str) else content
        (tmp / name).write_bytes(data)
        return overrides(tmp / name, settings)

    return make


def parquet(table: dict[str, Any] | pa.Table, **settings: Any) -> Make:
    """An input of one Parquet file."""

    def make(tmp: Path) -> dict[str, Any]:
        pq.write_table(
            table if isinstance(table, pa.Table) else pa.table(table), tmp / "follows.parquet"
        )
        return overrides(tmp / "follows.parquet", settings)

    return make


def nothing(place: str | None, **settings: Any) -> Make:
    """An input that is not there."""
    return lambda tmp: overrides(tmp / place if place else None, settings)


def folder(files: dict[str, str | bytes], pattern: str = "", **settings: Any) -> Make:
    """An input of many files."""

    def make(tmp: Path) -> dict[str, Any]:
        for name, content in files.items():
            (tmp / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            written(content, f"in/{name}")(tmp)
        return overrides(tmp / "in" / pattern, settings)

    return make


def transform(module: str, code: str, function: str = "step") -> Make:
    """A good input, and a module beside it."""

    def make(tmp: Path) -> dict[str, Any]:
        sys.modules.pop(module, None)  # of an earlier test, from another folder
        path = tmp / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        spec = f"{module}:{function}".replace("/__init__:", ".")
        return written(HEADER + "ann,bob\n", transform=spec)(tmp)

    return make


def overrides(place: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of the section ``input``, as dotted keys."""
    found = {f"input.{key}": value for key, value in settings.items()}
    return {"input.follows": str(place) if place else None, **found}


def locked(name: str, pattern: str) -> Make:
    """A file or folder that this user may not read."""

    def make(tmp: Path) -> dict[str, Any]:
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        found = folder({"a.csv": HEADER, "sub/b.csv": HEADER}, pattern)(tmp)
        (tmp / "in" / name).chmod(0)
        return found

    return make


MANY = (HEADER + "".join(f"account-{n * n},account-{n}\n" for n in range(20_000))).encode()
ZSTD = bytes(pa.compress(MANY, codec="zstd", asbytes=True))
PARQUET = pa.BufferOutputStream()
pq.write_table(pa.table({"followerId": ["ann"], "followingId": ["bob"]}), PARQUET)
PARQUET = PARQUET.getvalue().to_pybytes()
FILE = "{tmp}/follows.csv"

BAD_INPUTS = [
    # where it is
    BadInput(
        "input not set",
        nothing(None),
        ConfigError,
        "input.follows: not set; expected a file, a folder or a glob",
    ),
    BadInput(
        "no such file",
        nothing("nobody.csv"),
        MissingInputError,
        "{tmp}/nobody.csv: found no such file or folder; fix input.follows",
    ),
    BadInput(
        "name too long",
        nothing("n" * 300),
        MissingInputError,
        "{tmp}/"
        + "n" * 300
        + ": cannot be read: File name too long; give this user the right to read it",
    ),
    BadInput(
        "glob without match",
        folder({"a.csv": HEADER}, "*.parquet"),
        MissingInputError,
        "{tmp}/in/*.parquet: found no file that matches; fix input.follows",
    ),
    BadInput(
        "folder without files",
        folder({"notes.md": "hello", "_SUCCESS": "", ".part.csv": HEADER, "_tmp/a.csv": HEADER}),
        MissingInputError,
        "{tmp}/in: found no input file in this folder; expected names that end in "
        ".csv, .tsv, .txt, .gz, .zst, .bz2, .xz, .zip, .parquet, .pq, .parq, .jsonl, .ndjson, "
        "or set input.format",
    ),
    BadInput(
        "file without permission",
        locked("a.csv", "*.csv"),
        MissingInputError,
        "{tmp}/in/a.csv: cannot be read: Permission denied; give this user the right to read it",
    ),
    BadInput(
        "folder without permission",
        locked("sub", ""),
        MissingInputError,
        "{tmp}/in/sub: cannot be read: Permission denied; give this user the right to read it",
    ),
    # what it is
    BadInput(
        "0 bytes",
        written(""),
        EmptyFileError,
        FILE + ": is empty (0 bytes); write it again or remove it",
    ),
    BadInput(
        "blank lines only",
        written("\n\r\n\n"),
        EmptyFileError,
        FILE + ": found no row; expected a header and rows",
    ),
    BadInput(
        "comments only",
        written("# ann,bob\n#", header=False, comment="#"),
        EmptyFileError,
        FILE + ": found no row; expected rows",
    ),
    BadInput(
        "header only",
        written(HEADER),
        InputError,
        FILE + ": found no rows in 1 file; expected follows",
    ),
    BadInput(
        "headers only",
        folder({"a.csv": HEADER, "b.csv": HEADER + "\n\n"}),
        InputError,
        "{tmp}/in: found no rows in 2 files; expected follows",
    ),
    BadInput(
        "Parquet without rows",
        parquet({"followerId": pa.array([], "string"), "followingId": pa.array([], "string")}),
        EmptyFileError,
        "{tmp}/follows.parquet: found no row; expected rows",
    ),
    BadInput(
        "UTF-16",
        written((HEADER + "ann,bob\n").encode("utf-16")),
        InputError,
        FILE + ": is UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it",
    ),
    BadInput(
        "UTF-16 without its mark",
        written((HEADER + "ann,bob\n").encode("utf-16-le")),
        InputError,
        FILE + ": is binary, not text; expected CSV in UTF-8, or Parquet",
    ),
    BadInput(
        "binary",
        written(bytes(range(256)) * 40),
        InputError,
        FILE + ": is binary, not text; expected CSV in UTF-8, or Parquet",
    ),
    BadInput(
        "header in Latin-1",
        written("follówer,following\nann,bob\n".encode("latin-1")),
        InputError,
        FILE + ": the header is not UTF-8; expected CSV in UTF-8, or Parquet",
    ),
    BadInput(
        "open quote in the header",
        written('"followerId,followingId\nann,bob\n'),
        InputError,
        FILE + ': a quote (") is not closed in the first row, which names the columns; fix it',
    ),
    # compression
    BadInput(
        "gzip cut short in the header",
        written(gzip.compress(MANY)[:15], "follows.csv.gz"),
        InputError,
        "{tmp}/follows.csv.gz: the gzip data is cut short; copy the file again",
    ),
    BadInput(
        "gzip cut short in the rows",
        written(gzip.compress(MANY)[:-20], "follows.csv.gz"),
        InputError,
        "{tmp}/follows.csv.gz: the gzip data is cut short; copy the file again",
    ),
    BadInput(
        "gzip with a wrong checksum",
        written(gzip.compress(MANY)[:-8] + bytes(8), "follows.csv.gz"),
        InputError,
        "{tmp}/follows.csv.gz: the gzip data is damaged; copy the file again",
    ),
    BadInput(
        "zstd cut short",
        written(ZSTD[:-9], "follows.csv.zst"),
        InputError,
        "{tmp}/follows.csv.zst: the zstd data is cut short; copy the file again",
    ),
    # Parquet
    BadInput(
        "CSV named Parquet",
        written(MANY, "follows.parquet"),
        InputError,
        "{tmp}/follows.parquet: is not Parquet; name the file by what is in it",
    ),
    BadInput(
        "Parquet named CSV",
        written(PARQUET, format="csv"),
        InputError,
        FILE + ": is Parquet, not text; set input.format to parquet or auto",
    ),
    BadInput(
        "Parquet cut short",
        written(PARQUET[:-3], "follows.parquet"),
        InputError,
        "{tmp}/follows.parquet: the Parquet file is cut short; copy it again",
    ),
    BadInput(
        "Parquet without its footer",
        written(b"PAR1 hello PAR1", "follows.pq"),
        InputError,
        "{tmp}/follows.pq: the Parquet file is damaged (...); copy it again",
    ),
    BadInput(
        "Parquet without the columns",
        parquet({"src": ["ann"], "dst": ["bob"]}),
        InputError,
        "{tmp}/follows.parquet: no column followerId, followingId; found src, dst; "
        "fix input.columns",
    ),
    BadInput(
        "Parquet with ids that are times",
        parquet(
            {"a": ["ann"], "b": pa.array([1], pa.timestamp("ms"))},
            columns={"followerId": "a", "followingId": "b"},
        ),
        InputError,
        "{tmp}/follows.parquet: column b is timestamp[ms], expected text or whole numbers as "
        "followingId; write it as text",
    ),
    # columns
    BadInput(
        "missing column",
        written("followerId,friend\nann,bob\n"),
        InputError,
        FILE + ": no column followingId; found followerId, friend; fix input.columns, "
        "or set input.header to false where the first row is no header",
    ),
    BadInput(
        "column twice",
        written("followerId,followingId,followerId\nann,bob,ann\n"),
        InputError,
        FILE + ": found column followerId 2 times, expected once; rename or remove the others",
    ),
    BadInput(
        "Parquet with a column twice",
        parquet(
            pa.table([["ann"], ["bob"], ["x"]], names=["a", "followingId", "a"]),
            columns={"followerId": 0},
        ),
        InputError,
        "{tmp}/follows.parquet: found column a 2 times, expected once; rename or remove the others",
    ),
    BadInput(
        "wrong delimiter",
        written("followerId;followingId\nann;bob\n"),
        InputError,
        FILE + ": no column followerId, followingId; found followerId;followingId; "
        "the whole header is one column: set input.delimiter to ';'",
    ),
    BadInput(
        "wrong delimiter without a header",
        written("ann\tbob\n", header=False),
        InputError,
        FILE + ": no column 1; found 0; there is no header: fix input.columns, "
        "which counts positions from 0, or input.delimiter",
    ),
    BadInput(
        "names without a header",
        written("ann,bob\n", header=False, columns={"followerId": "src", "followingId": 1}),
        InputError,
        FILE + ": no column src; found 0, 1; there is no header: fix input.columns, "
        "which counts positions from 0, or input.delimiter",
    ),
    BadInput(
        "one column for both ids",
        written(HEADER + "ann,bob\n", columns={"followerId": 1, "followingId": "followingId"}),
        ConfigError,
        "input.columns: followerId and followingId are both 1; expected two columns",
    ),
    BadInput(
        "delimiter that is a quote",
        written(HEADER + "ann,bob\n", delimiter='"'),
        ConfigError,
        "input.delimiter: found '\"'; expected one ASCII character that is no quote and no "
        "line end, or whitespace",
    ),
    BadInput(
        "unknown carried column",
        written(HEADER + "ann,bob\n", carry=["since"]),
        InputError,
        FILE + ": no column since; found followerId, followingId; fix input.carry, "
        "or set input.header to false where the first row is no header",
    ),
    BadInput(
        "carried column that is called as an id",
        written(
            "src,followingId,followerId\nann,bob,x\n", columns={"followerId": "src"}, carry="all"
        ),
        ConfigError,
        "input.carry: followerId is what a column of input.columns is called in the frame; "
        "expected other columns",
    ),
    BadInput(
        "all carried, but not in all files",
        folder(
            {"a.csv": HEADER + "ann,bob\n", "b.csv": "followingId,since,followerId\nbob,1,ann\n"},
            carry="all",
        ),
        InputError,
        "{tmp}/in/b.csv: column since is not in all files; expected that with input.carry: all; "
        "list the columns to carry",
    ),
    # rows
    BadInput(
        "too many broken rows",
        written(HEADER + "ann,bob\n" * 6 + "ann,bob,1\n,bob\n" + 'ann,"bob\nann\n'),
        TooManyBadRows,
        "4 of 10 rows (40 %) are in quarantine, more than max_bad_fraction 1 %: "
        + FILE
        + " row 7: found 3 values, expected 2; "
        + FILE
        + " row 8: empty id in column followerId; "
        + FILE
        + ' row 9: a quote (") is not closed; ...; fix them or raise input.max_bad_fraction',
    ),
    BadInput(
        "rows in Latin-1",
        written((HEADER + "ann,zoé\n").encode("latin-1"), max_bad_fraction=0.5),
        TooManyBadRows,
        "1 of 1 rows (100 %) are in quarantine, more than max_bad_fraction 50 %: "
        + FILE
        + " row 1: column followingId is not UTF-8; fix them or raise input.max_bad_fraction",
    ),
    BadInput(
        "null ids",
        parquet({"followerId": ["ann", None], "followingId": pa.array([None, None], "string")}),
        TooManyBadRows,
        "2 of 2 rows (100 %) are in quarantine, more than max_bad_fraction 1 %: "
        "{tmp}/follows.parquet row 1: null id in column followingId; "
        "{tmp}/follows.parquet row 2: null id in column followerId; null id in column followingId; "
        "fix them or raise input.max_bad_fraction",
    ),
    # the transform
    BadInput(
        "transform: no such module",
        written(HEADER + "ann,bob\n", transform="no_such_module:step"),
        ConfigError,
        "no_such_module:step: found no module no_such_module in the current folder or among those "
        "installed; fix input.transform",
    ),
    BadInput(
        "transform: no such module in a package",
        written(HEADER + "ann,bob\n", transform="no_such_package.steps:step"),
        ConfigError,
        "no_such_package.steps:step: found no module no_such_package.steps in the current folder "
        "or among those installed; fix input.transform",
    ),
    BadInput(
        "transform: package that raises",
        transform("raising_package/__init__", "import no_such_package\n", "steps:step"),
        InputError,
        "raising_package.steps:step: ModuleNotFoundError: No module named 'no_such_package'",
    ),
    BadInput(
        "transform: no such function",
        transform("no_function", "stepp = 1\ndef other(frame):\n    return frame\n", "stepp"),
        ConfigError,
        "no_function:stepp: found no function stepp in {tmp}/no_function.py; fix input.transform",
    ),
    BadInput(
        "transform: module that raises",
        transform("raises_early", "import no_such_package\n"),
        InputError,
        "raises_early:step: ModuleNotFoundError: No module named 'no_such_package'",
    ),
    BadInput(
        "transform: function that raises",
        transform("raises", "def step(frame):\n    raise ValueError('two\\nlines')\n"),
        InputError,
        "raises:step: ValueError: two lines",
    ),
    BadInput(
        "transform: returns nothing",
        transform("returns_nothing", "def step(frame):\n    frame['x'] = 1\n"),
        InputError,
        "returns_nothing:step: returned a NoneType, expected a pandas DataFrame",
    ),
    BadInput(
        "transform: loses a column",
        transform("loses", "def step(frame):\n    return frame[['followerId']]\n"),
        InputError,
        "loses:step: returned column followingId 0 times, expected once; found followerId",
    ),
    BadInput(
        "transform: numbers as ids",
        transform("makes_numbers", "def step(frame):\n    return frame.assign(followerId=7)\n"),
        InputError,
        "makes_numbers:step: column followerId is int64, expected text; "
        'end with frame.astype({"followerId": "string"})',
    ),
    BadInput(
        "transform: objects as ids",
        transform(
            "makes_objects",
            "def step(frame):\n"
            "    return frame.astype({'followingId': object}).assign(followerId=[('ann', 1)])\n",
        ),
        InputError,
        "makes_objects:step: column followerId is object, expected text; "
        'end with frame.astype({"followerId": "string"})',
    ),
    BadInput(
        "transform: no rows left",
        transform("drops", "def step(frame):\n    return frame.head(0)\n"),
        InputError,
        "drops:step: returned no rows; expected follows",
    ),
    BadInput(
        "transform: empties ids",
        transform("empties", "def step(frame):\n    return frame.assign(followerId='')\n"),
        TooManyBadRows,
        "1 of 1 rows (100 %) are in quarantine, more than max_bad_fraction 1 %: "
        "empties:step row 1: empty id in column followerId; "
        "fix them or raise input.max_bad_fraction",
    ),
]
