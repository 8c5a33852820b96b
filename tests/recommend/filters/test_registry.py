"""A filter is one row of the registry, or a function that the config names."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.config import load_config, to_yaml
from raypipe.errors import ConfigError, InputError, LeakError
from raypipe.pipeline import steps
from raypipe.pipeline.run import run_night
from raypipe.recommend.filters import readers, registry
from raypipe.recommend.filters.codes import AddedReason
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import check_filters
from raypipe.recommend.filters.registry import FILTERS, specs_of
from raypipe.recommend.filters.spec import Count, FilterSpec
from raypipe.storage.runs.store import RunStore
from tests.recommend.filters.test_inputs import ROWS, config_for, lists_in, write

PRIVATE = FilterSpec(
    "private",
    AddedReason("PRIVATE", 64),
    readers.read_account_file,
    words="it is private",
    gate_words="is private",
    count=Count("private", "private"),
)
RIVALS = FilterSpec(
    "rivals",
    AddedReason("RIVAL", 65),
    readers.read_pair_file,
    words="the two are rivals",
    gate_words="is a rival",
    count=Count("rivals", "rivals"),
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("RAYPIPE_RUNS_DIR", "RAYPIPE_FEEDBACK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "my_filters", raising=False)  # of another test's folder
    write([*ROWS, ("e", "z")])


@pytest.fixture
def toys(monkeypatch):
    """Two more filters, registered by one line, and a config that uses them."""
    monkeypatch.setattr(registry, "FILTERS", (*FILTERS, PRIVATE, RIVALS))
    Path("private.csv").write_text("accountId\nz\n")
    Path("rivals.csv").write_text("accountId,candidateId\nb,y\nb,nobody\n")
    return config_for(filters__private="private.csv", filters__rivals="rivals.csv")


def night(config, day=1):
    return run_night(config, RunStore(Path("runs")), f"2026-03-0{day}").run


def said(*words, code=0):
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == code, done.output
    return done.output


def test_filters_have_names_and_codes_of_their_own():
    for values in ([s.key for s in FILTERS], [s.reason.name for s in FILTERS]):
        assert len(set(values)) == len(FILTERS)
    assert [spec.reason.value for spec in FILTERS] == [3, 4, 5, 10, 11, 6, 7, 12, 9]  # in files


def test_a_toy_filter_takes_part_in_a_night(toys):
    plain = lists_in(night(config_for()))
    assert {("a", "z"), ("b", "y")} <= plain
    run = night(toys, day=2)
    assert plain - lists_in(run) == {pair for pair in plain if pair[1] == "z"} | {("b", "y")}
    counts = run.manifest.counts
    assert (counts.filters["private"], counts.filters["rivals"]) == (1, 1)
    excluded = counts.excluded["similar"]
    assert excluded["PRIVATE"] > 0
    assert excluded["RIVAL"] > 0
    assert "filters: 1 private, 1 rivals" in said("runs", "show")


def test_a_toy_filter_is_explained(toys):
    night(toys)
    assert "not recommended: it is private" in said("explain", "a", "z")
    assert "not recommended: the two are rivals" in said("explain", "b", "y")
    assert json.loads(said("explain", "a", "z", "--json"))["why_not"] == "PRIVATE"


def test_a_toy_filter_changes_the_run_when_its_file_changes(toys):
    first = night(toys)
    assert not run_night(toys, RunStore(Path("runs")), "2026-03-01").new
    Path("private.csv").write_text("accountId\ny\n")
    assert night(toys).id != first.id


@pytest.mark.parametrize("broken", ["private", "rivals"])
def test_the_gate_checks_a_toy_filter_from_its_own_input(toys, broken, monkeypatch):
    def forget(filters):
        found = {key: value for key, value in filters.found.items() if key != broken}
        return exclusions_of(type(filters)(filters.accounts, filters.specs, found))

    monkeypatch.setattr(steps, "exclusions_of", forget)
    why = {"private": "is private", "rivals": "is a rival"}[broken]
    with pytest.raises(LeakError, match=f"must not be shown: .*: the recommended account {why};"):
        night(toys)
    assert RunStore(Path("runs")).current_id() is None


def test_a_toy_filter_is_in_help(toys):
    text = " ".join(said("run", "--help").split())
    assert "private (it is private)" in text
    assert "opted_out (it has opted out)" in text


def test_evaluate_accepts_the_config_of_a_toy_filter(toys):
    Path("c.yaml").write_text(to_yaml(toys))
    said("evaluate", "c.yaml", "--set", "evaluation.min_follows=2")


def test_an_unknown_filter_is_refused():
    config = config_for(filters__private="private.csv", filters__bot="bots.csv")
    for refused in (lambda: night(config), lambda: check_filters(config, RunStore(Path("runs")))):
        with pytest.raises(ConfigError, match=r"filters\.private: unknown key; "):
            refused()
    output = said("config", "show", "--set", "filters.bot=b.csv", code=ConfigError.exit_code)
    assert output == "raypipe: filters.bot: unknown key; did you mean bots?\n"


MODULE = """
import pandas as pd
import pyarrow as pa

def private(path):
    return pd.read_csv(path)["accountId"]

def in_a_table(path):
    return pd.read_csv(path)

def rivals():
    return pa.table({"accountId": ["b", "b"], "candidateId": ["y", "nobody"]})

def nothing():
    return []

def names():
    return {"z"}

def forgets():
    pass

def number():
    return 7

def word():
    return "z"

def floats():
    return [1.5]

def hole():
    return ["z", None]

def no_account():
    return pd.DataFrame({"id": ["z"]})

def fails():
    raise ValueError("no such\\nthing")

constant = 7
"""


def custom(use, **parameters):
    Path("my_filters.py").write_text(MODULE)
    Path("private.csv").write_text("accountId\nz\n")
    return config_for(filters={"custom": {"mine": {"use": use, **parameters}}})


@pytest.mark.parametrize(
    ("use", "parameters", "gone", "counted"),
    [
        ("my_filters:private", {"path": "private.csv"}, {("a", "z")}, (1, None)),
        ("my_filters:in_a_table", {"path": "private.csv"}, {("a", "z")}, (1, None)),
        ("my_filters:names", {}, {("a", "z")}, (1, None)),
        ("my_filters:rivals", {}, {("b", "y")}, (1, 1)),
        ("my_filters:nothing", {}, set(), (0, None)),
    ],
)
def test_a_custom_filter_takes_part_in_a_night(use, parameters, gone, counted):
    plain = lists_in(night(config_for()))
    config = custom(use, **parameters)
    run = night(config, day=2)
    expected = {pair for pair in plain if pair in gone or (pair[1] == "z" and ("a", "z") in gone)}
    assert plain - lists_in(run) == expected
    filters = run.manifest.counts.filters
    assert (filters["mine"], filters.get("mine_of_unknown_accounts")) == counted
    for account, candidate in gone:
        assert "not recommended: the filter mine leaves it out" in said(
            "explain", account, candidate
        )
        assert json.loads(said("explain", account, candidate, "--json"))["why_not"] == "MINE"
    if gone:
        assert "1 left out by mine" in said("runs", "show")
    assert not run_night(config, RunStore(Path("runs")), "2026-03-02").new


def test_a_changed_module_makes_another_run():
    config = custom("my_filters:names")
    first = night(config)
    Path("my_filters.py").write_text(MODULE + "# changed\n")
    assert night(config).id == f"{first.id}.2"


def test_the_gate_checks_a_custom_filter(monkeypatch):
    def forget(filters):
        return exclusions_of(type(filters)(filters.accounts, filters.specs, {}))

    config = custom("my_filters:names")
    monkeypatch.setattr(steps, "exclusions_of", forget)
    with pytest.raises(LeakError, match="the recommended account is left out by the filter mine;"):
        night(config)


@pytest.mark.parametrize(
    ("use", "parameters", "error", "message"),
    [
        (
            "no_module:private",
            {},
            ConfigError,
            "no_module:private: found no module no_module in the current folder or among those "
            "installed; fix filters.custom.mine.use",
        ),
        (
            "my_filters:privat",
            {},
            ConfigError,
            "my_filters:privat: found no function privat in .*my_filters.py; fix "
            "filters.custom.mine.use",
        ),
        ("my_filters:constant", {}, ConfigError, "found no function constant in"),
        ("my_filters:private", {}, InputError, "my_filters:private: TypeError: private.. missing"),
        ("my_filters:fails", {}, InputError, "my_filters:fails: ValueError: no such thing$"),
        ("my_filters:forgets", {}, InputError, "forgets: returned a NoneType; expected ids of"),
        ("my_filters:number", {}, InputError, "number: returned a int; expected ids of"),
        ("my_filters:word", {}, InputError, "word: returned a str; expected ids of"),
        ("my_filters:floats", {}, InputError, "floats: returned ids that hold double; expected"),
        ("my_filters:hole", {}, InputError, "hole: returned ids that hold 1 nulls; expected"),
        ("my_filters:no_account", {}, InputError, "no_account: returned a table with id; expect"),
    ],
)
def test_a_custom_filter_that_cannot_be_used(use, parameters, error, message):
    with pytest.raises(error, match=message) as caught:
        night(custom(use, **parameters))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["bots", "opted_out", "bot", "rejections"])
def test_a_custom_filter_with_a_taken_name_is_refused(name):
    config = load_config(None, {f"filters.custom.{name}.use": "my_filters:names"})
    with pytest.raises(ConfigError, match=rf"filters\.custom\.{name}: is the name of a built-in"):
        specs_of(config.filters)


def test_a_custom_filter_without_a_function_is_refused():
    with pytest.raises(ConfigError, match=r"filters\.custom\.mine\.use: found .*; field required"):
        load_config(None, {"filters.custom.mine": {"path": "private.csv"}})


def test_a_custom_filter_is_read_by_config_check():
    Path("c.yaml").write_text(to_yaml(custom("my_filters:fails")))
    output = said("config", "check", "c.yaml", code=InputError.exit_code)
    assert output == "raypipe: my_filters:fails: ValueError: no such thing\n"
