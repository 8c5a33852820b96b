"""What a run suggests at its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from raypipe.config import load_config
from raypipe.serving.next_steps import next_steps


def run_with(first: str | None, **rows: int):
    parts = {"recommendations": [SimpleNamespace(first=None), SimpleNamespace(first=first)]}
    counts = SimpleNamespace(recommendations=rows)
    return SimpleNamespace(manifest=SimpleNamespace(parts=parts, counts=counts))


def test_next_steps_name_an_account_with_a_list_and_the_share_of_popular():
    run = run_with("a1", popular=1, similar=3)
    account, lists = next_steps(run, load_config(None, {}))
    assert account == "next: raypipe recommend a1"
    assert lists.startswith("lists: 25% popular; ")


def test_next_steps_quote_ids_and_name_a_runs_folder_of_its_own():
    (line, _) = next_steps(
        run_with("a b", popular=1), load_config(None, {}), Path("my-runs"), ".venv/bin/raypipe"
    )
    assert line == "next: .venv/bin/raypipe recommend 'a b' --runs-dir my-runs"


def test_next_steps_of_a_run_without_lists():
    assert [line[:25] for line in next_steps(run_with(None), load_config(None, {}))] == [
        "lists: no recommendations"
    ]


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"blend.method": "none"}, "--set blend.method=learned_ranker"),
        ({"blend.method": "rank_fusion"}, "--set blend.method=learned_ranker"),
        ({}, "--set sources.factors.algorithm=TruncatedSVD"),
        ({"sources.factors.algorithm": "TruncatedSVD"}, "raypipe evaluate"),
    ],
)
def test_next_steps_name_the_setting_that_would_do_more(settings, more):
    config = load_config(None, settings)
    assert next_steps(run_with("a", popular=1), config)[-1].endswith(more)
