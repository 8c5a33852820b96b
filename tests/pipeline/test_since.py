"""Nights after a night: the manifest names the earlier run whose new follows decided."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from raypipe.config import load_config
from raypipe.evaluation.evaluate import evaluate
from raypipe.evaluation.holdout_selection import choose_ladder
from raypipe.pipeline import steps
from raypipe.pipeline.run import run_night
from raypipe.serving.reports.evaluation import evaluation_report
from raypipe.serving.reports.ladder import ladder_report
from raypipe.storage.evaluations import only
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN


@pytest.fixture(scope="module")
def rows():
    """Follows of 400 accounts in ten groups, the earlier ones of popular accounts."""
    rng = np.random.default_rng(1)
    drawn = rng.random((12, 400))
    drawn[:9] **= 3
    return [
        (f"{account:03}", f"{int(40 * drawn[follow, account]) * 10 + account % 10:03}")
        for follow in range(12)
        for account in range(400)
    ]


@pytest.fixture(scope="module")
def first(rows, tmp_path_factory):
    """The runs folder after the night of the first nine follows of each account."""
    store = RunStore(tmp_path_factory.mktemp("first") / "runs")
    night(store, rows[:3600], "2026-03-01")
    return store.root


@pytest.fixture
def store(first, tmp_path):
    shutil.copytree(first, tmp_path / "runs")
    return RunStore(tmp_path / "runs")


def night(store, rows, date, **settings):
    path = store.root.parent / f"{date}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("followerId,followingId\n" + "".join(f"{a},{b}\n" for a, b in rows))
    told = {"input.follows": str(path), "cluster": "none", "frames": "pandas"}
    given = {key.replace("__", "."): value for key, value in settings.items()}
    config = load_config(
        None, PLAIN | told | {"evaluation.bootstrap": 100, "guard.min_accounts": 999} | given
    )
    return run_night(config, store, date)


def lines_of(run):
    table, *lines = ladder_report(run.manifest.ladder)
    return table, [line.text for line in lines]


def test_new_follows_decide_and_the_manifest_names_the_earlier_run(store, rows):
    (before,) = store.runs()
    assert before.manifest.ladder.since is None
    run = night(store, rows, "2026-03-02").run
    found = run.manifest.ladder.since
    assert (found.run, found.decides) == (before.id, True)
    assert [stage.stage for stage in run.manifest.stages][4:6] == ["since", "holdout"]
    table, lines = lines_of(run)
    assert table.title == "ndcg@10 on new follows; *: leads"
    assert table.rows[-1][0] == "at random"
    assert lines[:2] == [
        "at random: what a random hold-out claims for the strategy that leads",
        f"evidence: {found.accounts} accounts have {found.follows:,} follows that are new since "
        f"run {before.id}",
    ]
    # A night that is done stays so; the next one of the same follows looks further back.
    assert not night(store, rows, "2026-03-02").new
    third = night(store, rows, "2026-03-03").run
    assert third.manifest.ladder == run.manifest.ladder


def test_a_retry_uses_the_decision_of_the_killed_night(store, rows, monkeypatch):
    real = steps.plan_shards

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "plan_shards", killed)
    with pytest.raises(KeyboardInterrupt):
        night(store, rows, "2026-03-02")
    monkeypatch.setattr(steps, "plan_shards", real)
    monkeypatch.setattr(steps, "since_earlier_run", killed)
    run = night(store, rows, "2026-03-02").run
    assert run.manifest.ladder.since.decides


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rows: rows[:3600], "run {} has the same follows"),
        (
            lambda rows: [("y" + a if a > "099" else a, "y" + b) for a, b in rows],
            "run {} is of another network: 100 of",
        ),
        (
            lambda rows: rows[:3700],
            "{accounts} accounts have {follows} follows that are new since run {}; 300 accounts",
        ),
    ],
)
def test_else_the_random_hold_out_decides_and_says_why(change, why, store, rows):
    (before,) = store.runs()
    run = night(store, change(rows), "2026-03-02").run
    found = run.manifest.ladder.since
    assert (found.run, found.decides) == (before.id, False)
    table, lines = lines_of(run)
    assert table.title == "ndcg@10 on follows held out; *: leads"
    assert table.rows[-1][0] == "to"
    expected = why.format(before.id, accounts=found.accounts, follows=found.follows)
    assert lines[0].startswith(f"evidence: {expected}")
    assert {row.at_random for row in run.manifest.ladder.table} == {None}


def test_a_graph_that_cannot_be_read(store, rows):
    (before,) = store.runs()
    path = before.path / "graph" / "ids.arrow"
    path.write_bytes(bytes(path.stat().st_size))
    run = night(store, rows, "2026-03-02", filters__previously_followed=False).run
    assert f"evidence: run {before.id} cannot be read: " in lines_of(run)[1][0]


def test_the_new_follows_are_part_of_the_input(store, rows):
    """Without the earlier run, a night of the same date and config is another one."""
    settings = {"filters__previously_followed": False}
    one = night(store, rows, "2026-03-02", **settings).run
    alone = night(RunStore(store.root / "alone"), rows, "2026-03-02", **settings).run
    assert one.manifest.input_digest != alone.manifest.input_digest


def test_evaluate_since_the_earlier_run(store, rows, monkeypatch):
    """The same lists by both hold-outs; the ladder and its claims are those of train alone."""
    (before,) = store.runs()
    settings = {"evaluation.split": "since", "evaluation.metrics": ["ndcg", "recall"]}
    path = store.root.parent / "follows.csv"
    path.write_text("followerId,followingId\n" + "".join(f"{a},{b}\n" for a, b in rows))
    told = {"input.follows": str(path), "cluster": "none", "frames": "pandas"}
    config = load_config(None, PLAIN | told | {"evaluation.bootstrap": 100} | settings)
    seen = []

    def watched(graph, *rest):
        seen.append((graph.follows, rest[-2]))
        return choose_ladder(graph, *rest)

    monkeypatch.setattr("raypipe.evaluation.evaluate.choose_ladder", watched)
    result = evaluate(config, ["popular", "ladder"], runs_dir=store.root).result
    assert (result.split.split, result.split.run) == ("since", before.id)
    follows = before.manifest.counts.graph.follows
    assert result.split.follows.train == follows
    assert seen == [(follows, None), (follows, None)]  # as many, but others
    for source in ("popular", "ladder"):
        (measured, claimed) = (
            only(rows, segment="all", source=source, metric="recall@20")[0]
            for rows in (result.means, result.at_random)
        )
        assert claimed.accounts == measured.accounts
        assert claimed.mean > 1.1 * measured.mean
    table = next(part for part in evaluation_report(result, "x") if "as many" in str(part.title))
    assert table.columns == ("", "ndcg@20", "at random", "recall@20", "at random")
    assert [row[0] for row in table.rows] == ["popular", "ladder"]
    assert [cell.number for cell in table.rows[1][3:]] == [measured.mean, claimed.mean]
    # another earlier run makes another evaluation, of the same config and input
    night(store, rows[:3700], "2026-03-02", ladder="fixed")
    night(store, rows[:4000], "2026-03-03", ladder="fixed")
    again = evaluate(config, ["popular", "ladder"], runs_dir=store.root).result
    assert again.split.run != before.id
    assert again.digest != result.digest
    assert seen[2][1].record.run in {run.id for run in store.published()[1:]}
    assert seen[3][1] is None
