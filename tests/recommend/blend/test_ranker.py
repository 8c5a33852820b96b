"""The ranker: trained, taken apart, kept; and used only where it finds more than anything else."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import lightgbm
import numpy as np
import pytest

from raypipe.compute.engines import Runner
from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import IntegrityConfig, load_config
from raypipe.errors import ConfigError, InputError
from raypipe.evaluation import blending, holdout_selection
from raypipe.evaluation.evaluate import evaluate
from raypipe.evaluation.holdout_selection import choose_ladder, train_again
from raypipe.evaluation.leading import decide
from raypipe.integrity.votes import Bounds
from raypipe.kernels.trees import score
from raypipe.pipeline import steps
from raypipe.pipeline.run import run_night
from raypipe.recommend.blend import training
from raypipe.recommend.blend.examples import NEGATIVES, Examples, is_example
from raypipe.recommend.blend.ranker import load_ranker, save_ranker
from raypipe.recommend.blend.training import train_ranker
from raypipe.recommend.ladder import ladder_of, strategies
from raypipe.serving.explain import explain
from raypipe.serving.lookup import Lookup
from raypipe.storage.runs.store import RunStore
from tests.strategies import graph_of

DATE = "2026-03-01"
NAMES = ("first", "second", "noise")


def examples_of(m=3000, seed=0):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=(m, 3)), 2)
    followed = values[:, 0] + values[:, 1] ** 2 + rng.normal(size=m) > 1.5
    return Examples(np.repeat(np.arange(m // 10), 10).astype(np.int32), values, followed)


@pytest.fixture(scope="module")
def ranker():
    return train_ranker(examples_of(), NAMES, seed=0)


def test_scores_are_those_of_the_library_to_the_last_bit(ranker, monkeypatch):
    kept = []
    trees_of = training.trees_of
    monkeypatch.setattr(training, "trees_of", lambda b: kept.append(b) or trees_of(b))
    train_ranker(examples_of(), NAMES, seed=0)
    rows = np.random.default_rng(1).normal(size=(2000, 3)) * 2
    rows[:500] = examples_of().features[:500]  # values that stand at thresholds
    (booster,) = kept
    assert score(ranker.binned, rows).tolist() == booster.predict(rows, raw_score=True).tolist()


def test_it_learns_what_there_is(ranker):
    unseen = examples_of(seed=5)
    found = score(ranker.binned, unseen.features)
    best = np.argsort(-found)[: np.count_nonzero(unseen.followed)]
    assert unseen.followed[best].mean() > 2 * unseen.followed.mean()
    assert ranker.gains.argmin() == 2
    assert ranker.gains.sum() == pytest.approx(1)
    followed = int(examples_of().followed.sum())
    assert ranker.facts == {
        "accounts": 300, "follows": followed, "others": 3000 - followed, "trees": 300,
    }  # fmt: skip


def values_of(ranker):
    trees = {name: array.tolist() for name, array in ranker.trees._asdict().items()}
    return trees, ranker.features, ranker.gains.tolist(), ranker.facts


def test_equal_examples_give_an_equal_ranker(ranker):
    assert values_of(train_ranker(examples_of(), NAMES, seed=0)) == values_of(ranker)
    assert values_of(train_ranker(examples_of(), NAMES, seed=1)) != values_of(ranker)


def test_kept_to_the_last_bit(ranker, tmp_path):
    save_ranker(ranker, tmp_path / "ranker.json")
    again = load_ranker(tmp_path / "ranker.json")
    for array, other in zip(ranker.trees, again.trees, strict=True):
        assert array.dtype == other.dtype
        assert array.tolist() == other.tolist()
    assert (again.features, again.facts) == (NAMES, ranker.facts)
    assert values_of(again) == values_of(ranker)


def test_a_model_of_a_single_leaf():
    """Where nothing can be learned, each tree is one leaf."""
    nothing = Examples(np.zeros(50, np.int32), np.zeros((50, 3)), np.arange(50) < 10)
    found = train_ranker(nothing, NAMES, seed=0)
    scores = score(found.binned, np.random.default_rng(0).normal(size=(4, 3)))
    assert len(set(scores.tolist())) == 1


def test_categories_are_refused():
    rng = np.random.default_rng(0)
    values = rng.integers(4, size=(400, 1)).astype(float)
    data = lightgbm.Dataset(values, values[:, 0] % 2, categorical_feature=[0])
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_per_group": 1}, data, 2
    )
    with pytest.raises(ValueError, match="a split by =="):
        training.trees_of(booster)


def test_examples_do_not_follow_the_lots_of_a_split():
    """The share kept of those that nobody follows is the same, whatever lot holds a follow out."""
    from raypipe.kernels.splitmix import mix_pair

    codes = np.arange(1, 20_001, dtype=np.int32)
    accounts = np.zeros(len(codes), np.int32)
    kept = is_example(accounts, codes, np.zeros(len(codes), bool), 50, seed=0)
    lots = np.array([mix_pair(0, 0, code) for code in codes])
    first = np.argsort(lots)[: len(codes) // 5]
    assert kept[first].mean() == pytest.approx(NEGATIVES, abs=0.02)
    assert kept.mean() == pytest.approx(NEGATIVES, abs=0.01)
    fewer = is_example(accounts, codes, np.zeros(len(codes), bool), 150, seed=0)
    assert fewer.mean() == pytest.approx(NEGATIVES / 3, abs=0.01)


def test_who_leads_by_the_ranker():
    """It leads unless it is behind beyond the interval; any other must be ahead beyond it."""
    config = load_config(None, {"blend.method": "learned_ranker"})
    shown = strategies(config)
    assert [tier.name for tier in shown] == [
        "popular", "similar", "follow_back", "two_hop", "co_followed", "pagerank", "rank_fusion",
        "learned_ranker",
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(shown), 400)) * 0.3
    noise -= noise.mean(axis=1, keepdims=True)
    means = np.array([0.1, 0.3, 0.1, 0.31, 0.1, 0.1, 0.2, 0.295])[:, None]
    counts, work = [0, 0, 0, 400, 0], {"warm": np.ones(len(shown))}
    ladder, rows = decide({"warm": means + noise}, counts, shown, config, work)
    # Two hops are ahead of similar, and the ranker is behind it, but not beyond the interval.
    leads = {row.segment: (row.strategy, row.why) for row in rows if row.leads}
    assert leads["warm"] == ("learned_ranker", "not behind beyond the interval")
    assert {strategy for strategy, _ in leads.values()} == {"learned_ranker"}
    assert [(tier.min_follows, tier.name) for tier in ladder] == [(0, "learned_ranker")]
    means[-1] = 0.2
    _, rows = decide({"warm": means + noise}, counts, shown, config, work)
    why = {row.strategy: row.why for row in rows if row.accounts}
    assert (why["similar"], why["learned_ranker"]) == ("larger mean", "behind beyond the interval")


def follows_of(accounts=400):
    """Each follows in its fifth of the network, and most are followed back."""
    rng = np.random.default_rng(0)
    rows = set()
    for account in range(accounts):
        for followee in (rng.random(9) ** 2 * accounts / 5).astype(int) * 5 + account % 5:
            if followee != account:
                rows.add((f"{account:03}", f"{followee:03}"))
                if rng.random() < 0.7:
                    rows.add((f"{followee:03}", f"{account:03}"))
    return sorted(rows)


SETTINGS = {"blend.method": "learned_ranker", "evaluation.bootstrap": 100, "cluster": "none"}
SETTINGS |= {"sources.factors.algorithm": "none"}


@pytest.fixture
def quick(monkeypatch):
    """A ranker of few trees, from few follows, held out twice."""
    monkeypatch.setattr(training, "_TREES", 20)
    monkeypatch.setattr(blending, "MIN_FOLLOWS", 50)
    monkeypatch.setattr(blending, "ROUNDS", 2)


def decided(graph, shards=1, run_shards=map, bounds=None, **settings):
    config = load_config(None, {**SETTINGS, "shards": shards, **settings})
    everybody = np.arange(graph.accounts, dtype=np.int32)

    def run_on(_):
        return Runner(run_shards, 1, "")

    return choose_ladder(graph, everybody, config, Stages(Silent()), run_on, bounds=bounds)


def test_the_ranker_is_decided_the_same_however_it_is_cut(quick):
    graph = graph_of(follows_of())
    found = decided(graph)
    assert "learned_ranker" in {tier.how for tier in found.ladder.tiers}
    blend = found.ladder.blend
    assert blend.why.startswith("blend: ranker trained on ")
    assert len(blend.gains) == 8

    def backwards(function, todo):
        return map(function, reversed(todo))

    again = decided(graph, 5, backwards)
    assert again.ladder == found.ladder
    assert values_of(again.ranker) == values_of(found.ranker)
    assert found.ranker.features[0] == "follow_back.score"


def test_a_ranker_that_is_trained_again_is_that_of_a_whole_selection(quick, monkeypatch):
    graph, earlier = graph_of(follows_of()), decided(graph_of(follows_of(300)))
    config, everybody = load_config(None, SETTINGS), np.arange(graph.accounts, dtype=np.int32)

    def again(decision):
        return train_again(graph, everybody, config, lambda _: Runner(map, 1, ""), decision)

    found = again(earlier)
    assert found.ladder is earlier.ladder
    assert values_of(found.ranker) == values_of(decided(graph).ranker)
    assert values_of(found.ranker) != values_of(earlier.ranker)
    without = earlier._replace(ranker=None)
    assert again(without) is without
    monkeypatch.setattr(blending, "MIN_FOLLOWS", 10**6)
    assert again(earlier) is earlier


def test_each_half_is_measured_by_the_other(quick, monkeypatch):
    """No account's list is made by a ranker that has seen what was held out of it."""
    trained = {}  # the accounts by ranker; the rankers are trained at the same time
    train = blending.train_ranker

    def watched(examples, names, seed):
        ranker = train(examples, names, seed)
        trained[id(ranker)] = ranker, set(examples.accounts.tolist())
        return ranker

    measured = []
    measure = blending.measure_lists

    def watched_lists(measuring, *rest):
        measured.append(
            (set(measuring.context.accounts.tolist()), measuring.context.lists.blend.ranker)
        )
        return measure(measuring, *rest)

    monkeypatch.setattr(blending, "train_ranker", watched)
    monkeypatch.setattr(blending, "measure_lists", watched_lists)
    decided(graph_of(follows_of()))
    (tested, one), (tested_too, other) = measured
    (_, first), (_, second) = trained.pop(id(one)), trained.pop(id(other))
    ((_, everybody),) = trained.values()
    assert not tested & first
    assert not tested_too & second
    assert not first & second
    assert everybody == first | second


def test_fakes_teach_nothing(quick, monkeypatch):
    rows = follows_of()
    popular = [name for name, _ in Counter(followee for _, followee in rows).most_common(8)]
    rows = [*rows, *((f"~{fake:03}", name) for fake in range(60) for name in popular)]
    graph, taught = graph_of(rows), []
    train = blending.train_ranker
    monkeypatch.setattr(
        blending, "train_ranker", lambda some, *rest: taught.append(some) or train(some, *rest)
    )
    for bounds in (None, Bounds(IntegrityConfig(), None)):
        taught.clear()
        decided(graph, bounds=bounds)
        teachers = np.unique(np.concatenate([some.accounts for some in taught]))
        fakes = {account for account in teachers if graph.ids[int(account)].as_py().startswith("~")}
        assert len(teachers) > 50
        assert bool(fakes) == (bounds is None)


def test_more_is_held_out_where_follows_are_few(quick, monkeypatch):
    """A half of the accounts teaches first, then the other half, then a further hold-out."""
    graph, follows = graph_of(follows_of()), []
    for enough in (10, 500, 10**6):
        monkeypatch.setattr(blending, "ENOUGH_FOLLOWS", enough)
        follows.append(decided(graph).ranker.facts["follows"])
    half, once, twice = follows
    assert 1.5 * half < once < 2.5 * half
    assert 1.5 * once < twice < 2.5 * once


def test_the_library_comes_without_scikit_learn_and_leaves_no_trace():
    code = """
import sys
from raypipe.recommend.blend.training import load_lightgbm
assert load_lightgbm().train is load_lightgbm().train
assert not {"sklearn", "lightgbm"} & set(sys.modules), set(sys.modules)
import lightgbm
lightgbm.LGBMRegressor()
assert load_lightgbm() is not lightgbm
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_large_network_is_held_out_once(quick, monkeypatch):
    """Where not all accounts are drawn, there are others to learn from."""
    monkeypatch.setattr(holdout_selection, "MAX_ACCOUNTS_LEARNED", 150)
    held = []
    hold_out = holdout_selection.hold_out_share
    monkeypatch.setattr(
        holdout_selection, "hold_out_share", lambda *a: held.append(a) or hold_out(*a)
    )
    decided(graph_of(follows_of()))
    assert len(held) == 1


def test_work_is_told_as_it_is_done(quick, monkeypatch):
    """All of it, where no round is left out."""
    told = []
    monkeypatch.setattr(Silent, "advance", lambda self, amount: told.append(amount))
    decided(graph_of(follows_of()))
    assert sum(told) == pytest.approx(1, abs=0.1)


def test_too_few_follows_leave_the_blend_by_weights(quick, monkeypatch):
    monkeypatch.setattr(blending, "MIN_FOLLOWS", 10**6)
    found = decided(graph_of(follows_of()))
    assert found.ranker is None
    assert {tier.how for tier in found.ladder.tiers} <= {"fill_up", "rank_fusion"}
    assert found.ladder.blend.why.endswith("1,000,000 are needed)")
    nobody = decided(graph_of(follows_of()), **{"candidates.min_followers": 500})
    assert nobody.ladder.blend.why.startswith("blend: no ranker (0 held-out follows")
    few = decided(graph_of(follows_of(60)))
    assert ladder_of(few.ladder.tiers)[-1].name == "rank_fusion"
    assert few.ladder.why.startswith("ladder: as fixed (")


def write(tmp_path):
    path = tmp_path / "follows.csv"
    lines = ["followerId,followingId", *(f"{a},{b}" for a, b in follows_of())]
    path.write_text("\n".join(lines) + "\n")
    return path


def lists_of(run):
    return {path.name: path.read_bytes() for path in sorted(run.path.glob("recommendations/*"))}


class Killed(BaseException):
    pass


def test_a_night_keeps_its_ranker(quick, tmp_path, monkeypatch):
    """What was killed goes on with the ranker of the first start, and publishes the same bytes."""
    config = load_config(
        None, {**SETTINGS, "input.follows": str(write(tmp_path)), "frames": "pandas", "shards": 3}
    )
    whole = run_night(config, RunStore(tmp_path / "whole"), DATE).run
    assert load_ranker(whole.path / "ranker.json").facts["follows"] > 50
    assert "learned_ranker" in {tier.how for tier in whole.manifest.ladder.tiers}
    assert set(whole.manifest.counts.recommendations) == {
        "similar", "popular", "follow_back", "two_hop", "co_followed", "pagerank",
    }  # fmt: skip

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(steps, "recommend_shard", killed)
        with pytest.raises(Killed):
            run_night(config, RunStore(tmp_path / "killed"), DATE)
    monkeypatch.setattr(training, "_TREES", 5)
    monkeypatch.setattr(holdout_selection, "learn", killed)
    again = run_night(config, RunStore(tmp_path / "killed"), DATE).run
    assert lists_of(again) == lists_of(whole)


def test_a_ranked_list_is_explained_as_it_was_made(quick, tmp_path):
    config = load_config(
        None, {**SETTINGS, "input.follows": str(write(tmp_path)), "frames": "pandas"}
    )
    run = run_night(config, RunStore(tmp_path / "runs"), DATE).run
    least = min(
        tier.min_follows for tier in run.manifest.ladder.tiers if tier.how == "learned_ranker"
    )
    follows = Counter(a for a, _ in follows_of())
    account = next(name for name, count in follows.items() if count >= least)
    shares = []
    for row in run.recommendations(account).to_pylist():
        found = explain(Lookup(account, run), row["candidateId"])
        assert (found.rank, found.rank_if_longer) == (row["rank"], row["rank"])
        shares.append(sum(source.share for source in found.shares))
    assert set(np.round(shares, 9)) <= {0.0, 1.0}
    assert any(shares)


def test_evaluate_measures_both_blends(quick, tmp_path):
    told = {**SETTINGS, "input.follows": str(write(tmp_path)), "evaluation.metrics": ["ndcg"]}
    found = evaluate(
        load_config(None, told), ["two_hop", "rank_fusion", "learned_ranker", "ladder"]
    )
    means = {row.source: row.mean for row in found.result.means if row.segment == "all"}
    assert means["learned_ranker"] > means["two_hop"] > 0
    assert found.result.ladder.blend.trained_on.trees == 20
    few = {**told, "evaluation.min_follows": 500}
    with pytest.raises(InputError, match="no account can be measured"):
        evaluate(load_config(None, few), ["learned_ranker"])


def test_without_a_ranker_it_cannot_be_evaluated(quick, monkeypatch, tmp_path):
    monkeypatch.setattr(blending, "MIN_FOLLOWS", 10**6)
    told = {**SETTINGS, "input.follows": str(write(tmp_path))}
    with pytest.raises(InputError, match=r"^source learned_ranker: blend: no ranker \("):
        evaluate(load_config(None, told), ["learned_ranker"])
    assert "rank_fusion" in (found := evaluate(load_config(None, told)).measures.sources)
    assert "learned_ranker" not in found


@pytest.fixture
def no_gomp(monkeypatch):
    """LightGBM as where a library of GCC is missing; no other test sees it so."""

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    for name in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    training.load_lightgbm.cache_clear()


def test_only_a_learned_blend_needs_lightgbm(no_gomp, tmp_path):
    told = {"input.follows": str(write(tmp_path)), "cluster": "none", "frames": "pandas"}
    fused = load_config(None, told | {"blend.method": "rank_fusion"})
    assert run_night(fused, RunStore(tmp_path / "runs"), "2026-03-01").new
    learned = load_config(None, told | {"blend.method": "learned_ranker"})
    with pytest.raises(ConfigError, match=r"LightGBM cannot be loaded \(libgomp.*libgomp1"):
        run_night(learned, RunStore(tmp_path / "runs"), "2026-03-01")
