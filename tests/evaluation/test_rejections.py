"""An evaluation with rejections: some teach and are not shown, some are held out and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.compute.engines import Runner
from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import load_config
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.evaluation.measuring import measure_lists, measuring_of
from raypipe.evaluation.splits import hold_out_rejections, hold_out_share, split_follows
from raypipe.recommend.models.algorithms import train
from raypipe.sweeps.follow_objective import FOLLOWS, Held
from tests import naive
from tests.recommend.test_negative_feedback import rejected_pairs, rows_of, taught_by
from tests.strategies import PLAIN, graph_of, pairs


def names_of(graph, rows):
    ids = graph.ids.to_pylist()
    return {a: {ids[c] for c in rows.row(code)} for code, a in enumerate(ids)}


@given(pairs.filter(len), rejected_pairs, st.sampled_from([(1, 5), (1, 2)]))
def test_a_share_of_each_account_is_held_out(rows, rejected, share):
    graph = graph_of(rows)
    taught, held = hold_out_rejections(rows_of(graph, rejected), graph, share, seed=3)
    taught, held = (names_of(graph, some) for some in (taught.rows, held))
    for account, every in naive.that_teach(naive.follow_sets(rows), rejected).items():
        assert taught[account] | held[account] == every
        assert not taught[account] & held[account]
        some = max(1, len(every) * share[0] // share[1]) if len(every) > 1 else 0
        assert len(held[account]) == some


def test_what_is_held_out_depends_on_the_seed():
    graph = graph_of([("a", f"{i:02}") for i in range(2)] + [("b", f"{i:02}") for i in range(40)])
    rejected = rows_of(graph, [("a", f"{i:02}") for i in range(2, 40)])
    one, same, other = (hold_out_rejections(rejected, graph, (1, 5), s)[1] for s in (0, 0, 1))
    assert one.codes.tolist() == same.codes.tolist() != other.codes.tolist()


def random_rows(accounts=40, rows=500, seed=5):
    rng = np.random.default_rng(seed)
    return [(f"{a:02}", f"{b:02}") for a, b in rng.integers(0, accounts, (rows, 2))]


def split_with_rejections(config, rejected=None):
    graph = graph_of(random_rows())
    held = hold_out_share(graph, (1, 3), 2, config.seed)
    everybody = np.arange(graph.accounts, dtype=np.int32)
    split = split_follows(graph, held, everybody, config.evaluation, config.seed)
    rejected = rows_of(graph, random_rows(rows=130, seed=9) if rejected is None else rejected)
    taught, tested = hold_out_rejections(rejected, split.train, (1, 3), config.seed)
    return replace(split, rejections=taught, test_rejections=tested)


SETTINGS = {
    "evaluation.k": [2, 5],
    "evaluation.min_follows": 2,
    "evaluation.metrics": ["recall", "rejected"],
    "feedback.negative.neighbours": 1,
    "feedback.negative.popular": 1,
}


def test_equals_the_oracle():
    """Teaching rejections are refused and lower scores; the others are looked for in the lists."""
    config = load_config(None, {**PLAIN, **SETTINGS})
    split = split_with_rejections(config)
    found = measure_lists(measuring_of(split, config, ["popular", "similar"]))
    assert found.metrics == ("recall@2", "recall@5", "rejected@2", "rejected@5")
    follows = names_of(split.train, split.train.followees)
    taught = names_of(split.train, split.rejections.rows)
    tested = names_of(split.train, split.test_rejections)
    relevant = names_of(split.train, split.test)
    popular = naive.lowered_popularity(follows, taught, {}, 1)
    followers = dict(naive.popularity(follows))
    with_some = 0
    for i, account in enumerate(split.train.ids.take(split.accounts).to_pylist()):
        never = follows[account] | taught[account] | {account}
        with_some += len(tested[account]) > 0
        for place, scores in enumerate(
            (popular, naive.similar_with_rejections(follows, taught, account, 1, 1))
        ):
            may = [(c, score) for c, score in scores.items() if c not in never]
            shown = [c for c, _ in naive.best_candidates(followers, account, may, 5)]
            for j, (k, some) in enumerate(
                [(k, some) for some in (relevant, tested) for k in (2, 5)]
            ):
                wanted = some[account]
                expected = len(set(shown[:k]) & wanted) / len(wanted) if wanted else np.nan
                np.testing.assert_equal(found.values[place, j, i], expected)
    assert 10 < with_some < len(split.accounts)
    assert np.nansum(found.values[:, 3]) > 0


def test_the_ladder_is_measured_with_what_teaches(monkeypatch):
    """Its lists show nobody who was rejected, and are made as the night makes them."""
    monkeypatch.setattr("raypipe.evaluation.leading.MIN_ACCOUNTS", 10)
    config = load_config(None, {**PLAIN, **SETTINGS, "evaluation.metrics": None})
    graph = graph_of(random_rows())
    taught = taught_by(graph, random_rows(rows=400, seed=9))
    everybody = np.arange(graph.accounts, dtype=np.int32)
    seen = []

    def watched(split, config, *rest, **more):
        seen.append(measuring_of(split, config, *rest, **more))
        return seen[-1]

    monkeypatch.setattr("raypipe.evaluation.holdout_selection.measuring_of", watched)

    def run_on(seconds):
        return Runner(map, 1, "here")

    told = graph, everybody, config, Stages(Silent()), run_on
    before, after = choose_ladder(*told), choose_ladder(*told, taught)
    assert before.ladder != after.ladder
    without, with_ = seen
    assert with_.context.exclusions.rows.codes.tolist() == taught.rows.codes.tolist()
    assert with_.context.sources["similar"].source.rejections.rows is taught.rows
    assert not len(without.context.exclusions.rows.codes)
    assert without.context.sources["similar"].source.rejections is None


def test_trials_of_a_sweep_hold_out_some_of_what_teaches():
    config = load_config(None, {**PLAIN, **SETTINGS})
    held = Held(split_with_rejections(config), None)
    inner = FOLLOWS.cut(config, held)
    outer = names_of(held.split.train, held.split.rejections.rows)
    taught, tested = (
        names_of(inner.train, some) for some in (inner.rejections.rows, inner.test_rejections)
    )
    assert {a: taught[a] | tested[a] for a in outer} == outer
    assert sum(map(len, tested.values())) > 0
    (look,) = FOLLOWS.reports(config, inner, ())
    assert 0 < look.measures["rejected@5"] < 1
    svd = load_config(None, {**PLAIN, **SETTINGS, "sources.factors.algorithm": "SVD"})
    none = inner.rejections._replace(rows=rows_of(inner.train, []))
    for epochs in ((), (5,)):
        reports = [
            next(FOLLOWS.reports(svd, replace(inner, rejections=told), epochs)).measures
            for told in (inner.rejections, none)
        ]
        assert reports[0]["rmse"] != reports[1]["rmse"]
    without = held._replace(split=split_with_rejections(config, []))
    assert FOLLOWS.digest(held) != FOLLOWS.digest(without)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    rows = random_rows(60, 900)
    lines = ["followerId,followingId", *map(",".join, rows)]
    Path("follows.csv").write_text("\n".join(lines) + "\n")
    lines = ["accountId,candidateId,reason", *(f"{a},{b}," for a, b in random_rows(60, 300, 2))]
    known = [line for line in lines if len(set(line.split(",")[:2])) == 2]
    Path("no.csv").write_text("\n".join([*known, "stranger,01,"]) + "\n")


def evaluate(*words):
    settings = ["cluster=none", "frames=pandas", "evaluation.bootstrap=100", *words]
    line = ["evaluate", "--follows", "follows.csv", "--sources", "popular,similar+popular"]
    return [*line, *(part for word in settings for part in ("--set", word))]


def test_a_file_of_rejections(elsewhere):
    asked = evaluate("evaluation.rejections=no.csv")
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith(("frames", "cluster"))) <= 80
    assert any("rejected@20 (less is better)" in line for line in lines)
    said = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    about = said["split"]["rejections"]
    assert about["of_unknown_accounts"] == 1
    assert min(about.values()) > 0
    assert any(f"{about['test']}" in line for line in lines if " rejections held out" in line)
    values = pq.read_table(Path(said["folder"], "evaluation.parquet")).to_pandas()
    here = values[(values.metric == "rejected@20") & (values.source == "popular")]
    assert here.value.notna().sum() == about["accounts_measured"]
    (row,) = [
        row
        for row in said["means"]
        if (row["segment"], row["source"], row["metric"]) == ("all", "popular", "rejected@20")
    ]
    assert row["mean"] == pytest.approx(here.value.mean())
    with open("no.csv", "a") as file:
        file.write("01,stranger,\n")
    again = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert again["digest"] != said["digest"]
    alone = CliRunner().invoke(app, [*asked, "--set", "evaluation.metrics=[rejected]"])
    assert alone.exit_code == 0
    assert "who leads" not in alone.stdout


def test_training_and_ladder_of_an_evaluation_see_what_teaches(elsewhere, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "raypipe.evaluation.evaluate.choose_ladder",
        lambda *told: seen.append(told[5]) or choose_ladder(*told),
    )
    monkeypatch.setattr(
        "raypipe.evaluation.evaluate.train", lambda *told: seen.append(told[3]) or train(*told)
    )
    quick = (
        "sources.factors.algorithm=SVD",
        "sources.factors.parameters={n_factors: 4, n_epochs: 2}",
    )
    asked = evaluate(*quick, "evaluation.rejections=no.csv")
    asked[asked.index("--sources") + 1] = "factors,ladder"
    said = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    of_ladder, of_training = seen
    assert of_ladder is of_training
    assert len(of_training.rows.codes) == said["split"]["rejections"]["train"]


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["evaluation.rejections=none.csv"], 66, "none.csv: cannot be read (No such file or"),
        (["evaluation.rejections=follows.csv"], 65, "follows.csv: no column accountId, candid"),
        (["evaluation.rejections=bad.csv"], 65, "bad.csv: 1 of 1 rows hold no rejection (row 1: e"),
        (["evaluation.metrics=[rejected]"], 78, "evaluation.metrics: rejected needs rejections"),
    ],
)
def test_errors_are_one_line(elsewhere, words, exit_code, message):
    Path("bad.csv").write_text("accountId,candidateId\n01,\n")
    result = CliRunner().invoke(app, evaluate(*words))
    assert result.exit_code == exit_code
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("raypipe: ")]
    assert message in line
