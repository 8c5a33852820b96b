"""``raypipe evaluate``, as people and programs use it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raypipe.cli import app
from raypipe.config import load_config
from raypipe.evaluation import plots
from raypipe.evaluation.evaluate import evaluate as evaluate_follows
from raypipe.evaluation.holdout_selection import Decision, choose_ladder
from raypipe.evaluation.metric_choice import metric_names
from raypipe.evaluation.metrics import METRICS
from raypipe.storage.records import TierRecord
from tests.strategies import PLAIN

SOURCES = ["popular", "similar", "factors", "follow_back", "two_hop", "co_followed", "pagerank"]
SOURCES += ["rank_fusion", "learned_ranker", "ladder"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert CliRunner().invoke(app, ["demo", "--accounts", "300"]).exit_code == 0


def evaluate(*words: object, follows="demo/follows.csv"):
    settings = ["--set", "cluster=none", "--set", "evaluation.bootstrap=100"]
    line = ["evaluate", "--follows", follows, *settings, *map(str, words)]
    return CliRunner().invoke(app, line)


def as_json(*words: object):
    result = evaluate("--json", *words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def values_of(folder):
    return pq.read_table(Path(folder, "evaluation.parquet")).to_pandas()


def test_files_and_json_say_the_same():
    said = as_json()
    folder = Path(said.pop("folder"))
    assert folder.parent == Path("evaluations")
    assert folder.name == f"{said['date']}-{said['digest']}"
    assert json.loads((folder / "evaluation.json").read_text()) == said
    assert said["sources"] == SOURCES
    values = values_of(folder)
    accounts = said["split"]["accounts"]["measured"]
    counts = {segment["name"]: segment["accounts"] for segment in said["segments"]}
    assert accounts == sum(counts.values()) - counts["zero"]
    assert len(values) == sum(counts.values()) * len(SOURCES) * 2 * len(
        [spec for spec in METRICS if spec.needs in ("hits", "popularity")]
    )
    assert values.columns.tolist() == ["accountId", "segment", "source", "metric", "value"]
    of_all = values[values["segment"] != "zero"]
    assert of_all["accountId"].nunique() == accounts
    for row in said["means"]:
        of_segment = (
            values[values["segment"] == row["segment"]] if row["segment"] != "all" else of_all
        )
        some = of_segment[
            (of_segment.source == row["source"]) & (of_segment.metric == row["metric"])
        ]
        if row["metric"].startswith("coverage"):
            assert row["low"] is None
        elif not some.value.notna().any():
            assert (row["accounts"], row["mean"]) == (0, None)
        else:
            assert row["accounts"] == some.value.notna().sum()
            assert row["mean"] == pytest.approx(some.value.mean())
    names = set(metric_names()) - {"rejected"}
    assert {row["metric"] for row in said["means"]} == {f"{n}@{k}" for n in names for k in (10, 20)}
    for picture in ("accuracy.png", "beyond.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def test_shards_do_not_show():
    one, many = (as_json("--set", f"shards={n}", "--out", f"out{n}") for n in (1, 7))
    assert one["digest"] == many["digest"]
    assert one["means"] == many["means"]
    assert one["differences"] == many["differences"]
    files = [Path(said["folder"], "evaluation.parquet").read_bytes() for said in (one, many)]
    assert files[0] == files[1]


def test_what_changes_the_digest():
    quick = ["--set", "evaluation.metrics=[recall]"]
    base = as_json(*quick)
    assert as_json(*quick)["folder"] == base["folder"]
    others = [
        as_json(*quick, "--sources", "popular,similar"),
        as_json(*quick, "--set", "seed=1"),
        as_json(*quick, "--set", "sources.similar.neighbours=3"),
    ]
    with open("demo/follows.csv", "a") as file:
        file.write("jazz-0001,somebody-new\n")
    others.append(as_json(*quick))
    assert len({base["digest"], *(said["digest"] for said in others)}) == 5


def test_a_table_in_80_columns():
    sources = "popular,similar,similar+popular,ladder"
    result = evaluate("--sources", sources)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(len(x) for x in lines if not x.startswith(("frames: ", "cluster: "))) <= 80
    said = as_json("--sources", sources)
    row = next(
        row for row in said["means"]
        if (row["segment"], row["source"], row["metric"]) == ("all", "similar", "ndcg@20")
    )  # fmt: skip
    cell = " ".join(f"{row['mean']:.3f} {row['low']:.3f}-{row['high']:.3f}".split())
    shown = [line.split("│") for line in lines if line.startswith("│ ndcg@20 ")]
    assert [cells[1].strip() for cells in shown] == ["ndcg@20"] * 2  # three sources, then one
    assert shown[0][3].strip().replace("*", "") == cell.replace("0.", ".")
    assert f"result: {said['folder']}" in result.stdout
    for line in (
        " accounts measured", " zero: 0 follows in train", "who leads by ndcg@20",
    ):  # fmt: skip
        assert any(shown.startswith(line) for shown in lines), line
    assert "measure ...\n" in result.stderr
    assert "write ...\n" in result.stderr


def test_all_sources_in_80_columns_with_what_is_not_walked():
    sources = ["follow_back", "two_hop", "co_followed", "follow_back+two_hop+co_followed"]
    asked = "--sources", ",".join(sources), "--set", "sources.two_hop.max_intermediary_follows=20"
    lines = evaluate(*asked).stdout.splitlines()
    assert max(len(x) for x in lines if not x.startswith(("frames: ", "cluster: "))) <= 80
    said = as_json(*asked)
    assert said["sources"] == sources
    (name, about), *others = said["walks"].items()
    assert (name, about["max_intermediary_follows"], others) == ("two_hop", 20, [])
    assert 0 < about["share_of_walks_left"] < 1
    share, left_out = f"{about['share_of_walks_left']:.1%}", about["left_out"]
    assert (
        f"two_hop: {share} of walks left, without {left_out} accounts of over 20 follows" in lines
    )
    recall = {
        row["source"]: row["mean"]
        for row in said["means"]
        if (row["segment"], row["metric"]) == ("all", "recall@20")
    }
    assert recall[sources[-1]] > max(recall[name] for name in ("follow_back", "two_hop"))


def test_the_ladder_is_decided_within_train(monkeypatch):
    """As a night on the train follows decides it; what it decides, here turned, is measured."""
    quick = ["--set", "evaluation.metrics=[ndcg]", "--set", "evaluation.k=[10]"]
    seen = []

    def watched(graph, *rest):
        ladder = choose_ladder(graph, *rest).ladder
        assert ladder.tiers[-1].sources != ("popular",)
        tier = TierRecord(min_follows=0, sources=("popular",), how="fill_up")
        seen.append((graph.follows, ladder.model_copy(update={"tiers": (tier,)})))
        return Decision(seen[-1][1], None)

    monkeypatch.setattr("raypipe.evaluation.evaluate.choose_ladder", watched)
    said = as_json(*quick, "--sources", "popular,similar+popular,ladder")
    ((follows, facts),) = seen
    assert follows == said["split"]["follows"]["train"]
    assert said["ladder"] == facts.model_dump(mode="json")
    assert facts.decided_by == "holdout"
    means = {row["source"]: row["mean"] for row in said["means"] if row["segment"] == "all"}
    assert means["ladder"] == means["popular"] != means["similar+popular"]
    assert as_json(*quick, "--sources", "popular")["ladder"] is None
    assert len(seen) == 1
    fixed = as_json(*quick, "--sources", "ladder", "--set", "ladder=fixed")
    assert fixed["ladder"]["decided_by"] == "fixed"
    assert fixed["digest"] != said["digest"]


def test_few_metrics_make_few_tables_and_pictures():
    for metrics, pictures in (("[coverage]", ["beyond.png"]), ("[mrr]", ["accuracy.png"])):
        folder = as_json("--set", f"evaluation.metrics={metrics}", "--out", metrics)["folder"]
        assert sorted(path.name for path in Path(folder).glob("*.png")) == pictures
        result = evaluate("--set", f"evaluation.metrics={metrics}", "--out", metrics)
        assert result.exit_code == 0
        assert ("who leads by mrr@20" in result.stdout) == (metrics == "[mrr]")
    alone = evaluate("--sources", "popular")
    assert alone.exit_code == 0
    assert "who leads" not in alone.stdout


def test_accounts_that_are_measured_are_drawn():
    said = as_json("--set", "evaluation.max_accounts=20", "--set", "evaluation.k=[5]")
    accounts = said["split"]["accounts"]
    assert accounts["measured"] == 20
    assert accounts["not_drawn"] > 0
    values = values_of(said["folder"])
    assert values[values["segment"] != "zero"]["accountId"].nunique() == 20


def test_who_is_measured_depends_on_the_seed_alone():
    words = ["--set", "evaluation.max_accounts=20", "--set", "evaluation.metrics=[recall]"]
    one, other, third = (
        values_of(as_json(*words, "--set", setting)["folder"])
        for setting in ("seed=1", "sources.similar.neighbours=3", "seed=0")
    )
    assert np.array_equal(other["accountId"], third["accountId"])
    assert not np.array_equal(one["accountId"], third["accountId"])


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["--sources", "populer"], 78, "no source 'populer'; did you mean popular?"),
        (["--set", "evaluation.metrics=[rmse]"], 78, "evaluation.metrics: rmse needs ratings"),
        (["--set", "evaluation.split=time"], 78, "evaluation.split: time needs the time of each"),
        (["--set", "evaluation.min_follows=999"], 65, "no account can be measured: none of"),
        (["--set", "evaluation.min_follows=1"], 78, "evaluation.min_follows: found 1; input shoul"),
        (["--follows", "none.csv"], 66, "none.csv: found no such file or folder"),
        (["--set", "evaluation.split=file"], 78, "evaluation: split: file needs test, a file of"),
        (["--out", "/dev/null"], 73, "cannot be written: Not a directory"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(words, exit_code, message):
    result = evaluate(*words)
    assert result.exit_code == exit_code
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("raypipe: ")]
    assert message in line
    assert "Traceback" not in result.output


def test_a_test_file_that_is_not_there():
    given = ["--set", "evaluation.split=file", "--set", "evaluation.test=none.csv"]
    result = evaluate(*given)
    assert result.exit_code == 66
    line = result.stderr.splitlines()[-1]
    assert line == "raypipe: none.csv: found no such file or folder; fix evaluation.test"


@pytest.mark.parametrize("metrics", [["ndcg"], ["ndcg", "recall"], ["ndcg", "recall", "mrr"]])
def test_a_picture_of_all_sources_shows_each_by_its_name(metrics):
    """The legend is within the picture, and no two sources look the same."""
    names = [name for name in SOURCES if name != "learned_ranker"]
    names.append("similar+popular")
    told = {"input.follows": "demo/follows.csv", "blend.method": "rank_fusion", "ladder": "fixed"}
    quick = {
        "sources.factors.algorithm": "TruncatedSVD",
        "sources.factors.parameters": {"n_factors": 4},
    }
    config = load_config(
        None, {**PLAIN, **told, **quick, "cluster": "none", "evaluation.metrics": metrics}
    )
    result = evaluate_follows(config, names).result
    figure = plots.figure_of(result, result.metrics)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    reports = {(line[0].get_color(), line[0].get_marker()) for line in figure.axes[0].containers}
    assert len(reports) == len(names) == len(legend.get_texts())
