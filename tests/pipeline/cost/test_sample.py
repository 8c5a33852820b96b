"""What each account will cost is measured on a sample of them."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.pipeline.cost import sample
from tests.recommend._builders import column_blocks
from tests.recommend.test_shard import night_on
from tests.strategies import graph_of


@pytest.fixture
def context():
    rng = np.random.default_rng(0)
    return night_on(graph_of([(f"{a}", f"{b}") for a, b in rng.integers(0, 3000, (20_000, 2))]))


def test_the_estimate_of_each_class_is_scaled_by_what_its_sample_takes(context, monkeypatch):
    """With a clock that knows the true cost, the prediction is the truth."""
    estimate = sample.estimate_ns(context)
    slower = np.where(estimate > np.median(estimate), 3e-6, 1e-6)
    truth = estimate * slower
    monkeypatch.setattr(sample, "seconds_of", lambda _, positions: truth[positions].sum())
    seconds, building = sample.measure_cost(context, 0)
    assert seconds.sum() == pytest.approx(truth.sum(), rel=0.1)
    assert (seconds > 0).all()
    assert building == 0


def test_equal_seeds_draw_equal_samples(context, monkeypatch):
    drawn = []

    def note(context, positions):
        drawn.append(positions.tolist())
        return 1.0

    monkeypatch.setattr(sample, "seconds_of", note)
    sample.measure_cost(context, 0)
    first = list(drawn)
    drawn.clear()
    sample.measure_cost(context, 0)
    assert drawn == first
    assert len({len(positions) for positions in first}) > 1


def test_nobody_costs_nothing(context):
    for memory in (None, 400_000_000, 300_010_000):
        nobody = night_on(graph_of([("a", "b"), ("a", "c")]), accounts=[], memory_per_task=memory)
        found = sample.measure_cost(nobody, 0)
        assert (len(found.accounts), found.building) == (0, 0)


def test_what_is_compiled_late_is_not_measured(context, monkeypatch):
    """Every tier is called once before the clock counts: that of the cheapest, of the costliest."""
    measured = []
    monkeypatch.setattr(
        sample, "seconds_of", lambda _, positions: measured.append(positions) or 1.0
    )
    sample.measure_cost(context, 0)
    estimate = sample.estimate_ns(context)
    assert sorted(estimate[measured[0]]) == [estimate.min(), estimate.max()]


def test_real_seconds(context):
    seconds = sample.measure_cost(context, 0).accounts
    assert np.isfinite(seconds).all()
    assert 0 < seconds.sum() < 60


@pytest.fixture
def night_in_blocks():
    rng = np.random.default_rng(0)
    rows = [(f"{a}", f"{b}") for a, b in rng.integers(0, 3000, (20_000, 2))]
    context = night_on(graph_of(rows), memory_per_task=300_200_000)
    assert len(column_blocks(context)) > 2
    return context


class Clock:
    """Every call of a function takes as many seconds as it is told."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.patch = monkeypatch
        monkeypatch.setattr(sample.time, "thread_time", lambda: self.now)

    def takes(self, name, seconds_of):
        real = getattr(sample, name)

        def slow(*arguments):
            self.now += seconds_of(*arguments)
            return real(*arguments)

        self.patch.setattr(sample, name, slow)


def test_building_is_for_each_shard_and_the_rest_for_each_account(night_in_blocks, monkeypatch):
    context = night_in_blocks
    blocks = len(column_blocks(context))
    clock = Clock(monkeypatch)
    clock.takes("build_block", lambda *_: 7.0)
    clock.takes("search_block", lambda _f, _b, asked, *_: 2.0 * len(asked.accounts))
    clock.takes("make_lists", lambda _n, shard, _near: 3.0 * (shard[1] - shard[0]))
    seconds, building = sample.measure_cost(context, 0)
    assert building == 7.0 * blocks
    assert seconds.mean() == pytest.approx(2.0 * blocks + 3.0, rel=0.1)
    of_two = sample.Cost(seconds, building)
    assert of_two.of((5, 9)) == pytest.approx(seconds[5:9].sum() + building)


def test_hubs_left_out_are_left_out_of_the_measuring(monkeypatch):
    """And the candidates that are then twice as many are scored over the whole sets."""
    rng = np.random.default_rng(0)
    rows = [(f"{a}", f"{int(b**3 / 9e6)}") for a, b in rng.integers(0, 3000, (20_000, 2))]
    context = night_on(
        graph_of(rows), memory_per_task=300_200_000, sources__similar__max_followers=100
    )
    assert column_blocks(context)
    assert context.search.hubs_left_out
    clock = Clock(monkeypatch)
    kept = []
    clock.takes("search_block", lambda *arguments: kept.append(arguments[-1].codes.shape[1]) or 0.0)
    clock.takes("best_candidates", lambda _f, accounts, *_: 4.0 * len(accounts))
    clock.takes("make_lists", lambda *_: 0.0)
    seconds, building = sample.measure_cost(context, 0)
    assert set(kept) == {20}
    assert building == 0
    assert seconds.mean() == pytest.approx(4.0, rel=0.1)


def test_real_seconds_in_blocks(night_in_blocks):
    seconds, building = sample.measure_cost(night_in_blocks, 0)
    assert np.isfinite(seconds).all()
    assert 0 < seconds.sum() < 60
    assert 0 < building < 60


def test_shards_are_as_many_as_time_memory_and_cpus_ask_for(context):
    """A night of 3000 accounts, 10 ms each."""
    accounts = np.full(len(context.accounts), 0.01)
    seconds = accounts.sum()

    def shards(building, cpus, shards=None, shard_accounts=None):
        cost = sample.Cost(accounts, building)
        return len(sample.cut_shards(cost, cpus, shards, shard_accounts))

    assert shards(0.0, 1) == round(seconds / sample.SHARD_SECONDS)
    assert shards(0.0, 4) == 4 * round(seconds / 4 / sample.SHARD_SECONDS)
    # To build for 0.5 s, a shard should work for 5; to build for 60 s, 600: one for each CPU.
    assert shards(0.5, 1) == round(seconds / 5)
    assert shards(60.0, 1) == 1
    assert shards(60.0, 4) == 4
    assert shards(60.0, 1, shards=9) == 9
    # Memory asks for more.
    assert shards(60.0, 1, shards=9, shard_accounts=100) >= 30
    cut = sample.cut_shards(sample.Cost(accounts, 60.0), 1, None, 100)
    assert max(stop - start for start, stop in cut) <= 100


def test_the_reason_says_what_blocks_cost(context, night_in_blocks):
    accounts = np.full(len(context.accounts), 30 / len(context.accounts))
    shards = [(0, 1), (1, 3000)]
    memory = 300_200_000
    free, costly = sample.Cost(accounts, 0.0), sample.Cost(accounts, 5.0)
    assert sample.reason_of_blocks(context.search, free, shards, memory) is None
    assert sample.reason_of_blocks(night_in_blocks.search, costly, shards, memory) == (
        "similarity: in column blocks (memory_per_task 300.2MB): "
        f"{len(column_blocks(night_in_blocks))}, built by each of 2 shards, 25% of the work"
    )
