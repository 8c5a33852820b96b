"""The whole night: same bytes however it is run, safe to kill, safe to repeat."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from raypipe.config import load_config
from raypipe.errors import (
    ConfigError,
    HeldError,
    InputError,
    TooLargeError,
    TooManyBadRows,
    UnknownAccountError,
)
from raypipe.graph.demo import demo_follows
from raypipe.pipeline import run as pipeline_run
from raypipe.pipeline import steps
from raypipe.pipeline.run import run_night
from raypipe.storage.runs.manifest import Manifest
from raypipe.storage.runs.run import verify_run
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.strategies import PLAIN

DATE = "2026-03-01"


@pytest.fixture(scope="module")
def demo_rows() -> list[tuple[str, str]]:
    return [row for row in demo_follows(accounts=300) if all(row)]


@pytest.fixture
def follows(tmp_path, demo_rows) -> Path:
    path = tmp_path / "follows.csv"
    lines = ["followerId,followingId", *(",".join(row) for row in demo_rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def config_for(follows: Path, **settings):
    overrides = {"input.follows": str(follows), "cluster": "none", "frames": "pandas"}
    overrides["ladder"] = "fixed"  # the oracle's; what evidence says is tested where it is decided
    return load_config(
        None, PLAIN | overrides | {k.replace("__", "."): v for k, v in settings.items()}
    )


def published(run) -> dict[str, bytes]:
    """Every byte that readers see of the lists."""
    folders = ("recommendations", "neighbours", "graph")
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for folder in folders
        for path in sorted((run.path / folder).iterdir())
    }


def test_publishes_what_the_oracle_says(follows, store, demo_rows):
    run = run_night(config_for(follows), store, DATE).run
    assert store.current() == run
    assert verify_run(run) == []
    sets = naive.follow_sets(demo_rows)
    found: dict[str, list] = {account: [] for account in sets}
    for row in pq.read_table(run.path / "recommendations").to_pylist():
        found[row["accountId"]].append((row["candidateId"], row["score"], row["source"]))
        assert row["rank"] == len(found[row["accountId"]])
    assert found == {account: naive.recommend(sets, account) for account in sets}
    neighbours = pq.read_table(run.path / "neighbours").to_pylist()
    assert [(row["accountId"], row["neighbourId"], row["score"]) for row in neighbours] == [
        (account, other, float(score))
        for account in sorted(sets)
        for other, score in naive.neighbours(sets, account)
    ]


def test_manifest_adds_up(follows, store, demo_rows):
    with follows.open("a") as file:
        file.write("jazz-0001,jazz-0001\n,jazz-0001\njazz-0001\n" + "star-01,star-02\n" * 2)
    run = run_night(config_for(follows), store, DATE).run
    manifest = Manifest.from_json((run.path / "manifest.json").read_bytes())
    rows = manifest.counts.rows
    sets = naive.follow_sets([*demo_rows, ("star-01", "star-02")])
    assert rows.rows_in == len(demo_rows) + 5
    assert rows.quarantined == 2
    assert rows.rows_used == sum(map(len, sets.values()))
    assert rows.self_follows == 1 + sum(a == b for a, b in demo_rows)
    assert rows.rows_in == sum(rows.model_dump().values()) - rows.rows_in
    assert sum(manifest.counts.recommendations.values()) == sum(
        part.rows for part in manifest.parts["recommendations"]
    )
    assert [stage.stage for stage in manifest.stages] == [
        "check", "read", "graph", "labels", "prepare", "plan", "recommend", "write", "gate",
    ]  # fmt: skip
    assert all(stage.peak_memory_mb > 10 for stage in manifest.stages)
    assert set(manifest.versions) >= {"raypipe", "python", "ray", "modin", "numpy"}
    quarantine = pq.read_table(run.path / "quarantine.parquet").to_pylist()
    reasons = [row["reason"] for row in quarantine]
    assert reasons == ["empty id in column followerId", "found 1 values, expected 2"]
    assert load_config(run.path / "config.yaml") == config_for(follows)


def oracle_by(tiers, sets, account) -> list:
    """The list of an account, where the phases of a ladder are 1 and 2."""
    tier = max(
        (tier for tier in tiers if tier.min_follows <= len(sets[account])),
        key=lambda tier: tier.min_follows,
    )
    return naive.recommend(sets, account, min_follows=0 if "similar" in tier.sources else 10**6)


def test_the_ladder_that_evidence_decides_is_what_is_shown(tmp_path, store):
    """Cold accounts follow anybody who is popular, warm ones who is in their half; none is hot."""
    rng = np.random.default_rng(0)
    pairs = [
        (f"cold-{a}", f"b-{followee}")
        for a in range(130)
        for followee in (rng.random(4) ** 4 * 400).astype(int)
    ] + [
        (f"warm-{a}", f"half-{a % 2}-{followee}")
        for a in range(130)
        for followee in rng.integers(0, 40, 25)
    ]
    follows = tmp_path / "halves.csv"
    follows.write_text("\n".join(["followerId,followingId", *(",".join(row) for row in pairs)]))
    run = run_night(config_for(follows, ladder="holdout"), store, DATE).run
    ladder = run.manifest.ladder
    assert ladder.decided_by == "holdout"
    tiers = ladder.tiers
    assert [(tier.min_follows, tier.sources, tier.how) for tier in tiers] == [
        (0, ("popular",), "fill_up"),
        (10, ("similar", "popular"), "fill_up"),
    ]
    stages = [stage.stage for stage in run.manifest.stages]
    assert stages[2:6] == ["graph", "labels", "holdout", "prepare"]
    sets = naive.follow_sets(pairs)
    shown = pq.read_table(run.path / "recommendations").to_pylist()
    assert [(row["candidateId"], row["score"], row["source"]) for row in shown] == [
        row for account in sorted(sets) for row in oracle_by(tiers, sets, account)
    ]


def test_same_bytes_whatever_runs_it(follows, store, local_ray):
    """pandas and Modin frames; 1, 2 and 7 shards; with and without Ray."""
    runs = {}
    for frames, cluster, shards in [
        ("pandas", "none", 1),
        ("pandas", "none", 2),
        ("pandas", "none", 7),
        ("pandas", "local", 7),
        ("modin", "local", 2),
    ]:
        other = RunStore(store.root.with_name(f"{frames}-{cluster}-{shards}"))
        config = config_for(
            follows, frames=frames, cluster=cluster, shards=shards, ladder="holdout"
        )
        run = run_night(config, other, DATE).run
        assert run.manifest.counts.shards == shards
        assert run.manifest.ladder.decided_by == "holdout"
        runs[frames, cluster, shards] = published(run) | {"ladder": run.manifest.ladder}
    first = runs.pop(("pandas", "none", 1))
    assert len(first) == 8
    for how, found in runs.items():
        assert found == first, how


CAP = 40


def test_a_cap_on_hubs_finds_what_the_oracle_finds(follows, store, demo_rows):
    config = config_for(follows, sources__similar__max_followers=CAP)
    run = run_night(config, store, DATE).run
    sets = naive.follow_sets(demo_rows)
    assert [
        (row["accountId"], row["neighbourId"], row["score"])
        for row in pq.read_table(run.path / "neighbours").to_pylist()
    ] == [
        (account, other, float(score))
        for account in sorted(sets)
        for other, score in naive.neighbours(sets, account, cap=CAP)
    ]
    recommended = pq.read_table(run.path / "recommendations").to_pylist()
    assert [(row["candidateId"], row["score"], row["source"]) for row in recommended] == [
        row for account in sorted(sets) for row in naive.recommend(sets, account, cap=CAP)
    ]
    hubs = {account for account, followers in naive.popularity(sets) if followers > CAP}
    from_similar = {row["candidateId"] for row in recommended if row["source"] == "similar"}
    assert hubs & from_similar  # a hub helps nobody to find neighbours, and is still recommended

    pairs = [(naive.neighbours(sets, one), naive.neighbours(sets, one, cap=CAP)) for one in sets]
    shares = [naive.recall(exact, found) for exact, found in pairs if exact]
    similarity = run.manifest.similarity
    assert (similarity.max_followers, similarity.hubs_left_out) == (CAP, len(hubs))
    assert similarity.sample == len(shares)
    assert similarity.recall == round(float(sum(shares) / len(shares)), 4) < 1
    assert [stage.stage for stage in run.manifest.stages][-3:] == ["recall", "write", "gate"]


#: Of a task, for the demo network of 300 accounts: enough for one index, one block, two, seven.
MEMORY = ("400MB", "300.08MB", "300.05MB", "300.014MB")


@pytest.mark.parametrize("cap", [None, CAP])
def test_column_blocks_give_the_same_bytes(cap, follows, store, local_ray, monkeypatch):
    """Whatever a task may hold, with and without Ray, with and without a cap on hubs."""
    monkeypatch.setattr("raypipe.recommend.memory._MIN_SHARD_ACCOUNTS", 300)
    settings = {"sources__similar__max_followers": cap}
    expected = run_night(config_for(follows, **settings), store, DATE).run
    blocks = []
    for memory, cluster in [*((memory, "none") for memory in MEMORY), ("300.05MB", "local")]:
        other = RunStore(store.root.with_name(f"{memory}-{cluster}"))
        config = config_for(follows, memory_per_task=memory, cluster=cluster, **settings)
        run = run_night(config, other, DATE).run
        assert run.id == expected.id
        assert published(run) == published(expected)
        assert run.manifest.similarity == expected.manifest.similarity
        said = run.manifest.engines.similarity or ": 0, "
        blocks.append(int(said.split(": ")[-1].split(",")[0]))
        assert run.manifest.counts.shards >= min(2, blocks[-1])
        assert "CPUs, memory for " in run.manifest.engines.cluster or cluster == "none"
    assert blocks[0] == 0
    assert 0 < blocks[1] < blocks[2] < blocks[3]
    assert blocks[4] == blocks[2]


def test_column_blocks_give_the_same_bytes_of_a_real_network(data, store):
    follows = data / "advogato" / "follows.csv"
    expected = run_night(config_for(follows), store, DATE).run
    other = RunStore(store.root.with_name("blocks"))
    run = run_night(config_for(follows, memory_per_task="301MB"), other, DATE).run
    assert "in column blocks (memory_per_task 301.0MB): " in run.manifest.engines.similarity
    assert published(run) == published(expected)


def test_a_task_that_may_hold_too_little_is_refused_before_the_work(follows, store):
    with pytest.raises(TooLargeError) as error:
        run_night(config_for(follows, memory_per_task="299MB"), store, DATE)
    assert str(error.value).startswith("memory_per_task: found 299.0MB, expected 301MB or more: ")
    assert store.current_id() is None
    assert run_night(config_for(follows, memory_per_task="301MB"), store, DATE).new


def test_a_graph_that_does_not_fit_on_this_machine_is_refused(follows, store, monkeypatch):
    monkeypatch.setattr("raypipe.pipeline.load.memory_available", lambda: 40_000)
    with pytest.raises(TooLargeError, match=r"up to 48\.9KB while .* 40\.0KB are free on this"):
        run_night(config_for(follows), store, DATE)
    with pytest.raises(TooLargeError, match=r"a task with memory_per_task 300\.1MB takes 80\.0KB"):
        run_night(config_for(follows, memory_per_task="300.08MB"), store, DATE)


def test_a_second_start_with_other_memory_cuts_other_shards(follows, store, monkeypatch):
    """What was finished for the first cut is of no use, and in nobody's way."""
    cuts = []
    real = steps.recommend_shard

    def dies_after_two(work, shard):
        cuts.append(shard)
        if len(cuts) == 3:
            raise Killed
        return real(work, shard)

    monkeypatch.setattr(steps, "recommend_shard", dies_after_two)
    with pytest.raises(Killed):
        run_night(config_for(follows, shards=4), store, DATE)
    monkeypatch.setattr(steps, "recommend_shard", real)
    run = run_night(config_for(follows, memory_per_task="300.02MB"), store, DATE).run
    assert run.manifest.counts.shards > 5
    whole = run_night(config_for(follows), RunStore(store.root.with_name("whole")), DATE).run
    assert published(run) == published(whole)


def test_a_cap_on_hubs_gives_the_same_however_it_is_run(follows, store, local_ray, monkeypatch):
    monkeypatch.setattr("raypipe.evaluation.neighbour_recall._MAX_SAMPLE", 50)
    found = []
    for cluster, shards in [("none", 1), ("none", 5), ("local", 3)]:
        other = RunStore(store.root.with_name(f"{cluster}-{shards}"))
        config = config_for(
            follows, sources__similar__max_followers=CAP, cluster=cluster, shards=shards
        )
        run = run_night(config, other, DATE).run
        assert 0 < run.manifest.similarity.sample <= 50
        found.append((published(run), run.manifest.similarity))
    assert found[0] == found[1] == found[2]


def test_a_cap_that_nobody_exceeds_changes_no_byte(follows, store, demo_rows):
    most = naive.popularity(naive.follow_sets(demo_rows))[0][1]
    exact = run_night(config_for(follows), store, DATE).run
    config = config_for(follows, sources__similar__max_followers=most)
    capped = run_night(config, store, DATE).run
    assert published(capped) == published(exact)
    assert capped.id != exact.id
    facts = exact.manifest.similarity.model_copy(update={"max_followers": most})
    assert capped.manifest.similarity == facts
    assert facts.recall == facts.low == 1


def test_a_second_run_changes_nothing(follows, store):
    config = config_for(follows)
    first = run_night(config, store, DATE)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}
    again = run_night(config_for(follows, shards=3), store, DATE)
    assert (first.new, again.new) == (True, False)
    assert again.run == first.run
    after = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}
    changed = {
        path.name for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    }
    assert changed <= {".lock", ".lock.owner"}


def test_other_input_of_the_same_date_is_another_run(follows, store):
    first = run_night(config_for(follows), store, DATE).run
    with follows.open("a") as file:
        file.write("newcomer,star-01\n")
    second = run_night(config_for(follows), store, DATE).run
    assert second.id == f"{first.id}.2"
    assert store.current() == second
    assert len(second.recommendations("newcomer")) == 10
    with pytest.raises(UnknownAccountError, match="newcomer"):
        first.recommendations("newcomer")


def test_a_rerun_does_not_undo_a_rollback(follows, store):
    first = run_night(config_for(follows), store, "2026-03-01").run
    second = run_night(config_for(follows), store, "2026-03-02").run
    store.rollback()
    assert not run_night(config_for(follows), store, "2026-03-02").new
    assert store.current() == first != second


def test_too_many_bad_rows_publish_nothing_and_are_kept(follows, store):
    before = run_night(config_for(follows), store, DATE).run
    with follows.open("a") as file:
        file.write("lonely\n" * 100)
    with pytest.raises(
        TooManyBadRows, match=r"100 of .* all of them: .*quarantine\.parquet"
    ) as error:
        run_night(config_for(follows), store, DATE)
    assert store.current() == before
    kept = Path(str(error.value).rpartition(": ")[2])
    assert len(pq.read_table(kept)) == 100


def test_audience(follows, store, tmp_path, demo_rows):
    chosen = tmp_path / "active.csv"
    chosen.write_text("accountId,seen\nstar-01,x\njazz-0001,x\nstranger,x\n")
    config = config_for(follows, audience__accounts=str(chosen))
    run = run_night(config, store, DATE).run
    recommendations = pq.read_table(run.path / "recommendations").to_pandas()
    assert sorted(set(recommendations.accountId)) == ["jazz-0001", "star-01", "stranger"]
    sets = naive.follow_sets(demo_rows)
    mine = recommendations[recommendations.accountId == "jazz-0001"]
    expected = naive.recommend(sets, "jazz-0001")
    assert list(mine.candidateId) == [candidate for candidate, _, _ in expected]
    popular = recommendations[recommendations.accountId == "stranger"]
    expected = naive.recommend({**sets, "stranger": set()}, "stranger")
    assert list(popular.candidateId) == [candidate for candidate, _, _ in expected]
    assert set(popular.source) == {"popular"}

    config = config_for(follows, audience__min_follows=20)
    run = run_night(config, store, DATE).run
    recommended = set(pq.read_table(run.path / "recommendations")["accountId"].to_pylist())
    assert recommended == {account for account, followees in sets.items() if len(followees) >= 20}


def test_another_audience_is_another_run(follows, store, tmp_path):
    chosen = tmp_path / "active.csv"
    config = config_for(follows, audience__accounts=str(chosen))
    found = []
    for ids in ("star-01", "star-02"):
        chosen.write_text(f"accountId\n{ids}\n")
        found.append(run_night(config, store, DATE))
    assert [outcome.new for outcome in found] == [True, True]
    assert found[0].run.id != found[1].run.id


def test_another_version_is_another_run(follows, store, monkeypatch):
    first = run_night(config_for(follows), store, DATE)
    monkeypatch.setattr("raypipe.__version__", "0.0.9")
    second = run_night(config_for(follows), store, DATE)
    assert second.new
    assert second.run.id != first.run.id


def held(config, store):
    """The finished run of a night without any list: it is held back."""
    with pytest.raises(HeldError):
        run_night(config, store, DATE)
    (run,) = store.runs()
    assert store.current_id() is None
    return run


def test_an_audience_of_nobody_makes_empty_lists_and_is_held(follows, store):
    run = held(config_for(follows, audience__min_follows=10**6), store)
    assert run.manifest.counts.recommendations == {"similar": 0, "popular": 0}
    assert len(run.recommendations("star-01")) == 0


def test_rows_that_are_all_bad_make_an_empty_graph_and_are_held(follows, store):
    follows.write_text("followerId,followingId\n,a\na,\n")
    run = held(config_for(follows, input__max_bad_fraction=1), store)
    assert run.manifest.counts.rows.quarantined == 2
    assert run.manifest.counts.graph.accounts == 0


def test_only_self_follows_recommend_nobody(follows, store):
    follows.write_text("followerId,followingId\na,a\nb,b\n")
    run = held(config_for(follows), store)
    assert run.manifest.counts.recommendations == {"similar": 0, "popular": 0}
    assert len(run.recommendations("a")) == 0


def test_min_followers(follows, store, demo_rows):
    run = run_night(config_for(follows, candidates__min_followers=30), store, DATE).run
    sets = naive.follow_sets(demo_rows)
    followers = dict(naive.popularity(sets))
    found = pq.read_table(run.path / "recommendations")["candidateId"].to_pylist()
    assert min(followers[account] for account in found) >= 30
    assert run.manifest.counts.excluded["similar"]["TOO_FEW_FOLLOWERS"] > 0


TRANSFORM = """
def without_stars(frame):
    return frame[~frame["followingId"].str.startswith("star-")]
"""


@pytest.mark.parametrize("frames", ["pandas", "modin"])
def test_the_users_own_step(frames, follows, store, demo_rows, tmp_path, monkeypatch, request):
    (tmp_path / "my_steps.py").write_text(TRANSFORM)
    monkeypatch.chdir(tmp_path)
    request.getfixturevalue("local_ray")
    config = config_for(
        follows, input__transform="my_steps:without_stars", frames=frames, cluster="local"
    )
    run = run_night(config, store, DATE).run
    rows = run.manifest.counts.rows
    assert rows.dropped_by_transform == sum(b.startswith("star-") for _, b in demo_rows)
    kept = [row for row in demo_rows if not row[1].startswith("star-")]
    assert rows.rows_used == sum(map(len, naive.follow_sets(kept).values()))


def test_modin_without_ray_is_refused(follows):
    with pytest.raises(ConfigError, match="frames: modin runs on Ray, but cluster is none"):
        config_for(follows, frames="modin")


class Killed(BaseException):
    """Stands for a kill: nothing of raypipe catches it."""


def test_goes_on_from_the_shards_that_were_finished(follows, store, monkeypatch):
    config = config_for(follows, shards=7)
    done = []
    real = steps.recommend_shard

    def dies_after_three(work, shard):
        if len(done) == 3:
            raise Killed
        done.append(shard)
        return real(work, shard)

    monkeypatch.setattr(steps, "recommend_shard", dies_after_three)
    with pytest.raises(Killed):
        run_night(config, store, DATE)
    first = list(done)
    done.clear()
    monkeypatch.setattr(
        steps, "recommend_shard", lambda *args: (done.append(args[1]), real(*args))[1]
    )
    run = run_night(config, store, DATE).run
    assert len(first) == 3
    assert len(done) == 4
    assert not set(first) & set(done)
    whole = run_night(config, RunStore(store.root.with_name("whole")), DATE).run
    assert published(run) == published(whole)


def raise_killed(*args):
    raise Killed


def test_a_second_start_stands_on_the_ladder_of_the_first(follows, store, monkeypatch):
    config = config_for(follows, shards=2, ladder="holdout")
    with monkeypatch.context() as patch:
        patch.setattr(steps, "recommend_shard", raise_killed)
        with pytest.raises(Killed):
            run_night(config, store, DATE)
    monkeypatch.setattr(steps, "choose_ladder", raise_killed)
    run = run_night(config, store, DATE).run
    monkeypatch.undo()
    whole = run_night(config, RunStore(store.root.with_name("whole")), DATE).run
    assert run.manifest.ladder == whole.manifest.ladder
    assert published(run) == published(whole)


class KillAt:
    """Progress that ends the process, as kill -9 does, when a stage begins or moves."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def stage(self, name, total=None):
        self._tick()

    def advance(self, work):
        self._tick()

    def say(self, text):
        self._tick()

    def _tick(self):
        self.left -= 1
        if self.left < 0:
            os._exit(137)


def test_killed_between_finished_and_published(follows, store, monkeypatch):
    """The run is there, nobody has seen it: the next start publishes it as it is."""
    config = config_for(follows)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "publish", raise_killed)
        with pytest.raises(Killed):
            run_night(config, store, DATE)
    (finished,) = store.runs()
    assert store.current_id() is None
    monkeypatch.setattr(pipeline_run, "_make_run", raise_killed)
    outcome = run_night(config, store, DATE)
    assert (outcome.run.id, outcome.new) == (finished.id, True)
    assert store.current() == finished


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_each_step_readers_see_old_or_new(follows, store):
    old = run_night(config_for(follows), store, "2026-02-28").run
    config = config_for(follows, shards=2, ladder="holdout")
    fresh = published(run_night(config, RunStore(store.root.with_name("fresh")), DATE).run)
    moment = 0
    while True:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run_night(config, store, DATE, KillAt(moment))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        seen = store.current()
        assert verify_run(seen) == []
        if os.waitstatus_to_exitcode(status) == 0:
            break
        assert os.waitstatus_to_exitcode(status) == 137
        assert seen == old
        moment += 1
    assert moment >= 11  # seven stages, two reasons, two shards; the ladder is kept
    assert published(seen) == fresh
    assert seen != old


def test_frames_are_strings_for_the_users_step(follows):
    from raypipe.follows import follows_dataframe

    frame = follows_dataframe(follows)
    assert all(pd.api.types.is_string_dtype(dtype) for dtype in frame.dtypes)


class ChangesTheInput(KillAt):
    """Somebody writes to the follows while they are read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stage(self, name, total=None):
        if name == "graph":
            with self.path.open("a") as file:
                file.write("late,star-01\n")

    def _tick(self):
        pass


def test_an_input_that_changes_while_it_is_read_is_refused(follows, store):
    with pytest.raises(InputError, match="changed while it was read; run it again"):
        run_night(config_for(follows), store, DATE, ChangesTheInput(follows))
    assert store.current_id() is None
    assert run_night(config_for(follows), store, DATE).new
