"""What must not be shown is not shown: by any source, any night, any rollback, any command."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.cli.output.report import print_report
from raypipe.config import load_config
from raypipe.config.feedback_url import store_url
from raypipe.errors import ConfigError, FeedbackError, InputError, LeakError, MissingInputError
from raypipe.evaluation.holdout_selection import Decision
from raypipe.pipeline import guard, steps
from raypipe.pipeline.publish_gate import check_lists
from raypipe.pipeline.run import run_night
from raypipe.recommend.filters.eligibility import exclusions_of
from raypipe.recommend.filters.inputs import FilterInputs, filters_of
from raypipe.recommend.filters.readers import AccountIds, PairTable
from raypipe.recommend.filters.registry import FILTERS
from raypipe.recommend.ladder import FILL_UP, LEARNED_RANKER, RANK_FUSION
from raypipe.recommend.shard import recommend_shard
from raypipe.serving.reports.runs import run_report
from raypipe.storage.feedback.store import FeedbackStore, Snapshot
from raypipe.storage.records import LadderDecision, TierRecord
from raypipe.storage.runs.parts import write_parts
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.recommend._builders import SOURCES, prepare
from tests.recommend.blend.stumps import stumps
from tests.strategies import IDS, PLAIN, graph_of, pairs

ids = st.lists(st.sampled_from([*IDS, "unknown"]), max_size=3, unique=True)
some_pairs = st.lists(
    st.tuples(st.sampled_from([*IDS, "unknown"]), st.sampled_from(IDS)), max_size=12
)


def table_of(rows):
    columns = zip(*sorted(set(rows)), strict=True) if rows else ([], [])
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return pa.table(arrays, ["accountId", "candidateId"])


def inputs_of(rejected=(), blocked=(), opted_out=(), bots=()):
    found = {
        "rejections": PairTable(table_of(rejected)),
        "blocks": PairTable(table_of(blocked), both_ways=True),
        "opted_out": AccountIds(pa.array(opted_out, pa.large_string())),
        "bots": AccountIds(pa.array(bots, pa.large_string())),
    }
    read = tuple((spec, found.get(spec.key)) for spec in FILTERS)
    return FilterInputs(read, Snapshot(len(rejected), table_of(rejected)))


def excluded_to(account, rejected, blocked, globally_excluded):
    """The oracle: who must not be shown to an account, beside whom it follows."""
    both = [*blocked, *((b, a) for a, b in blocked)]
    return {b for a, b in [*rejected, *both] if a == account} | set(globally_excluded)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYPIPE_RUNS_DIR", raising=False)


@given(pairs.filter(bool), some_pairs, some_pairs, ids, ids, st.integers(1, 6))
def test_lists_equal_the_oracle(rows, rejected, blocked, opted_out, bots, n):
    graph = graph_of(rows)
    config = load_config(None, {**PLAIN, "recommendations.per_account": n})
    exclusions = exclusions_of(filters_of(inputs_of(rejected, blocked, opted_out, bots), graph))
    everybody = np.arange(graph.accounts, dtype=np.int32)
    context = prepare(graph, everybody, config, exclusions=exclusions)
    found = recommend_shard(context, (0, graph.accounts)).tables["recommendations"].to_pylist()
    follows, names = naive.follow_sets(rows), graph.ids.to_pylist()
    for code, account in enumerate(names):
        mine = [(names[row["other"]], row["score"]) for row in found if row["account"] == code]
        excluded = excluded_to(account, rejected, blocked, [*opted_out, *bots])
        expected = naive.recommend(follows, account, n, excluded=excluded)
        assert mine == [(candidate, score) for candidate, score, _ in expected]


def test_every_refusal_has_a_reason_and_is_counted():
    # me is as similar to you as can be; you follow one candidate for each reason.
    mine = ["x", "y", "z"]
    yours = ["rejected", "blocked", "blocker", "opted out", "bot", "shown"]
    graph = graph_of([*(("me", a) for a in mine), *(("you", a) for a in [*mine, *yours])])
    filters = filters_of(
        inputs_of(
            [("me", "rejected"), ("me", "never seen")],
            [("me", "blocked"), ("blocker", "me")],
            ["opted out"],
            ["bot"],
        ),
        graph,
    )
    everybody = np.arange(graph.accounts, dtype=np.int32)
    exclusions = exclusions_of(filters)
    assert filters.counts["rejections_of_unknown_accounts"] == 1
    context = prepare(graph, everybody, load_config(None, PLAIN), exclusions=exclusions)
    me = graph.code("me")
    tables = recommend_shard(context, (me, me + 1)).tables
    counted = {
        (row["source"], row["reason"]): row["candidates"]
        for row in tables["excluded"].to_pylist()
        if row["source"] == "similar" and row["candidates"]
    }
    assert counted == {
        ("similar", "ALREADY_FOLLOWED"): 3,
        ("similar", "REJECTED"): 1,
        ("similar", "BLOCKED"): 2,
        ("similar", "OPTED_OUT"): 1,
        ("similar", "BOT"): 1,
    }
    shown = {graph.ids[code].as_py() for code in tables["recommendations"]["other"].to_pylist()}
    assert shown == {"shown"}


def write(rows, path="follows.csv"):
    lines = ["followerId,followingId", *(f"{a},{b}" for a, b in rows)]
    Path(path).write_text("\n".join(lines) + "\n")


def config_for(**overrides):
    fixed = {"input.follows": "follows.csv", "cluster": "none", "frames": "pandas"}
    fixed |= {"ladder": "fixed", "sources.similar.min_follows": 1}
    return load_config(
        None, PLAIN | fixed | {k.replace("__", "."): v for k, v in overrides.items()}
    )


def lists_in(run):
    rows = pq.read_table(run.path / "recommendations").to_pylist()
    return {(row["accountId"], row["candidateId"]) for row in rows}


def reject(*pairs, runs="runs"):
    with closing(FeedbackStore(store_url(None, Path(runs)))) as store:
        for account, candidate in pairs:
            store.reject(account, candidate)


ROWS = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "y"), ("c", "z"), ("d", "x")]


def test_a_rejection_makes_another_run_and_is_out():
    write(ROWS)
    store = RunStore(Path("runs"))
    first = run_night(config_for(), store, "2026-03-01").run
    assert ("a", "z") in lists_in(first)
    reject(("a", "z"), ("a", "nobody knows"))
    second = run_night(config_for(), store, "2026-03-01")
    assert second.new
    assert lists_in(first) - lists_in(second.run) == {("a", "z")}
    manifest = second.run.manifest
    assert manifest.counts.filters["rejections"] == 1
    assert manifest.counts.filters["rejections_of_unknown_accounts"] == 1
    assert manifest.counts.excluded["similar"]["REJECTED"] == 1
    assert manifest.counts.checked_at_the_gate == len(lists_in(second.run))
    assert manifest.feedback.watermark == 2
    assert not run_night(config_for(), store, "2026-03-01").new


def test_blocks_opt_outs_and_bots_come_from_files():
    write([*ROWS, ("e", "z"), ("x", "y")])
    Path("blocks.csv").write_text("accountId,candidateId\nz,a\n")
    Path("out.csv").write_text("accountId\ny\n")
    pq.write_table(pa.table({"accountId": ["x"]}), "bots.parquet")
    store = RunStore(Path("runs"))
    plain = lists_in(run_night(config_for(), store, "2026-03-01").run)
    files = {"blocks": "blocks.csv", "opted_out": "out.csv", "bots": "bots.parquet"}
    settings = {f"filters__{key}": value for key, value in files.items()}
    run = run_night(config_for(**settings), store, "2026-03-02").run
    gone = plain - lists_in(run)
    blocked = {("a", "z"), ("z", "a")}
    assert gone == {(a, b) for a, b in plain if a == "x" or b in "xy" or (a, b) in blocked}
    assert {b for _, b in gone} == {"x", "y", "z"}


def test_the_summary_of_a_run_says_what_is_filtered(capsys):
    rows = [*ROWS, ("a", "z"), ("e", "z"), ("x", "y")]
    write(rows)
    store = RunStore(Path("runs"))
    print_report(run_report(run_night(config_for(), store, "2026-03-01").run.manifest, ""))
    assert "filters:" not in capsys.readouterr().out
    write([row for row in rows if row != ("a", "z")])
    Path("blocks.csv").write_text("accountId,candidateId\nz,d\n")
    Path("out.csv").write_text("accountId\ny\n")
    Path("bots.csv").write_text("accountId\nx\n")
    files = {"blocks": "blocks.csv", "opted_out": "out.csv", "bots": "bots.csv"}
    reject(("a", "b"), ("c", "a"), ("a", "nobody knows"))
    told = {f"filters__{key}": value for key, value in files.items()}
    told["network"] = "people"
    manifest = run_night(config_for(**told), store, "2026-03-02").run.manifest
    print_report(run_report(manifest, ""))
    lines = capsys.readouterr().out.splitlines()
    assert {"network: people", f"feedback: store {manifest.feedback.store}, up to event 3"} <= set(
        lines
    )
    (line,) = [ln for ln in lines if ln.startswith("filters:")]
    assert line == (
        "filters: 2 rejected, 1 rejected of unknown accounts, 2 blocked, both ways counted, "
        "2 used to be followed, 1 opted out, 1 bots"
    )


def test_previously_followed_is_remembered_from_run_to_run():
    store = RunStore(Path("runs"))
    write([*ROWS, ("a", "z")])
    run_night(config_for(), store, "2026-03-01")
    write(ROWS)
    for day in (2, 3, 4):
        outcome = run_night(config_for(), store, f"2026-03-0{day}")
        assert ("a", "z") not in lists_in(outcome.run)
        assert outcome.run.manifest.counts.filters["previously_followed"] == 1
        assert not run_night(config_for(), store, f"2026-03-0{day}").new
    forgetful = run_night(config_for(filters__previously_followed=False), store, "2026-03-05").run
    assert ("a", "z") in lists_in(forgetful)
    write([*ROWS, ("a", "z")])  # followed again
    again = run_night(config_for(), store, "2026-03-06").run
    assert again.manifest.counts.filters["previously_followed"] == 0


def test_an_unreadable_store_refuses_the_run():
    write(ROWS)
    store = RunStore(Path("runs"))
    before = run_night(config_for(), store, "2026-03-01").run
    Path("runs/feedback.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(FeedbackError, match="restore a backup"):
        run_night(config_for(), store, "2026-03-02")
    assert store.current() == before


def test_a_store_that_goes_away_during_the_night_refuses_the_run(monkeypatch):
    write(ROWS)
    store = RunStore(Path("runs"))

    def gate(*arguments):
        Path("runs/feedback.sqlite").write_bytes(b"not a database at all" * 100)
        return check_lists(*arguments)

    monkeypatch.setattr("raypipe.pipeline.write.check_lists", gate)
    with pytest.raises(FeedbackError):
        run_night(config_for(), store, "2026-03-01")
    assert store.current_id() is None
    assert store.runs() == []


def test_a_leak_publishes_nothing(monkeypatch):
    write(ROWS)
    store = RunStore(Path("runs"))
    reject(("a", "z"))
    monkeypatch.setattr(steps, "exclusions_of", lambda filters: exclusions_of(NONE))
    with pytest.raises(LeakError, match=r"1 recommendations must not be shown: 'z' to 'a': the "):
        run_night(config_for(), store, "2026-03-01")
    assert store.current_id() is None


NONE = filters_of(inputs_of(), graph_of(ROWS))


@pytest.mark.parametrize(
    ("pair", "told", "what"),
    [
        (("a", "x"), {}, "is followed already"),
        (("a", "a"), {}, "is the account itself"),
        (("a", "nobody"), {}, "is an unknown account"),
        (("a", "z"), {"rejected": [("a", "z")]}, "was rejected"),
        (("a", "z"), {"blocked": [("z", "a")]}, "was blocked"),
        (("a", "z"), {"opted_out": ["z"]}, "has opted out"),
        (("a", "z"), {"bots": ["z"]}, "is a bot"),
    ],
)
def test_the_gate_refuses_each(pair, told, what, tmp_path):
    graph = graph_of(ROWS)
    end = (0.5, "popular", "popular")
    rows = [("a", 1, "z", *end), ("b", 1, "y", *end)]
    if pair != ("a", "z"):
        rows = [(pair[0], 1, pair[1], *end), *rows[1:]]
    names = ("accountId", "rank", "candidateId", "score", "source", "reason")
    table = pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))
    parts = write_parts(tmp_path, "recommendations", [table], part_rows=1)
    with pytest.raises(
        LeakError, match=f"{pair[1]!r} to {pair[0]!r}: the recommended account {what}"
    ):
        check_lists(tmp_path, parts, graph, filters_of(inputs_of(**told), graph))
    fine = write_parts(tmp_path, "recommendations", [table.slice(1)])
    assert check_lists(tmp_path, fine, graph, filters_of(inputs_of(**told), graph)) == 1


def recommended(account):
    done = CliRunner().invoke(app, ["recommend", account, "--json"])
    assert done.exit_code == 0, done.output
    return {row["candidateId"] for row in json.loads(done.stdout)}


NAMES = "abcdefgh"
rows_of_names = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=8, max_size=30
)


def stands_on(monkeypatch, *names, how="fill_up"):
    """Nights from here on make every list of these sources."""
    tier = TierRecord(min_follows=0, sources=names, how=how)
    ladder = LadderDecision(decided_by="fixed", why="", metric="", tiers=(tier,))
    decided = Decision(ladder, stumps(names))
    monkeypatch.setattr(steps, "choose_ladder", lambda *_: decided)


MODEL = {
    "sources__factors__algorithm": "TruncatedSVD",
    "sources__factors__parameters": {"n_factors": 2},
}
BLENDED = {"blend__method": "learned_ranker", "ladder": "holdout"}


@settings(max_examples=6)
@given(rows_of_names, rows_of_names, *[st.lists(st.sampled_from([
    (a, b) for a in NAMES for b in NAMES if a != b
]), max_size=8)] * 3, st.sets(st.sampled_from(NAMES), max_size=2),
st.permutations(SOURCES), st.sampled_from([FILL_UP, RANK_FUSION, LEARNED_RANKER]))  # fmt: skip
def test_nothing_leaks_by_night_rollback_or_recommend(
    tmp_path_factory, first, second, early, late, blocked, globally_excluded, sources, how
):
    """Two nights, the follows of which differ; then a rollback, and rejections after it.

    Among so few, no list is ever full: every source is asked to fill it up, or blended.
    """
    with pytest.MonkeyPatch.context() as patch:
        stands_on(patch, *sources, how=how)
        patch.chdir(tmp_path_factory.mktemp("night"))
        patch.setattr(guard, "release", lambda *_: None)  # some of these nights have no list
        nothing_leaks(first, second, early, late, blocked, globally_excluded)


def nothing_leaks(first, second, early, late, blocked, globally_excluded):
    store = RunStore(Path("runs"))
    write(first)
    reject(*early)
    one = run_night(config_for(**MODEL, **BLENDED), store, "2026-03-01").run
    write(second)
    Path("blocks.csv").write_text(
        "\n".join(["accountId,candidateId", *(f"{a},{b}" for a, b in blocked)]) + "\n"
    )
    Path("bots.csv").write_text("\n".join(["accountId", *sorted(globally_excluded)]) + "\n")
    filters = {"filters__blocks": "blocks.csv", "filters__bots": "bots.csv"}
    two = run_night(config_for(**filters, **MODEL, **BLENDED), store, "2026-03-02").run
    asked = two.manifest.counts.recommendations
    assert asked.keys() == set(SOURCES)
    never = {(a, b) for a, b in first if a != b} - set(second)
    for account, candidate in lists_in(two):
        assert candidate not in excluded_to(account, [*early, *never], blocked, globally_excluded)
        assert (account, candidate) not in second
    assert not lists_in(one) & {*early, *first}
    store.rollback(one.id)
    reject(*late)
    known = {name for row in second for name in row}  # the second night knew no others
    for account in sorted({name for row in first for name in row}):
        excluded = excluded_to(account, [*early, *late], [], [])
        theirs = (
            excluded_to(account, [], blocked, globally_excluded) & known
            if account in known
            else set()
        )
        assert not recommended(account) & (excluded | theirs)


def test_after_a_rollback_what_came_to_be_hidden_stays_hidden():
    write([*ROWS, ("e", "z")])
    store = RunStore(Path("runs"))
    one = run_night(config_for(), store, "2026-03-01").run
    assert "z" in recommended("a")
    Path("bots.csv").write_text("accountId\nz\n")
    run_night(config_for(filters__bots="bots.csv"), store, "2026-03-02")
    store.rollback(one.id)
    assert ("a", "z") in lists_in(store.current())
    assert "z" not in recommended("a")


def test_phase_3_shows_nobody_who_was_rejected():
    rows = [(f"a{i}", f"a{j}") for i in range(30) for j in range(30) if (i * j + i + j) % 3 == 1]
    write([row for row in rows if row[0] != row[1]])
    store = RunStore(Path("runs"))
    model = {"sources.factors.algorithm": "TruncatedSVD", "sources.factors.min_follows": 1}
    config = load_config(None, {**config_for().model_dump(mode="json"), "ladder": "fixed"} | model)
    first = run_night(config, store, "2026-03-01").run
    best = [row["candidateId"] for row in first.recommendations("a1").to_pylist()][:2]
    assert first.recommendations("a1")["source"].to_pylist()[:2] == ["factors"] * 2
    reject(("a1", best[0]), ("new", best[1]))
    second = run_night(config, store, "2026-03-02").run
    assert ("a1", best[0]) not in lists_in(second)
    assert ("a1", best[1]) in lists_in(second)
    follows = ",".join(b for a, b in rows if a == "a1" and b != "a1")
    told = ["recommend", "new", "--following", follows, "--json"]
    shown = [row["candidateId"] for row in json.loads(CliRunner().invoke(app, told).stdout)]
    assert best[0] in shown
    assert best[1] not in shown


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"filters.blocks": "b.csv"}, MissingInputError, "b.csv: found no such file"),
        ({"filters.bots": "b.csv"}, MissingInputError, "filters.bots names a CSV or Parquet file"),
        ({"filters.blocks": "bad.csv"}, InputError, r"1 of 2 rows hold no block \(row 2: empty id"),
    ],
)
def test_files_that_cannot_be_used(settings, error, message):
    write(ROWS)
    Path("bad.csv").write_text("accountId,candidateId\na,b\na,\n")
    with pytest.raises(error, match=message):
        run_night(config_for(**settings), RunStore(Path("runs")), "2026-03-01")


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://me:secret@db/x", "postgresql+psycopg://db/x?password=secret"]
)
def test_a_password_does_not_go_into_a_config(url):
    with pytest.raises(ConfigError, match="leave the password out; set PGPASSWORD"):
        load_config(None, {**PLAIN, "feedback.url": url})
