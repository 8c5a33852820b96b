"""A list is refilled from the reserve of its run, with rows as the night would have published."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from raypipe.config import load_config
from raypipe.errors import LeakError, RunError
from raypipe.graph.demo import demo_follows
from raypipe.graph.follow_graph import load_graph
from raypipe.pipeline import write
from raypipe.pipeline.run import run_night
from raypipe.serving.explain import explain
from raypipe.serving.explanation import explain_to_account
from raypipe.serving.lookup import Lookup
from raypipe.serving.refill import further_rows, neighbours_of
from raypipe.storage.feedback.account import Rejection
from raypipe.storage.runs.reserve import load_reserve
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests.strategies import PLAIN

N = 5
BLENDED = {
    "ladder": "fixed",
    "blend.method": "rank_fusion",
    "blend.max_share_per_source": 0.4,
    "sources.similar.min_follows": 1,
}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refill")
    rows = [row for row in demo_follows(accounts=300) if all(row)]
    lines = ["followerId,followingId", *map(",".join, rows)]
    (folder / "follows.csv").write_text("\n".join(lines) + "\n")
    made = {}

    def make(name="night", **settings):
        if name not in made:
            store = RunStore(folder / name)
            told = {"input.follows": str(folder / "follows.csv"), "cluster": "none"}
            told |= {"frames": "pandas", "ladder": "fixed", "recommendations.per_account": N}
            config = load_config(None, {**PLAIN, **told, **settings})
            made[name] = run_night(config, store, "2026-03-01").run
            assert verify_run(made[name]) == []
        return made[name]

    return make


def accounts_of(run):
    """Accounts with full lists, of all tiers."""
    counts = Counter(run.table("recommendations")["accountId"].to_pylist())
    return sorted(account for account, count in counts.items() if count == N)[::9]


def rejecting(account, run, candidates):
    rejected = {name: Rejection("2026-03-01T00:00:00Z", "") for name in candidates}
    return Lookup(account, run, rejected=rejected)


def rows_of(run, account):
    return Lookup(account, run).recommendations()


def published(run, *folders):
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for folder in folders
        for path in sorted((run.path / folder).iterdir())
    }


@pytest.mark.parametrize("settings", [{}, BLENDED], ids=["fill_up", "blend"])
def test_reserve_of_any_size_changes_no_published_byte(night, settings):
    kind = str(bool(settings))
    none = night(f"none{kind}", **{"recommendations.reserve": 0}, **settings)
    ten = night(f"ten{kind}", **settings)
    cut = night(f"cut{kind}", shards=7, **settings)
    tables = ("recommendations", "neighbours", "graph")
    assert published(none, *tables) == published(ten, *tables) == published(cut, *tables)
    assert published(ten, "reserve") == published(cut, "reserve")
    assert not (none.path / "reserve").exists()
    assert {name.split("/")[1] for name in ten.manifest.files if name.startswith("reserve/")} == {
        "indptr.npy", "codes.npy", "sources.npy", "scores.npy",
    }  # fmt: skip
    assert [array.dtype.name for array in load_reserve(ten.path)] == [
        "int64", "int32", "uint8", "float64",
    ]  # fmt: skip
    assert np.diff(load_reserve(ten.path).indptr).max() == 10


def test_refilled_rows_equal_those_of_a_longer_list(night):
    run, longer = night(), night("longer", **{"recommendations.per_account": 3 * N})
    sources = set()
    for account in accounts_of(run):
        expected = rows_of(longer, account)
        assert rows_of(run, account) == expected[:N]
        first = [row.candidate for row in expected[:N]]
        for gone in ([], first[:1], first[1:4], first, [*first, expected[N].candidate]):
            found = rejecting(account, run, gone).recommendations()
            kept = [row for row in expected if row.candidate not in gone][:N]
            assert found == [row._replace(rank=i) for i, row in enumerate(kept, 1)]
        assert rejecting(account, run, first).recommendations(2) == [
            row._replace(rank=i) for i, row in enumerate(expected[N : N + 2], 1)
        ]
        sources |= {row.source for row in found}
    assert sources == {"similar", "popular"}


def test_block_in_a_later_run_is_refilled(night, tmp_path):
    run = night()
    account = accounts_of(run)[0]
    before = [row.candidate for row in rows_of(run, account)]
    (tmp_path / "blocks.csv").write_text(f"accountId,candidateId\n{before[1]},{account}\n")
    newest = night("blocks", **{"filters.blocks": str(tmp_path / "blocks.csv")})
    after = Lookup(account, run, newest=newest).recommendations()
    assert [row.rank for row in after] == [1, 2, 3, 4, 5]
    assert [row.candidate for row in after[: N - 1]] == [before[0], *before[2:]]
    assert after[-1].candidate not in before


def test_exhausted_reserve_leaves_a_shorter_list(night):
    run = night("two", **{"recommendations.reserve": 2})
    account = accounts_of(run)[0]
    before = [row.candidate for row in rows_of(run, account)]
    after = rejecting(account, run, before[:4]).recommendations()
    assert [row.rank for row in after] == [1, 2, 3]
    assert after[0].candidate == before[4]


def test_run_without_reserve_is_not_refilled(night, tmp_path):
    run = replace(night(), path=tmp_path / "old")
    shutil.copytree(night().path, run.path)
    shutil.rmtree(run.path / "reserve")
    account = accounts_of(run)[0]
    before = rows_of(run, account)
    after = rejecting(account, run, [before[0].candidate]).recommendations()
    assert after == [row._replace(rank=i) for i, row in enumerate(before[1:], 1)]


def test_damaged_reserve_is_an_error(night, tmp_path):
    run = replace(night(), path=tmp_path / "damaged")
    shutil.copytree(night().path, run.path)
    (run.path / "reserve" / "codes.npy").write_bytes(b"nothing")
    account = accounts_of(run)[0]
    candidate = rows_of(run, account)[0].candidate
    with pytest.raises(RunError, match=r"reserve: cannot be read \(.*\); run the night again"):
        rejecting(account, run, [candidate]).recommendations()


def test_refilled_blend_keeps_the_limit_on_a_source(night):
    run = night("tenTrue", **BLENDED)
    refilled = 0
    for account in accounts_of(run):
        before = rows_of(run, account)
        for gone in before:
            after = rejecting(account, run, [gone.candidate]).recommendations()
            assert max(Counter(row.source for row in after).values()) <= 2
            refilled += len(after) == N
    assert refilled


def test_explanations_agree_with_the_refilled_list(night):
    run = night()
    account = accounts_of(run)[0]
    lookup = rejecting(account, run, [rows_of(run, account)[0].candidate])
    for row in lookup.recommendations():
        for found in (explain(lookup, row.candidate), explain_to_account(lookup, row.candidate)):
            assert found.recommended
            assert (found.rank, found.score, found.source, found.reason) == (
                row.rank, row.score, row.source, row.reason,
            )  # fmt: skip


@pytest.mark.parametrize("why", ["is followed already", "is the account itself", "is an unknown"])
def test_gate_refuses_a_planted_reserve_row(night, monkeypatch, why):
    graph = load_graph(night().path / "graph")
    account = int(np.flatnonzero(np.diff(load_reserve(night().path).indptr))[-1])
    planted = {
        "is followed already": graph.followees.row(account)[0],
        "is the account itself": account,
        "is an unknown": graph.accounts,
    }

    def leaking(*arguments):
        reserve = reserve_of(*arguments)
        codes = reserve.codes.copy()
        codes[reserve.indptr[account + 1] - 1] = planted[why]
        return reserve._replace(codes=codes)

    reserve_of = write.reserve_of
    monkeypatch.setattr(write, "reserve_of", leaking)
    with pytest.raises(LeakError, match=f" to '{graph.ids[account]}': the recommended .*{why}"):
        night(f"leak {why}")


def test_lists_do_not_depend_on_the_neighbours_that_a_run_publishes(night):
    every = night("every", **{"sources.similar.published": 10})
    few = night("few", **{"sources.similar.published": 2})
    assert published(few, "recommendations") == published(every, "recommendations")
    counts = Counter(every.table("neighbours")["accountId"].to_pylist())
    assert few.manifest.counts.neighbours == sum(min(2, count) for count in counts.values())
    graph = load_graph(every.path / "graph")
    for account in accounts_of(every)[::4]:
        config, fewer = (load_config(run.path / "config.yaml") for run in (every, few))
        all_near = neighbours_of(every, graph, config, account)
        near = neighbours_of(few, graph, fewer, account)
        count = int(near.counts[0])
        assert all_near.codes[0].tolist() == near.codes[0, :count].tolist()
        assert all_near.scores[0].tolist() == near.scores[0, :count].tolist()
        whom = rows_of(every, account)[-1].candidate
        assert explain(Lookup(account, few), whom) == replace(
            explain(Lookup(account, every), whom), run=few.id
        )
        assert further_rows(few, account) == further_rows(every, account)
