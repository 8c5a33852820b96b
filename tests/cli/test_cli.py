"""The command line, as people and programs use it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raypipe import columns
from raypipe.cli import app
from raypipe.cli.output.report import print_report
from raypipe.serving.reports.ladder import ladder_report
from raypipe.storage.records import LadderDecision, StrategyRow, TierRecord
from tests.graph.test_degree_table import BAD_TABLES
from tests.storage.intake.bad_inputs import BAD_INPUTS
from tests.strategies import PLAIN

#: What a report says in a sentence, which the terminal wraps.
SENTENCES = "frames: ", "cluster: ", "factors: "
PLAIN_WORDS = [word for key, value in PLAIN.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test starts in an empty folder, in a terminal 80 columns wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("RAYPIPE_RUNS_DIR", raising=False)


def raypipe(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def night_once(tmp_path_factory):
    """The folder of a published run of the demo network, and what the run printed."""
    folder = tmp_path_factory.mktemp("night")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("RAYPIPE_RUNS_DIR", raising=False)
        raypipe("demo", "--accounts", 300)
        result = raypipe("run", "--follows", "demo/follows.csv", "--date", "2026-03-01", "--json")
    assert result.exit_code == 0, result.output
    return folder, result.stdout


@pytest.fixture
def night(night_once, tmp_path):
    """A published run of the demo network in ./runs: a copy, for the test to change."""
    folder, printed = night_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return json.loads(printed)


def as_json(*words: object):
    result = raypipe(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_run_says_what_it_did(night):
    shown = raypipe("runs", "show").stdout
    assert f"run {night['run']}" in shown
    assert f"{night['counts']['rows']['rows_in']:,}" in shown
    again = raypipe("run", "--follows", "demo/follows.csv", "--date", "2026-03-01")
    assert again.exit_code == 0
    assert "nothing to do" in again.stdout
    account = re.search(r"^next: \S+ recommend (\S+)", again.stderr, re.MULTILINE)[1]
    assert as_json("recommend", account)
    table = [line for line in shown.splitlines() if not line.startswith(SENTENCES)]
    assert max(map(len, table)) <= 80


def row_of(segment, source, ndcg, **leads):
    """A row of a ladder's table, as a manifest has it."""
    bounds = {"cold": (3, 9), "warm": (10, 49), "hot": (50, None)}[segment]
    row = {"segment": segment, "min_follows": bounds[0], "max_follows": bounds[1], "ndcg": ndcg}
    row |= {"strategy": source, "sources": [source, "popular"], "leads": bool(leads)}
    return StrategyRow(**row | {"accounts": 3000 if ndcg else 0, "why": "11 of 100"} | leads)


def test_a_ladder_of_three_phases_in_80_columns(capsys):
    by = {"difference": -0.0031, "difference_low": -0.0062, "difference_high": 0.0012}
    rows = [
        row_of("cold", "popular", 0.0123),
        row_of("cold", "similar", 0.0456, **by),
        row_of("cold", "factors", 0.0487),
        row_of("hot", "similar", None, **{**dict.fromkeys(by), "leads": True}),
    ]
    tiers = (TierRecord(min_follows=0, sources=("popular",), how="fill_up"),)
    about = {"why": "ladder: fixed (config)", "metric": "ndcg@10", "tiers": tiers}
    print_report(ladder_report(LadderDecision(decided_by="holdout", table=rows, **about)))
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    assert shown[0] == "ndcg@10 on follows held out; *: leads"
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown if "│" in line]
    assert cells == [
        ["accounts", "3,000", "0"],
        ["popular", ".012", "-"],
        ["similar", ".046*", "*"],
        ["factors", ".049", "-"],
        ["ahead by", "-.003", "-"],
        ["from", "-.006", "-"],
        ["to", ".001", "-"],
    ]
    assert shown[-1] == "ladder: hot: 11 of 100; similar"
    print_report(ladder_report(LadderDecision(decided_by="fixed", **about)))
    assert capsys.readouterr().out == "ladder: fixed (config)\n"


def test_run_and_show_print_what_decided(night):
    assert night["ladder"]["decided_by"] == "holdout"
    assert "ndcg@10 on follows held out; *: leads" in raypipe("runs", "show").stdout
    fixed = raypipe("run", "--follows", "demo/follows.csv", "--set", "ladder=fixed").stdout
    assert "ladder: fixed (config)\n" in fixed
    assert "holdout" not in fixed


def test_runs_show_run_of_another_schema_version_is_refused_in_one_line(night):
    """And ``runs list`` names the problem."""
    path = Path("runs", night["run"], "manifest.json")
    tree = json.loads(path.read_text())
    for written, found in (({**tree, "schema_version": 2}, "2"), (tree, "no schema_version")):
        written = {k: v for k, v in written.items() if found == "2" or k != "schema_version"}
        path.write_text(json.dumps(written))
        listed = raypipe("runs", "list", "--json")
        assert listed.exit_code == 0
        (row,) = json.loads(listed.stdout)
        assert found in row["problem"]
        assert "expected 1" in row["problem"]
        assert "run the night again" in row["problem"]
        shown = raypipe("runs", "show", night["run"])
        assert shown.exit_code == 73
        assert len(shown.output.splitlines()) == 1
        assert row["problem"] in shown.output


def test_recommend_and_similar(night):
    rows = as_json("recommend", "star-01")
    assert [list(row) for row in rows] == [columns.RECOMMENDATIONS_SCHEMA.names] * 10
    assert [row["rank"] for row in rows] == list(range(1, 11))
    assert as_json("recommend", "star-01", "--limit", 3) == rows[:3]
    near = as_json("similar", "jazz-0001")
    assert [list(row) for row in near] == [columns.NEIGHBOURS_SCHEMA.names] * len(near)
    shown = raypipe("recommend", "star-01", "--limit", 1).stdout
    assert rows[0]["candidateId"] in shown
    assert rows[0]["source"] in shown
    assert raypipe("similar", "star-01").stdout == f"star-01, run {night['run']}: none\n"


def test_recommend_shows_the_reason_in_80_columns(night):
    row = next(row for row in as_json("recommend", "jazz-0001") if " and " in row["reason"])
    shown = raypipe("recommend", "jazz-0001").stdout
    assert max(map(len, shown.splitlines())) <= 80
    cells = [line.split("│")[1:-1] for line in shown.splitlines() if "│" in line]
    place = next(place for place, cell in enumerate(cells) if row["candidateId"] in cell[1])
    told = " ".join(cell[-1].strip() for cell in cells[place : place + 2])
    assert told.startswith(row["reason"])


def test_recommend_starts_neither_ray_nor_numba_nor_pandas(night):
    code = (
        "import sys; from raypipe.cli import app\n"
        "try: app(['recommend', 'star-01'])\n"
        "finally: print({'ray', 'modin', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "set()"


def test_ids_are_shown_as_they_are():
    """They are neither markup nor commands to the terminal."""
    odd = "[red]\x1b[31m[/x]"
    Path("odd.csv").write_text(f"followerId,followingId\na,{odd}\nb,{odd}\nb,c\n{odd},c\n")
    as_json("run", "--follows", "odd.csv")
    shown = raypipe("recommend", "c").stdout
    assert r"[red]\x1b[31m[/x]" in shown
    assert "\x1b" not in shown
    assert as_json("recommend", "c")[0]["candidateId"] == odd
    assert "[red]" in raypipe("recommend", odd).stdout


def test_a_rerun_says_what_is_published(night):
    second = as_json("run", "--follows", "demo/follows.csv", "--date", "2026-03-02")
    raypipe("runs", "rollback")
    again = raypipe("run", "--follows", "demo/follows.csv", "--date", "2026-03-02")
    assert f"published is {night['run']}" in " ".join(again.stdout.split())
    assert f"raypipe runs rollback {second['run']}" in " ".join(again.stdout.split())


def test_a_terminated_run_cleans_up():
    """SIGTERM, as Kubernetes sends it: exit code 143, and the lock is free."""
    raypipe("demo", "--accounts", 300)
    command = [sys.executable, "-m", "raypipe", "run", "--follows", "demo/follows.csv"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line == "check ...\n":
                break
        process.terminate()
        assert process.wait(timeout=30) == 143
    assert raypipe("run", "--follows", "demo/follows.csv").exit_code == 0


def test_stats_of_a_graph_without_follows():
    Path("self.csv").write_text("followerId,followingId\na,a\n")
    assert raypipe("run", "--follows", "self.csv").exit_code == 77  # no list at all: held back
    (run,) = as_json("runs", "list")
    assert raypipe("runs", "publish", run["run"], "--force").exit_code == 0
    assert as_json("stats")["follows"] == 0
    result = raypipe("stats", "--png", "x.png")
    assert (result.exit_code, result.stderr) == (
        65, "raypipe: the graph has no follows: nothing to draw\n",
    )  # fmt: skip


def test_a_picture_that_cannot_be_written(night):
    result = raypipe("stats", "--png", "no/such/folder.png")
    assert result.exit_code == 73
    assert result.stderr.startswith("raypipe: no/such/folder.png: cannot be written")


def test_plan_says_what_a_night_will_cost(night):
    planned = as_json("plan", "--follows", "demo/follows.csv", "--nodes", 2, "--cpus", 4)
    assert planned["counts"] == {**night["counts"]["graph"], "audience": 320}
    seconds = planned["seconds"]
    assert list(seconds) == [
        "read", "graph", "holdout", "train", "prepare", "plan",
        "recommend_on_one_cpu", "recommend", "write", "total",
    ]  # fmt: skip
    assert seconds["recommend_on_one_cpu"] / 8 <= seconds["recommend"] + 1e-3
    assert planned["hubs"][0]["accountId"] == "star-01"
    assert planned["memory_bytes"]["follows"] > 2 * 4 * night["counts"]["graph"]["follows"]
    shown = raypipe("plan", "--follows", "demo/follows.csv").stdout
    assert "1 nodes of" in shown
    assert "star-01" in shown
    assert as_json("runs", "list")[0]["run"] == night["run"]  # nothing was run


def test_too_little_memory_is_one_line(night):
    """The least that is asked for is enough; run and plan, of follows and of degrees, say it."""
    raypipe("stats", "--degrees", "d.csv")
    words = [*PLAIN_WORDS, "--set", "memory_per_task=100MB"]
    said = set()
    for command in (["run", "--date", "2026-03-02"], ["plan"]):
        result = raypipe(*command, "--follows", "demo/follows.csv", *words)
        assert (result.exit_code, result.stdout) == (71, "")
        said.add(result.stderr.splitlines()[-1])
    result = raypipe("plan", "--degrees", "d.csv", *words)
    assert result.exit_code == 71
    assert {result.stderr.splitlines()[-1]} == said
    largest = as_json("stats")["follows_per_follower"]["max"]
    (line,) = said
    assert line == (
        "raypipe: memory_per_task: found 100.0MB, expected 301MB or more: a task takes 300.0MB for "
        f"itself and for 320 accounts, and 2.4KB to find neighbours for the {largest:.0f} follows "
        "of one account"
    )


def test_plan_and_run_say_what_column_blocks_cost(night):
    plain = ["--follows", "demo/follows.csv", *PLAIN_WORDS]
    words = [*plain, "--set", "memory_per_task=300.04MB"]
    planned = as_json("plan", *words, "--nodes", 2, "--cpus", 4)
    one = as_json("plan", *plain, "--nodes", 2, "--cpus", 4)
    assert one["column_blocks"] == 0
    assert planned["column_blocks"] > 1
    assert planned["memory_bytes"]["workers"] == 4 * 300_040_000
    assert planned["memory_bytes"]["similarity_index"] < one["memory_bytes"]["similarity_index"]
    shown = " ".join(raypipe("plan", *words).stdout.split())
    count = planned["column_blocks"]
    assert f"similarity: in column blocks: {count}, built by each shard" in shown
    result = raypipe("run", *words, "--date", "2026-03-02")
    line = f"similarity: in column blocks (memory_per_task 300.0MB): {count}, built by each of "
    assert line in " ".join(result.stdout.split())
    assert line in " ".join(result.stderr.split())
    raypipe("stats", "--degrees", "d.csv")
    unseen = as_json("plan", "--degrees", "d.csv", *words[2:], "--nodes", 2, "--cpus", 4)
    assert 1 < unseen["column_blocks"] <= count
    assert unseen["memory_bytes"]["workers"] == planned["memory_bytes"]["workers"]
    assert shape(unseen) == shape(planned)


def test_plan_and_run_say_what_a_cap_on_hubs_costs(night):
    words = ["--follows", "demo/follows.csv", "--set", "sources.similar.max_followers=40"]
    planned = as_json("plan", *words)["similarity"]
    assert planned == as_json("run", *words)["similarity"]
    assert planned["hubs_left_out"] > 0
    assert 0 < planned["low"] <= planned["recall"] <= planned["high"] < 1
    for command in ("plan", "run"):
        shown = " ".join(raypipe(command, *words).stdout.split())
        assert f"{planned['hubs_left_out']} accounts with more than 40 followers left out" in shown
        assert f"{planned['recall']:.3f} of the exact neighbours are found" in shown
    assert "exact neighbours" not in raypipe("runs", "show", night["run"]).stdout
    words[-1] = "sources.similar.max_followers=400"
    shown = raypipe("plan", *words).stdout
    assert "similarity: exact; no account has more than 400 followers" in " ".join(shown.split())


def shape(value):
    """The keys of a JSON value, all the way down."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else None


def test_plan_from_degrees_says_the_same_things(night):
    planned = as_json("plan", "--follows", "demo/follows.csv", "--nodes", 2, "--cpus", 4)
    assert "degrees: d.csv" in raypipe("stats", "--degrees", "d.csv").stdout
    unseen = as_json("plan", "--degrees", "d.csv", "--nodes", 2, "--cpus", 4)
    assert shape(unseen) == shape(planned)
    assert list(unseen["seconds"]) == list(planned["seconds"])
    assert unseen["counts"] == planned["counts"]
    assert unseen["similarity"] == planned["similarity"]
    assert [{**hub, "accountId": None} for hub in planned["hubs"]] == unseen["hubs"]
    assert unseen["memory_bytes"]["follows"] == planned["memory_bytes"]["follows"]
    seconds = unseen["seconds"]
    parts = (seconds[name] for name in seconds if name not in ("recommend_on_one_cpu", "total"))
    assert seconds["total"] == pytest.approx(sum(parts), abs=0.01)
    assert "1 nodes of" in raypipe("plan", "--degrees", "d.csv").stdout
    accounts = 4 * planned["counts"]["accounts"]
    grown = as_json("plan", "--degrees", "d.csv", "--accounts", accounts)["counts"]
    assert grown["accounts"] == accounts
    assert grown["follows"] == 4 * planned["counts"]["follows"]


@pytest.mark.parametrize("bad", BAD_TABLES, ids=lambda bad: bad.name)
def test_bad_degree_tables_are_one_line(bad, tmp_path):
    result = raypipe("plan", "--degrees", bad.write(tmp_path))
    lines = [line for line in result.stderr.splitlines() if line.startswith("raypipe: ")]
    assert result.exit_code == bad.error.exit_code
    assert len(lines) == 1
    assert bad.words in lines[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--accounts", 5], "--accounts: found no --degrees; expected a degree table to scale up"),
        (["--degrees", "d.csv", "--follows", "f.csv"], "--follows and --degrees: found both"),
    ],
)
def test_options_of_plan_that_do_not_go_together(words, message):
    result = raypipe("plan", *words)
    assert result.exit_code == 78
    assert result.stderr.startswith(f"raypipe: {message}")


def test_the_manifest_shows_predicted_beside_actual(night):
    predicted, actual = night["predicted"], night["actual"]
    assert set(predicted) == set(actual)
    seconds = {stage["stage"]: stage["seconds"] for stage in night["stages"]}
    assert actual["recommend_seconds"] == seconds["recommend"]
    assert actual["write_seconds"] == seconds["write"]
    assert actual["total_seconds"] == pytest.approx(sum(seconds.values()), abs=0.01)
    rest = sum(seconds.values()) - seconds["recommend"] - seconds["write"]
    assert predicted["write_seconds"] == round(night["counts"]["audience"] * 30 / 1e6, 3)
    assert predicted["total_seconds"] == pytest.approx(
        rest + predicted["recommend_seconds"] + predicted["write_seconds"], abs=0.01
    )


def test_stats(night):
    statistics = as_json("stats", "--png", "degrees.png")
    assert statistics["accounts"] == night["counts"]["graph"]["accounts"]
    assert Path("degrees.png").read_bytes().startswith(b"\x89PNG")
    shown = raypipe("stats").stdout
    assert f"{statistics['follows']:,}" in shown
    assert "followers per followee" in shown
    assert f"{statistics['mutual_follows']:,}" in shown
    assert "triangles" not in shown
    closed = as_json("stats", "--triangles")
    assert closed.items() > statistics.items()
    assert closed["triangles"] > 0
    assert f"{closed['triangles']:,}" in raypipe("stats", "--triangles").stdout


def test_runs(night):
    second = as_json("run", "--follows", "demo/follows.csv", "--date", "2026-03-02")
    third = as_json("run", "--follows", "demo/follows.csv", "--date", "2026-03-03")
    assert [row["run"] for row in as_json("runs", "list")] == [
        third["run"], second["run"], night["run"],
    ]  # fmt: skip
    assert as_json("runs", "rollback") == {"run": second["run"]}
    assert [row["published"] for row in as_json("runs", "list")] == [False, True, False]
    assert as_json("runs", "rollback", night["run"]) == {"run": night["run"]}
    assert as_json("runs", "show", "--verify")["run"] == night["run"]
    assert as_json("runs", "prune", "--keep", 1) == {"removed": [second["run"]]}
    assert as_json("runs", "rollback", third["run"]) == {"run": third["run"]}
    assert f"* | {third['run']}" in raypipe("runs", "list").stdout.translate(
        str.maketrans("│", "|")
    )
    victim = Path("runs", third["run"], "statistics.json")
    victim.write_text(victim.read_text().replace("1", "2"))
    damaged = raypipe("runs", "show", "--verify")
    assert damaged.exit_code == 73
    assert "sha256 differs: statistics.json" in damaged.stderr


def test_runs_dir_by_option_and_by_environment(night, monkeypatch):
    elsewhere = as_json(
        "run", "--follows", "demo/follows.csv", "--runs-dir", "other", "--date", "2026-03-09"
    )
    monkeypatch.setenv("RAYPIPE_RUNS_DIR", "other")
    assert [row["run"] for row in as_json("runs", "list")] == [elsewhere["run"]]
    assert [row["run"] for row in as_json("runs", "list", "--runs-dir", "runs")] == [night["run"]]


def test_config_show_and_check(night):
    Path("c.yaml").write_text(
        "sources: {similar: {neighbours: 7}}\ninput: {follows: demo/follows.csv}\n"
    )
    shown = as_json("config", "show", "c.yaml", "--set", "sources.similar.threshold=0.2")
    assert (
        shown["sources"]["similar"]["neighbours"],
        shown["sources"]["similar"]["threshold"],
    ) == (7, 0.2)
    assert "neighbours: 7" in raypipe("config", "show", "c.yaml").stdout
    assert as_json("config", "check", "c.yaml")["files"] == ["demo/follows.csv"]
    model = "sources.factors.algorithm=TruncatedSvd"
    unknown = raypipe("config", "check", "c.yaml", "--set", model)
    assert unknown.exit_code == 78
    assert "did you mean TruncatedSVD?" in unknown.stderr
    missing = raypipe("config", "check", "c.yaml", "--follows", "none.csv")
    assert (missing.exit_code, missing.stderr) == (
        66, "raypipe: none.csv: found no such file or folder; fix input.follows\n",
    )  # fmt: skip


def test_config_check_reads_filters_and_rejections(night):
    told = ["config", "check", "--follows", "demo/follows.csv"]
    assert raypipe(*told).stdout.startswith("good: ")
    missing = raypipe(*told, "--set", "filters.bots=b.csv")
    assert missing.exit_code == 66
    assert missing.stderr.startswith(
        "raypipe: b.csv: found no such file or folder; filters.bots names a CSV"
    )
    Path("bad.csv").write_text("accountId,candidateId\na,b\na,\n")
    bad = raypipe(*told, "--set", "filters.blocks=bad.csv")
    assert (bad.exit_code, "1 of 2 rows hold no block (row 2" in bad.stderr) == (65, True)
    Path("runs/feedback.sqlite").write_bytes(b"not a database at all" * 100)
    torn = raypipe(*told)
    assert (torn.exit_code, torn.stdout) == (74, "")
    assert "restore a backup" in torn.stderr
    assert raypipe(*told, "--runs-dir", "other").exit_code == 0
    assert raypipe(*told, "--set", "feedback.url=sqlite:///other.sqlite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["recommend", "a"], 73, "nothing is published in runs; start with: raypipe run CONFIG"),
        (["similar", "a"], 73, "nothing is published in runs; start with: raypipe run CONFIG"),
        (["stats"], 73, "nothing is published in runs; start with: raypipe run CONFIG"),
        (["runs", "show", "zzz"], 73, "zzz"),
        (["runs", "rollback"], 73, "nothing is published in runs; start with: raypipe run CONFIG"),
        (["runs", "prune", "--keep", 0], 78, "keep 0: expected 1 or more"),
        (["run"], 78, "input.follows: not set; expected a file, a folder or a glob"),
        (["run", "none.yaml"], 78, "none.yaml: cannot be read: No such file or directory"),
        (["run", "--set", "x"], 78, "--set x: expected section.key=value"),
        (["run", "--set", "cluster=2"], 78, "cluster: found 2; expected auto, none, local or"),
        (["demo", "--out", "/dev/null/f.csv"], 73, "/dev/null/f.csv: cannot be written"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(words, exit_code, message):
    result = raypipe(*words)
    assert result.exit_code == exit_code
    line = re.sub("^date .*, today in UTC ...\nimport ...\ncheck ...\n", "", result.stderr)
    assert line.startswith("raypipe: ")
    assert message in line
    assert line.count("\n") == 1
    assert result.stdout == ""


def test_unknown_account_is_named(night):
    result = raypipe("recommend", "nobody")
    assert result.exit_code == 67
    assert result.stderr.startswith(f"raypipe: account 'nobody' is not in run {night['run']}")


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_bad_inputs_are_one_line_and_publish_nothing(bad, tmp_path):
    words = ["run", "--runs-dir", "runs"]
    for key, value in bad.make(tmp_path).items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    result = raypipe(*words)
    lines = [line for line in result.stderr.splitlines() if line.startswith("raypipe: ")]
    assert result.exit_code == bad.error.exit_code
    assert len(lines) == 1
    message, _, kept = lines[0].removeprefix("raypipe: ").partition("; all of them: ")
    assert bad.is_said_by(message, tmp_path), message
    assert not kept or Path(kept).is_file()
    assert "Traceback" not in result.output
    assert not Path("runs", "CURRENT.json").exists()


def test_version():
    assert raypipe("--version").stdout == "raypipe 0.1.0\n"
