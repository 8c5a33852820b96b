"""Input formats: one registry; a format of the tests' own takes part in a night by one row."""

from __future__ import annotations

import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.compute.frames import PandasEngine
from raypipe.errors import ConfigError, InputError
from raypipe.graph.demo import write_demo
from raypipe.storage import files
from raypipe.storage.intake import formats
from raypipe.storage.intake.blocks import InputFile, read_rows
from raypipe.storage.intake.inputs import open_inputs
from raypipe.storage.intake.read import read_follows
from tests.storage.intake.reading import configured, pairs, quarantined, read

QUICK = ("--set", "cluster=none", "--set", "frames=pandas", "--set", "ladder=fixed")


class JsonLines:
    """The toy: a JSON object a line; one file is one block."""

    name = "toy"
    endings = (".toy",)

    def open(self, path, size, config):
        with files.open_read(path) as lines:
            names = tuple(json.loads(lines.readline()))
        return InputFile(path=path, size=size, names=names, types=(pa.large_string(),) * len(names))

    def cut(self, file, columns, block_bytes):
        return [(os.path.abspath(file.path), tuple(columns))]

    def read(self, block, block_bytes):
        path, columns = block
        with files.open_read(path) as lines:
            rows = [json.loads(line) for line in lines]
        values = [
            pa.chunked_array([[row.get(column.label) for row in rows]], pa.large_string())
            for column in columns
        ]
        return read_rows(values, columns)


def raypipe(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done


def recommendations(runs, run_id):
    return pq.read_table(runs / run_id / "recommendations" / "part-00000.parquet")


def write_json_lines(csv, path):
    header, *lines = csv.read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def registered(monkeypatch):
    """The one line that registers the toy."""
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, JsonLines()))


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The same follows as follows.csv and in/follows.toy, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAYPIPE_RUNS_DIR", "RAYPIPE_FEEDBACK_URL"):
        monkeypatch.delenv(name, raising=False)
    write_demo(tmp_path / "follows.csv", accounts=120)
    write_json_lines(tmp_path / "follows.csv", tmp_path / "in" / "follows.toy")
    return tmp_path


def test_a_registered_format_is_read_in_a_whole_night(registered, demo):
    made = {}
    for number, place in enumerate(("follows.csv", "in"), 1):
        date = f"2026-03-0{number}"
        words = ("run", "--follows", place, "--runs-dir", f"runs{number}", *QUICK)
        made[place] = json.loads(raypipe(*words, "--date", date, "--json").stdout)
    lists = [
        recommendations(demo / f"runs{number}", made[place]["run"])
        for number, place in enumerate(made, 1)
    ]
    assert lists[0].num_rows > 100
    assert lists[0].equals(lists[1])
    assert made["in"]["inputs"][0]["file"] == "in/follows.toy"


def test_a_registered_format_is_named_by_check_errors_and_help(registered, demo):
    assert "good: 1 input files" in raypipe("config", "check", "--follows", "in").stdout
    raypipe("config", "check", "--follows", "in", "--set", "input.format=toy")
    wrong = raypipe("config", "check", "--follows", "in", "--set", "input.format=xml", code=78)
    assert "input.format: found xml; expected auto, csv, parquet, jsonl, toy or MODULE:CLASS" in (
        wrong.stderr
    )
    (demo / "nothing").mkdir()
    nothing = raypipe("config", "check", "--follows", "nothing", code=66)
    assert ".jsonl, .ndjson, .toy, or set input.format" in nothing.stderr
    for command in (("config", "check"), ("run",)):
        assert "toy (.toy), or module:Class." in raypipe(*command, "--help").stdout


def test_a_format_that_is_not_registered_is_unknown(demo):
    raypipe("config", "check", "--follows", "in", code=66)
    assert "toy" not in raypipe("run", "--help").stdout


@pytest.fixture
def own_format(tmp_path, monkeypatch):
    """Write own_format.py into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(code):
        monkeypatch.delitem(sys.modules, "own_format", raising=False)
        (tmp_path / "own_format.py").write_text(code)
        (tmp_path / "a.csv").write_text("followerId,followingId\nann,bob\n")

    return write


def test_a_format_named_in_the_config_reads_and_is_part_of_the_digest(own_format, tmp_path):
    code = "from tests.storage.intake.test_formats import JsonLines\nclass Mine(JsonLines): pass\n"
    own_format(code)
    lines = '{"followerId": "ann", "followingId": "0123"}\n{"followerId": "", "followingId": "b"}\n'
    (tmp_path / "a.txt").write_text(lines)
    settings = {"format": "own_format:Mine", "max_bad_fraction": 1.0}
    intake = read("a.txt", **settings)
    assert pairs(intake) == [("ann", "0123")]
    assert quarantined(intake) == [(2, "empty id in column followerId")]
    digest = open_inputs(configured("a.txt", **settings)).digest
    own_format(code + "# changed\n")
    assert open_inputs(configured("a.txt", **settings)).digest != digest


def test_a_format_named_in_the_config_is_read_by_ray_tasks(tmp_path, local_ray):
    from raypipe.compute.ray_cluster import ModinEngine

    (tmp_path / "a.txt").write_text('{"followerId": "ann", "followingId": "0123"}\n')
    intake = read(
        tmp_path / "a.txt",
        engine=ModinEngine(),
        format="tests.storage.intake.test_formats:JsonLines",
    )
    assert intake.frame._to_pandas().values.tolist() == [["ann", "0123"]]


GOOD = "import pyarrow as pa\nfrom raypipe.storage.intake.blocks import InputFile, read_rows\n"
OPENS = (
    "    def open(self, path, size, config):\n"
    "        names = ('followerId', 'followingId')\n"
    "        types = (pa.large_string(),) * 2\n"
    "        return InputFile(path=path, size=size, names=names, types=types)\n"
    "    def cut(self, file, columns, block_bytes):\n"
    "        return [columns]\n"
)


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("", ConfigError, r"own_format:Mine: found no class Mine in \S+; fix input.format"),
        ("class Mine: pass", ConfigError, "own_format:Mine: is no input format: it has no open, "),
        ("import no_such", InputError, "own_format:Mine: ModuleNotFoundError: No module named "),
        (
            "class Mine:\n    def __init__(self, x): pass",
            InputError,
            r"own_format:Mine: TypeError: Mine.__init__\(\) missing 1 required",
        ),
        (
            "class Mine:\n    def open(self, *_): return 7\n    cut = read = open",
            InputError,
            "own_format:Mine: TypeError: open returned a int, expected an InputFile",
        ),
        (
            GOOD + "class Mine:\n" + OPENS + "    def read(self, *_): raise ValueError('two\\nl')",
            InputError,
            "own_format:Mine: ValueError: two l",
        ),
    ],
)
def test_a_bad_format_is_one_line(code, error, message, own_format):
    own_format(code)
    with pytest.raises(error, match=f"^{message}") as caught:
        read_follows(open_inputs(configured("a.csv", format="own_format:Mine")), PandasEngine())
    assert "\n" not in str(caught.value)


def test_no_such_module_and_no_such_name_are_one_line(own_format):
    own_format("")
    for name, message in {
        "nobody:Mine": "nobody:Mine: found no module nobody in the current folder or among those "
        "installed; fix input.format",
        "parket": "input.format: found parket; did you mean parquet?",
    }.items():
        with pytest.raises(ConfigError) as caught:
            open_inputs(configured("a.csv", format=name))
        assert str(caught.value) == message
    with pytest.raises(ConfigError, match="found 'a b'; expected auto, the name of"):
        configured("a.csv", format="a b")
