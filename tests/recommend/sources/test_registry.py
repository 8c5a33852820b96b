"""A source is one row of the registry, or a SourceSpec that the config names."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import Field
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.config import SourceConfig, load_config, to_yaml
from raypipe.errors import ConfigError, InputError
from raypipe.pipeline.run import run_night
from raypipe.recommend.ladder import LEARNED_RANKER, RANK_FUSION, strategies
from raypipe.recommend.sources import Candidates, SourceSpec, registry
from raypipe.recommend.sources.registry import SOURCES, sources_of
from raypipe.storage.runs.store import RunStore
from tests.recommend.filters.test_inputs import config_for, write

#: Accounts of the network; the toy sources retrieve them from the last id to the first.
IDS = [f"{number:03}" for number in range(150)]
_RNG = np.random.default_rng(0)
ROWS = [(IDS[a], IDS[b]) for a, b in (150 * _RNG.random((2500, 2)) ** (1, 1.5)).astype(int)]

#: A module of a data scientist.
MINE = """
import numpy as np

from raypipe.config import SourceConfig
from raypipe.recommend.sources import Candidates, SourceSpec


class Config(SourceConfig):
    step: int = 1


class Backwards:
    def __init__(self, order):
        self.order = order

    def __call__(self, accounts, wanted, near):
        wanted = np.minimum(wanted, len(self.order))
        codes = np.concatenate([self.order[:count] for count in wanted])
        return Candidates(np.concatenate([[0], np.cumsum(wanted)]), codes, codes.astype(float))

    def estimated_ns(self, accounts):
        return np.zeros(len(accounts))


def prepare(graph, config, inputs):
    return Backwards(np.arange(graph.accounts, dtype=np.int32)[:: -config.step])


SPEC = SourceSpec("backwards", "comes last by id", prepare, Config)
NUMBER = 3
"""


class ToyConfig(SourceConfig):
    weight: float = Field(999.0, ge=0)


@dataclass(frozen=True)
class Toy:
    order: np.ndarray

    def estimated_ns(self, accounts):
        return np.zeros(len(accounts))

    def __call__(self, accounts, wanted, near):
        wanted = np.minimum(wanted, len(self.order))
        codes = np.concatenate([self.order[:count] for count in wanted])
        return Candidates(np.concatenate([[0], np.cumsum(wanted)]), codes, codes.astype(float))


def prepare_toy(graph, config, inputs):
    return Toy(np.arange(graph.accounts, dtype=np.int32)[::-1].copy())


TOY = SourceSpec("toy", "comes last by id", prepare_toy, ToyConfig)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("RAYPIPE_RUNS_DIR", "RAYPIPE_FEEDBACK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "my_sources", raising=False)  # of another test's folder
    write(ROWS)
    Path("my_sources.py").write_text(MINE)


@pytest.fixture
def toy(monkeypatch):
    """One more source, registered by one line."""
    monkeypatch.setattr(registry, "SOURCES", (*SOURCES, TOY))


def night(config, day=1):
    return run_night(config, RunStore(Path("runs")), f"2026-03-0{day}").run


def said(*words):
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == 0, done.output
    return done.stdout


def strategies_of(run):
    """The sources of each strategy that the hold-out measured, by name."""
    return {row.strategy: row.sources for row in run.manifest.ladder.table}


def published(run):
    parts = run.manifest.parts["recommendations"]
    return [row for part in parts for row in pq.read_table(run.path / part.file).to_pylist()]


def test_the_index_of_a_source_never_moves():
    names = ["similar", "popular", "factors", "follow_back", "two_hop", "co_followed", "pagerank"]
    assert [spec.name for spec in SOURCES] == names


def test_a_toy_source_takes_part_in_a_night_with_rank_fusion(toy):
    run = night(config_for(blend__method="rank_fusion"))
    by_toy = [row for row in published(run) if row["source"] == "toy"]
    assert run.manifest.counts.recommendations["toy"] == len(by_toy) > 0
    assert run.manifest.counts.excluded["toy"]["ALREADY_FOLLOWED"] > 0
    # Its weight is larger than all others: its best eligible candidate leads every list.
    followed = {account: {b for a, b in ROWS if a == account} for account in IDS}
    for row in published(run):
        if row["rank"] == 1 and len(followed[row["accountId"]]):
            best = max({*IDS} - followed[row["accountId"]] - {row["accountId"]})
            assert row["candidateId"] == best
    assert f"from toy {len(by_toy):,}" in " ".join(said("runs", "show").split())
    row = by_toy[0]
    about = json.loads(said("explain", row["accountId"], row["candidateId"], "--json"))
    (place,) = (source for source in about["sources"] if source["source"] == "toy")
    assert place["rank"] is not None
    assert "toy" in {share["source"] for share in about["shares"]}


def test_a_toy_source_takes_part_in_the_hold_out_and_the_learned_ranker(toy, monkeypatch):
    monkeypatch.setattr("raypipe.evaluation.leading.MIN_ACCOUNTS", 10)
    monkeypatch.setattr("raypipe.evaluation.blending.MIN_FOLLOWS", 10)
    monkeypatch.setattr("raypipe.evaluation.blending.ENOUGH_FOLLOWS", 10)
    learned = config_for(blend__method="learned_ranker", ladder="holdout")
    run = night(learned)
    assert {"toy", RANK_FUSION, LEARNED_RANKER} <= strategies_of(run).keys()
    assert "toy" in strategies_of(run)[LEARNED_RANKER]
    assert run.manifest.ladder.blend is not None


def test_a_toy_source_is_evaluated(toy):
    quick = ("--follows", "follows.csv", "--set", "cluster=none", "--set", "frames=pandas")
    found = json.loads(said("evaluate", *quick, "--sources", "toy,popular+toy", "--json"))
    assert found["sources"] == ["toy", "popular+toy"]
    assert "toy" in said("evaluate", *quick, "--sources", "toy")


def test_help_names_a_toy_source(toy):
    assert "toy: comes last by id" in " ".join(said("evaluate", "--help").split())


def custom(name="mine", blend="rank_fusion", **values):
    values = {"use": "my_sources:SPEC", "weight": 9.0, **values}
    return config_for(blend__method=blend, sources__custom={name: values})


def test_a_source_of_the_config_takes_part_in_a_night():
    run = night(custom(step=2))
    rows = [row for row in published(run) if row["source"] == "mine"]
    assert run.manifest.counts.recommendations["mine"] == len(rows) > 0
    # Every second account, from the last one.
    best = [row for row in rows if row["rank"] == 1]
    assert {int(row["candidateId"]) % 2 for row in best} == {(len(IDS) - 1) % 2}
    assert "from mine" in said("runs", "show")
    about = json.loads(said("explain", best[0]["accountId"], best[0]["candidateId"], "--json"))
    assert "mine" in {source["source"] for source in about["sources"]}
    assert about["recommended"]


def test_a_source_of_the_config_is_evaluated():
    Path("c.yaml").write_text(to_yaml(custom()))
    found = json.loads(said("evaluate", "c.yaml", "--sources", "mine", "--json"))
    assert found["sources"] == ["mine"]
    said("config", "check", "c.yaml")


def test_a_changed_module_makes_a_new_run():
    first = night(custom())
    assert night(custom()).id == first.id
    Path("my_sources.py").write_text(MINE + "\n# changed\n")
    assert night(custom()).id != first.id


def test_a_source_of_weight_zero_is_in_no_blend():
    config = custom(weight=0.0)
    fusion = next(tier for tier in strategies(config) if tier.how == RANK_FUSION)
    assert "mine" not in fusion.sources
    assert sources_of(config)["mine"].index == len(SOURCES)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("mine", {"use": "no_module:SPEC"}, "no_module:SPEC: found no module no_module in the "),
        ("mine", {"use": "my_sources:NOBODY"}, "my_sources:NOBODY: found no SourceSpec NOBODY in "),
        ("mine", {"use": "my_sources:NUMBER"}, "my_sources:NUMBER: found no SourceSpec NUMBER in "),
        ("mine", {"use": "my_sources"}, "sources.custom.mine.use: found 'my_sources'; "),
        ("mine", {"weight": -1.0}, "sources.custom.mine.weight: found -1.0; "),
        ("mine", {"stepp": 2}, "sources.custom.mine.stepp: unknown key; did you mean step?"),
        ("mine", {"step": "two"}, "sources.custom.mine.step: found 'two'; "),
        ("similar", {}, "sources: custom.similar: raypipe uses this name itself; choose another"),
        ("ladder", {}, "sources: custom.ladder: raypipe uses this name itself; choose another"),
    ],
)
def test_bad_input_is_one_line(name, values, message):
    with pytest.raises(ConfigError) as error:
        night(custom(name, **values))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("runs/current").exists()


def test_a_module_that_raises_is_one_line():
    Path("my_sources.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=r"^my_sources:SPEC: ZeroDivisionError: division by zero$"):
        night(custom())


def test_a_name_of_the_registry_is_taken(toy):
    with pytest.raises(ConfigError, match=r"sources.custom.toy: raypipe has a source toy; rename"):
        sources_of(custom("toy"))


def test_config_reads_back_what_it_writes():
    config = custom(step=3)
    Path("c.yaml").write_text(to_yaml(config))
    assert load_config(Path("c.yaml")) == config
    assert config.digest() != custom(step=4).digest()
