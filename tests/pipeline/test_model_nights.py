"""Nights with phase 3: trained in the run, the same bytes however it is run, kept with the run."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe import cli
from raypipe.config import load_config
from raypipe.errors import ConfigError, RunError, TooLargeError
from raypipe.graph.demo import demo_follows
from raypipe.graph.follow_graph import load_graph
from raypipe.kernels.factor_scores import block_bytes
from raypipe.pipeline import steps
from raypipe.pipeline.plan import plan_night
from raypipe.pipeline.run import run_night
from raypipe.recommend.models.model import load_model
from raypipe.serving.lookup import Lookup
from raypipe.serving.newcomer import recommend_newcomer
from raypipe.serving.reports.runs import run_report
from raypipe.storage.feedback.account import Rejection
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.strategies import PLAIN

DATE = "2026-03-01"
SVD = {
    "sources.factors.algorithm": "SVD",
    "sources.factors.parameters": {"n_factors": 8, "n_epochs": 5},
}
TRUNCATED = {
    "sources.factors.algorithm": "TruncatedSVD",
    "sources.factors.parameters": {"n_factors": 16, "cooccurrence": 1},
}


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    return [row for row in demo_follows(accounts=300) if all(row)]


@pytest.fixture
def follows(tmp_path, rows) -> Path:
    path = tmp_path / "follows.csv"
    path.write_text("\n".join(["followerId,followingId", *map(",".join, rows)]) + "\n")
    return path


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def config_for(follows: Path, model=TRUNCATED, **settings):
    told = {"input.follows": str(follows), "cluster": "none", "frames": "pandas"}
    told |= {"sources.factors.min_follows": 8, "ladder": "fixed"}
    return load_config(None, {**PLAIN, **told, **model, **settings})


def published(run) -> dict[str, bytes]:
    """Every byte that readers see, and the model."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for folder in ("recommendations", "neighbours", "graph", "model")
        for path in sorted((run.path / folder).iterdir())
    }


def test_whose_lists_come_from_the_model(follows, store, rows):
    """Everybody with enough follows; never whom they follow, themselves, or somebody twice."""
    run = run_night(config_for(follows), store, DATE).run
    assert verify_run(run) == []
    sets = naive.follow_sets(rows)
    found = defaultdict(list)
    for row in pq.read_table(run.path / "recommendations").to_pylist():
        found[row["accountId"]].append(row)
    graph, model = load_graph(run.path / "graph"), load_model(run.path / "model", verify=True)
    assert model.fingerprint == run.manifest.fingerprint
    counts = run.manifest.counts.recommendations
    assert counts["factors"] == 10 * sum(len(mine) >= 8 for mine in sets.values()) > 0
    for account, mine in sets.items():
        names = [row["candidateId"] for row in found[account]]
        assert len(set(names)) == len(names) == 10
        assert not set(names) & (mine | {account})
        sources = {row["source"] for row in found[account]}
        assert (sources == {"factors"}) == (len(mine) >= 8)
        if len(mine) >= 8:
            scores = [row["score"] for row in found[account]]
            assert scores == sorted(scores, reverse=True)
            codes = [graph.code(name) for name in names]
            of_factors = (
                model.factors.followee_factors[codes]
                @ model.factors.account_factors[graph.code(account)]
            )
            assert (np.array(scores) - of_factors > -1e-5).all()  # walks add to them
    assert "train" in [stage.stage for stage in run.manifest.stages]


BOUNDED = {**TRUNCATED, "sources.factors.retrieval": "candidates"}


@pytest.mark.parametrize("model", [SVD, TRUNCATED, BOUNDED], ids=["SVD", "TruncatedSVD", "bounded"])
def test_same_bytes_whatever_runs_it(follows, store, local_ray, model):
    runs = {}
    for cluster, shards in [("none", 1), ("none", 5), ("local", 3)]:
        other = RunStore(store.root.with_name(f"{cluster}-{shards}"))
        config = config_for(follows, model, cluster=cluster, shards=shards)
        runs[cluster, shards] = published(run_night(config, other, DATE).run)
    first = runs.pop(("none", 1))
    assert "model/account_factors.npy" in first
    for how, found in runs.items():
        assert found == first, how


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


def test_after_a_kill_it_goes_on_with_the_model_it_began_with(follows, store, monkeypatch):
    """Though a training would now come to another one."""
    done = []
    real = steps.recommend_shard

    def dies_at_the_third(context, shard):
        done.append(shard)
        if len(done) == 3:
            raise Killed
        return real(context, shard)

    monkeypatch.setattr(steps, "recommend_shard", dies_at_the_third)
    with pytest.raises(Killed):
        run_night(config_for(follows, shards=4), store, DATE)
    monkeypatch.setattr(steps, "recommend_shard", real)
    with monkeypatch.context() as patched:
        patched.setattr("raypipe.pipeline.load.train", None)
        run = run_night(config_for(follows, shards=4), store, DATE).run
    whole = run_night(config_for(follows), RunStore(store.root.with_name("whole")), DATE).run
    assert published(run) == published(whole)


def test_a_model_that_was_torn_is_trained_again_and_so_are_its_shards(follows, store, monkeypatch):
    real, done = steps.recommend_shard, []

    def dies(context, shard):
        if done:
            raise Killed
        done.append(shard)
        return real(context, shard)

    with monkeypatch.context() as patched:
        patched.setattr(steps, "recommend_shard", dies)
        with pytest.raises(Killed):
            run_night(config_for(follows, shards=3), store, DATE)
    assert list(store.root.rglob("scratch/shards/*.json"))
    (kept,) = store.root.rglob("scratch/model/followee_factors.npy")
    kept.write_bytes(kept.read_bytes()[:-8] + bytes(8))
    with monkeypatch.context() as patched:
        patched.setattr(
            steps, "recommend_shard", lambda *told: (done.append(told[1]), real(*told))[1]
        )
        run = run_night(config_for(follows, shards=3), store, DATE).run
    assert len(done) == 1 + 3
    whole = run_night(config_for(follows), RunStore(store.root.with_name("whole")), DATE).run
    assert published(run) == published(whole)


def test_candidates_that_the_model_scores_are_reported_with_their_recall(follows, store, rows):
    """The choice is in the manifest and in the report; exact lists are those of the sample."""
    told = {"sources.factors.retrieval": "candidates"}
    run = run_night(config_for(follows, **told), store, DATE).run
    record = run.manifest.factors
    assert (record.retrieval, record.why) == ("candidates", "config")
    exact = run_night(config_for(follows), RunStore(store.root.with_name("exact")), DATE).run
    assert exact.manifest.factors.retrieval == "exact"
    assert exact.manifest.factors.why.endswith("at most 1e+11")
    assert (exact.manifest.factors.recall, exact.manifest.factors.sample) == (1.0, 0)
    with_model = {account for account, mine in naive.follow_sets(rows).items() if mine}
    lists = []
    for one, other in ((run, candidates_of(run)), (exact, candidates_of(exact))):
        assert set(one.manifest.counts.recommendations) >= {"factors", "popular"}
        lists.append(other)
    shares = [len(lists[0][a] & lists[1][a]) / len(lists[1][a]) for a in lists[1]]
    assert record.recall == pytest.approx(np.mean(shares), abs=0.1)
    assert record.sample == len(with_model)
    assert record.low == record.high == record.recall
    said = " ".join(map(str, run_report(run.manifest, "here")))
    assert "of the exact candidates are found" in said
    planned = plan_night(config_for(follows, **told), 1, 1)
    assert planned.factors == record


def candidates_of(run):
    """Account -> its candidates, for accounts whose lists come from the model."""
    found = defaultdict(set)
    for row in pq.read_table(run.path / "recommendations").to_pylist():
        if row["source"] == "factors":
            found[row["accountId"]].add(row["candidateId"])
    return {account: names for account, names in found.items() if len(names) == 10}


def test_a_run_without_a_model_has_none(follows, store):
    run = run_night(config_for(follows, {}), store, DATE).run
    assert set(run.manifest.counts.recommendations) == {"similar", "popular"}
    assert run.manifest.factors is None
    with pytest.raises(RunError, match="is not a whole model"):
        load_model(run.path / "model")


def test_a_model_that_does_not_fit_is_refused(follows, store, monkeypatch):
    monkeypatch.setattr("raypipe.pipeline.load.memory_available", lambda: 70_000)
    with pytest.raises(TooLargeError, match=r"^SVD: training on .* needs about 81\.3KB, but 70"):
        run_night(config_for(follows, SVD), store, DATE)
    assert store.current_id() is None


def test_a_wrong_algorithm_is_told_before_the_data_is_read(tmp_path, store):
    config = config_for(tmp_path / "none.csv", {"sources.factors.algorithm": "TruncatedSvd"})
    with pytest.raises(ConfigError, match="did you mean TruncatedSVD"):
        plan_night(config, 1, 1)


def test_plan_says_what_a_training_takes(follows):
    planned = plan_night(config_for(follows), 1, 2)
    assert planned.seconds["train"] > 0
    memory = planned.memory_bytes
    accounts = planned.counts.accounts
    assert memory["model"] == 12 * 16 * accounts + 2 * block_bytes(accounts)
    assert memory["training"] > 12 * 16 * accounts


def test_an_account_that_came_after_the_night(follows, store, rows):
    """One with the follows of another gets its list; ids that nobody knows do not count."""
    run = run_night(config_for(follows), store, DATE).run
    graph = load_graph(run.path / "graph")
    code = int(np.argmax(graph.followees.degrees))
    name, mine = (
        graph.ids[code].as_py(),
        [graph.ids[other].as_py() for other in graph.followees.row(code).tolist()],
    )
    expected = [
        (row["rank"], row["candidateId"], row["source"])
        for row in run.recommendations(name).to_pylist()
    ]
    found, unknown = recommend_newcomer(Lookup(name, run), [*mine, "nobody", mine[0]])
    assert unknown == ["nobody"]
    assert [(row.rank, row.candidate, row.source) for row in found] == expected
    known = naive.follow_sets([*rows, *(("new", other) for other in mine)])
    for row in found:
        assert row.reason == naive.reason(known, name, row.candidate)
    assert "follows you" in {row.reason for row in found}
    for row in recommend_newcomer(Lookup("new", run), mine).rows:
        assert row.reason == naive.reason(known, "new", row.candidate)
    rejected = {mine[0]: Rejection("2026-03-01", None)}
    for row in recommend_newcomer(Lookup("new", run, rejected=rejected), mine).rows:
        assert row.reason == naive.reason(known, "new", row.candidate, unseen=mine[:1])
    assert len(recommend_newcomer(Lookup("new", run), mine, 3).rows) == 3
    for some in recommend_newcomer(Lookup("new", run), mine[:1], 200).rows:
        assert some.candidate not in mine[:1]
    assert (
        len(recommend_newcomer(Lookup(mine[1], run), mine[:1], 500).rows)
        == np.count_nonzero(graph.followers.degrees) - 2
    )
    found, unknown = recommend_newcomer(Lookup("new", run), ["x", "y"])
    assert unknown == ["x", "y"]
    assert {row.source for row in found} == {"popular"}
    assert recommend_newcomer(Lookup("new", run), []).rows == found


@pytest.mark.parametrize("blends", [{}, {"blend.method": "rank_fusion"}])
def test_newcomers_need_no_model(blends, follows, store, rows):
    """The list of an account that is made now is that of the night, and a follower is retrieved."""
    run = run_night(config_for(follows, {}, **blends), store, DATE).run
    followees = naive.follow_sets(rows)
    name = max(followees, key=lambda account: (len(followees[account]), account))
    expected = [row["candidateId"] for row in run.recommendations(name).to_pylist()]
    mine = sorted(followees[name])
    assert [row.candidate for row in recommend_newcomer(Lookup(name, run), mine).rows] == expected
    follower = next(c for c, _ in naive.popularity(followees) if c not in mine)
    found = recommend_newcomer(Lookup("new", run), mine, followers=[follower]).rows
    reasons = {row.candidate: row.reason for row in found}
    assert not blends or reasons[follower] == "follows you"
    nobody = recommend_newcomer(Lookup("new", run), []).rows
    assert {row.source for row in nobody} == {"popular"}


def test_newcomers_on_the_command_line(follows, store):
    run_night(config_for(follows), store, DATE)
    app = CliRunner()
    told = [
        "recommend",
        "new",
        "--following",
        "jazz-0001, star-01,u9",
        "--runs-dir",
        str(store.root),
    ]
    shown = app.invoke(cli.app, [*told, "--limit", "2", "--json"])
    rows = json.loads(shown.stdout)
    assert shown.stderr == f"not in run {store.current_id()}: u9\n"
    assert [row["rank"] for row in rows] == [1, 2]
    assert rows[0]["source"] == "similar"  # with two follows, as accounts of the night
    table = app.invoke(cli.app, told).stdout
    assert rows[0]["candidateId"] in table
