"""Stored records: frozen, checked, refused in one line where another raypipe wrote them."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from raypipe.errors import RunError
from raypipe.storage.evaluations import RESULT, EvaluationResult
from raypipe.storage.plans import Plan
from raypipe.storage.sweeps import SweepResult, TrialRecord, load_sweep

TRIAL = {
    "trial": 3, "state": "finished", "settings": {"sources.similar.neighbours": 20},
    "epochs": None, "measures": {"ndcg@20": 0.2}, "seconds": 1.5, "error": None,
}  # fmt: skip
SWEEP = {
    "date": "2026-03-01", "digest": "0a1b2c3d", "raypipe": "0.1.0", "data": "follows",
    "input": "follows.csv", "objective": "ndcg@20", "more_is_better": True, "seed": 0,
    "states": {"finished": 1, "stopped": 0, "failed": 0}, "trials": [TRIAL], "best": TRIAL,
    "measured_again": {"ndcg@20": 0.1}, "measured_on": {"in_sweep": "a", "again": "b"},
    "misled": None, "sweep": {},
}  # fmt: skip
PLAN = {
    "counts": {"accounts": 2, "follows": 1, "co_follow_pairs": 1, "audience": 2},
    "column_blocks": 0,
    "seconds": {"read": 1.0, "total": 2.0},
    "nodes": 1,
    "cpus": 2,
    "memory_bytes": {"ids": 88},
    "hubs": [{"accountId": "a", "followers": 1, "share_of_co_follow_pairs": 1.0}],
    "similarity": {
        "max_followers": None, "hubs_left_out": 0, "share_of_co_follow_pairs_left": 1.0,
        "recall": 1.0, "low": 1.0, "high": 1.0, "sample": 0,
    },
}  # fmt: skip


def test_to_json_is_sorted_and_read_back_equal():
    result = SweepResult.model_validate(SWEEP)
    text = result.to_json()
    assert json.loads(text) == {**SWEEP, "schema_version": 1}
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert SweepResult.from_json(text) == result


def test_contract_is_frozen_and_refuses_unknown_fields():
    trial = TrialRecord.model_validate(TRIAL)
    with pytest.raises(ValidationError, match="frozen"):
        trial.seconds = 2.0
    with pytest.raises(ValidationError, match="mood"):
        TrialRecord.model_validate({**TRIAL, "mood": "good"})


def test_to_json_nan_is_refused():
    plan = Plan.model_validate({**PLAN, "seconds": {"read": float("nan")}})
    with pytest.raises(ValueError, match="JSON"):
        plan.to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({**SWEEP, "schema_version": 2}), "found schema_version 2, expected 1"),
        (json.dumps(SWEEP), "found no schema_version, expected 1"),
        ("[1]", "found list, expected an object"),
        ("{", "it is not JSON"),
        (json.dumps({**SWEEP, "schema_version": 1, "seed": "x"}), "seed: Input should be a valid"),
    ],
)
def test_load_result_of_another_schema_version_is_refused_in_one_line(text, message, tmp_path):
    (tmp_path / "sweep.json").write_text(text)
    (tmp_path / "evaluation.json").write_text(text if "seed" not in message else "{")
    with pytest.raises(RunError) as caught:
        load_sweep(tmp_path)
    assert f"{tmp_path / 'sweep.json'}: {message}" in str(caught.value)
    assert str(caught.value).endswith("sweep again: raypipe sweep CONFIG")
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match=r"; evaluate again$"):
        EvaluationResult.load(tmp_path / RESULT, "evaluate again")


def test_load_result_missing_file_is_one_line(tmp_path):
    with pytest.raises(RunError, match="cannot be read: No such file"):
        load_sweep(tmp_path)


def test_save_result_is_what_load_reads(tmp_path):
    result = SweepResult.model_validate(SWEEP)
    result.save(tmp_path / "sweep.json")
    assert load_sweep(tmp_path) == result


def test_to_pandas_one_row_a_trial_and_a_stage():
    frame = SweepResult.model_validate(SWEEP).to_pandas()
    assert frame.loc[0, ["trial", "sources.similar.neighbours", "ndcg@20"]].tolist() == [3, 20, 0.2]
    stages = Plan.model_validate(PLAN).to_pandas()
    assert stages.to_dict("list") == {"stage": ["read", "total"], "seconds": [1.0, 2.0]}
