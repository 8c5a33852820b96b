"""What the report of an evaluation says of its means and differences."""

from __future__ import annotations

import pytest

from raypipe.serving.reports.content import Line, Table
from raypipe.serving.reports.evaluation import evaluation_report, gains
from raypipe.storage.evaluations import ALL, DifferenceRow, EvaluationResult, MeanRow, leaders

MEANS = {"popular": 0.1, "two_hop": 0.3, "ladder": 0.3, "rank_fusion": 0.35}


def result_of(verdict="rank_fusion", **changes):
    """Four sources; the ladder makes the lists of two_hop."""
    segments = ("cold", "warm", "hot", ALL)
    means = [
        MeanRow(
            segment=segment, source=source, metric=f"{metric}@10", accounts=9,
            mean=mean, low=mean - 0.05, high=mean + 0.05,
        )
        for metric in ("ndcg", "rejected")
        for segment in segments
        for source, mean in MEANS.items()
    ]  # fmt: skip
    pairs = [("popular", "two_hop"), ("popular", "rank_fusion"), ("two_hop", "rank_fusion")]
    differences = [
        DifferenceRow(
            segment=segment, first=first, second=second, metric="ndcg@10", accounts=9,
            difference=MEANS[first] - MEANS[second], low=-0.09, high=-0.01, verdict=verdict,
        )
        for segment in segments
        for first, second in pairs
    ]  # fmt: skip
    values = {
        "date": "2026-03-01",
        "digest": "0a1b2c3d",
        "data": "follows.csv",
        "sources": list(MEANS),
        "combined": ["ladder", "rank_fusion"],
        "same_lists_as": {"ladder": "two_hop"},
        "metrics": [
            {"name": "ndcg", "words": "", "better": "higher", "decides": True, "unit": ""},
            {"name": "rejected", "words": "", "better": "lower", "decides": False, "unit": ""},
        ],
        "lengths": [10],
        "headline": "ndcg@10",
        "segments": [
            {"name": "cold", "min_follows": 3, "max_follows": 9, "accounts": 9},
            {"name": "warm", "min_follows": 10, "max_follows": 49, "accounts": 9},
            {"name": "hot", "min_follows": 50, "max_follows": None, "accounts": 9},
        ],
        "means": means,
        "differences": differences,
        "split": {
            "split": "share",
            "share": 0.2,
            "follows": {"train": 80, "test": 20},
            "accounts": {
                "measured": 27, "not_drawn": 0, "without_follows": 1,
                "too_few_follows": 0, "nothing_held_out": 0,
            },
        },
        "config": {},
        "ladder": None,
        "walks": {},
        "engines": {"frames": "frames: pandas", "cluster": "cluster: none"},
        "stages": [],
        "versions": {},
    }  # fmt: skip
    return EvaluationResult.model_validate(values | changes)


def table_of(result, title):
    (table,) = (
        content
        for content in evaluation_report(result, "here")
        if isinstance(content, Table) and content.title == title
    )
    return table


def lines_of(result):
    report = evaluation_report(result, "here")
    return [content.text for content in report if isinstance(content, Line)]


def test_evaluation_report_best_value_of_each_metric_is_marked():
    table = table_of(result_of(), "all accounts with follows in train")
    assert table.columns == ("", *MEANS)
    marks = {row[0]: [cell.best for cell in row[1:]] for row in table.rows}
    assert marks == {
        "ndcg@10": [False, False, False, True],
        "rejected@10 (less is better)": [True, False, False, False],
    }


def test_evaluation_report_metric_without_better_has_no_mark():
    metric = {"name": "ndcg", "words": "", "better": None, "decides": False, "unit": ""}
    metrics = [metric, {**metric, "name": "rejected"}]
    table = table_of(
        result_of(metrics=metrics, headline=None), "all accounts with follows in train"
    )
    assert not any(cell.best for row in table.rows for cell in row[1:])


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("rank_fusion", "better"), ("two_hop", "worse"), ("neither", "not sure"), (None, "-")],
)
def test_gains_blend_is_compared_with_the_best_single_source(verdict, words):
    (table,) = gains(result_of(verdict))
    assert table.title == "against the best single source, two_hop, by ndcg@10"
    ((name, by, low, high, said),) = table.rows
    assert (name, said) == ("rank_fusion", words)
    assert [by.number, low.number, high.number] == pytest.approx([0.05, 0.01, 0.09])


def test_gains_single_sources_alone_have_no_table():
    assert gains(result_of(combined=[])) == ()
    assert gains(result_of(headline=None)) == ()


def test_evaluation_report_same_lists_are_named_and_not_compared():
    result = result_of()
    lines = lines_of(result)
    assert "ladder: same lists as two_hop" in lines
    (table,) = gains(result)
    assert [row[0] for row in table.rows] == ["rank_fusion"]
    (row,) = (row for row in leaders(result.means, result.differences, "ndcg@10")
              if row.segment == ALL)  # fmt: skip
    assert (row.first, row.second) == ("rank_fusion", "two_hop")


def test_leaders_twins_on_top_are_passed_over():
    means = [
        row.model_copy(update={"mean": 0.05 if row.source == "rank_fusion" else row.mean})
        for row in result_of().means
    ]
    found = leaders(means, result_of().differences, "ndcg@10")
    assert {(row.first, row.second) for row in found} == {("two_hop", "popular")}


def test_evaluation_result_reads_what_it_writes():
    result = result_of()
    assert EvaluationResult.from_json(result.to_json()) == result
    frame = result.to_pandas()
    assert len(frame) == len(result.means)
    assert frame.columns.tolist() == list(MeanRow.model_fields)
