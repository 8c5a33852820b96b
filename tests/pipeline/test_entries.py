"""Two nights: the second one holds back entries beyond the limit, whatever the shards."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from raypipe.config import load_config
from raypipe.pipeline.run import run_night
from raypipe.serving.reports.content import Line
from raypipe.serving.reports.runs import run_report
from raypipe.storage.runs.reserve import load_reserve
from raypipe.storage.runs.store import RunStore

DATES = "2026-03-01", "2026-03-02"


@pytest.fixture(scope="module")
def rows():
    """Follows of 300 accounts in ten groups; most of them are returned."""
    rng = np.random.default_rng(1)
    pairs = {(a, int(30 * x**2) * 10 + a % 10) for a in range(300) for x in rng.random(8)}
    pairs |= {(b, a) for a, b in sorted(pairs) if rng.random() < 0.6}
    return [(f"{a:03}", f"{b:03}") for a, b in sorted(pairs) if a != b]


def night(folder, rows, date, **settings):
    path = folder / f"{date}.csv"
    folder.mkdir(exist_ok=True)
    path.write_text("followerId,followingId\n" + "".join(f"{a},{b}\n" for a, b in rows))
    told = {"input.follows": str(path), "cluster": "none", "frames": "pandas", "ladder": "fixed"}
    told |= {"blend.method": "rank_fusion", "sources.factors.algorithm": "none"}
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return run_night(load_config(None, told | given), RunStore(folder / "runs"), date).run


def lists_of(run):
    table = run.table("recommendations")
    return [*zip(table["accountId"].to_pylist(), table["candidateId"].to_pylist(), strict=True)]


def both(folder, rows, **settings):
    """Two nights: in the first one, half of the accounts have half of their follows."""
    earlier = [pair for pair in rows if int(pair[0]) % 2 or int(pair[1]) % 2]
    return tuple(night(folder, *of, **settings) for of in zip((earlier, rows), DATES, strict=True))


@pytest.mark.parametrize("limit", [0, 1])
def test_an_account_is_in_at_most_as_many_lists_as_before_and_the_limit(tmp_path, rows, limit):
    keys = {"integrity__new_entries": limit, "integrity__new_entries_per_follower": 0.0}
    first, second = both(tmp_path, rows, **keys)
    assert first.manifest.entries.why == "no limit in the first night"
    record = second.manifest.entries
    assert record.run == first.id
    assert record.held_back > record.refilled > 0
    assert record.moved > 0
    had = {account for account, _ in lists_of(first)}
    old, new = (
        Counter(one for account, one in lists_of(run) if account in had) for run in (first, second)
    )
    assert all(new[one] <= old[one] + limit for one in new)
    assert Line(f"entries: {record.why}") in run_report(second.manifest, "")
    assert sum(second.manifest.counts.recommendations.values()) == len(lists_of(second))
    table = second.table("recommendations").to_pandas()
    for _, part in table.groupby("accountId"):
        assert part["rank"].tolist() == [*range(1, len(part) + 1)]
        assert part["score"][1:].is_monotonic_decreasing  # another one may stand first
    free = night(tmp_path / "free", rows, DATES[0], integrity__bounds=False)
    assert free.manifest.entries is None
    every = {(row.accountId, row.candidateId): row for row in free.table("recommendations")
             .to_pandas().itertuples()}  # fmt: skip
    shared = [row for row in table.itertuples() if (row.accountId, row.candidateId) in every]
    assert len(shared) > 1000
    for row in shared:
        assert row.reason == every[row.accountId, row.candidateId].reason


def test_what_fills_up_a_list_is_no_longer_in_its_reserve(tmp_path, rows):
    _, second = both(tmp_path, rows, integrity__new_entries=0)
    ids = sorted({one for pair in rows for one in pair})
    reserve = load_reserve(second.path)
    owners = np.repeat(np.arange(len(ids)), np.diff(reserve.indptr))
    left = {(ids[a], ids[b]) for a, b in zip(owners, reserve.codes, strict=True)}
    assert left
    assert not left & {*lists_of(second)}


def test_shards_and_a_second_start_give_the_same_bytes(tmp_path, rows, monkeypatch):
    name = "recommendations/part-00000.parquet"
    runs = [both(tmp_path / str(shards), rows, shards=shards)[1] for shards in (1, 7)]
    assert runs[0].manifest.files[name] == runs[1].manifest.files[name]
    folder = tmp_path / "killed"
    both(folder, rows[:-9])
    monkeypatch.setattr("raypipe.pipeline.run.write_run", None)
    with pytest.raises(TypeError):
        night(folder, rows, "2026-03-03")
    monkeypatch.undo()
    again = night(folder, rows, "2026-03-03")
    both(tmp_path / "whole", rows[:-9])
    whole = night(tmp_path / "whole", rows, "2026-03-03")
    assert again.manifest.entries.held_back == whole.manifest.entries.held_back > 0
    assert lists_of(again) == lists_of(whole)


def test_longer_lists_than_before_have_no_limit(tmp_path, rows):
    night(tmp_path, rows, DATES[0], recommendations__per_account=5)
    longer = night(tmp_path, rows, DATES[1], integrity__new_entries=0)
    assert longer.manifest.entries.run is None
    assert "are shorter" in longer.manifest.entries.why


def test_another_strategy_in_the_config_has_no_limit(tmp_path, rows):
    first = night(tmp_path, rows, DATES[0])
    second = night(tmp_path, rows, DATES[1], sources__two_hop__weight=0.9, seed=7)
    assert second.manifest.entries.run is None
    assert f"the config of run {first.id} has other sources" in second.manifest.entries.why
    third = night(tmp_path, rows, "2026-03-03", sources__two_hop__weight=0.9, seed=8)
    assert third.manifest.entries.run == second.id


def test_another_night_of_the_same_follows_changes_nothing(tmp_path, rows):
    first, second = (night(tmp_path, rows, date, integrity__new_entries=0) for date in DATES)
    assert second.manifest.entries.held_back == 0
    assert lists_of(first) == lists_of(second)
