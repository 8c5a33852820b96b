"""Impression fatigue: what was shown often rests, and comes back."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raypipe.config import load_config
from raypipe.errors import InputError, MissingInputError
from raypipe.pipeline.run import run_night
from raypipe.recommend.filters.inputs import check_filters
from raypipe.recommend.filters.readers import resting
from raypipe.serving.explain import explain
from raypipe.serving.explanation import explain_to_account
from raypipe.serving.lookup import look_up
from raypipe.storage.feedback.tables import read_impressions
from raypipe.storage.runs.store import RunStore
from tests import naive
from tests.strategies import PLAIN

EPOCH = datetime.date(1970, 1, 1)
impressions = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(20_500, 20_520)),
    max_size=40,
)


@example([("a", "x", 20_500), ("a", "x", 20_501), ("a", "x", 20_509)], 20_509, 2, 2)
@given(impressions, st.integers(20_499, 20_530), st.integers(1, 4), st.integers(1, 9))
def test_resting_pairs_equal_the_naive_ones(rows, tonight, times, rest):
    accounts, candidates, days = zip(*rows, strict=True) if rows else ((), (), ())
    ids = [pa.array(column, pa.large_string()) for column in (accounts, candidates)]
    table = pa.table(
        [*ids, pa.array(days, pa.int32()).cast(pa.date32())], ["accountId", "candidateId", "night"]
    )
    date = (EPOCH + datetime.timedelta(tonight)).isoformat()
    found = resting(table, date, times, rest).to_pylist()
    pairs = [(row["accountId"], row["candidateId"]) for row in found]
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == naive.resting(rows, tonight, times, rest)


@pytest.fixture
def night(tmp_path):
    """A function that runs a night, in which ``c`` is the best candidate of ``a``."""
    follows = tmp_path / "follows.csv"
    follows.write_text("followerId,followingId\na,b\nd,b\nd,c\ne,b\ne,c\ne,f\n")

    def run(date, *nights, **settings):
        table = tmp_path / "impressions.csv"
        table.write_text("\n".join(["accountId,candidateId,night", *nights]) + "\n")
        asked = {"input.follows": str(follows), "cluster": "none", "ladder": "fixed"}
        asked |= {f"filters.impressions.{key}": value for key, value in settings.items()}
        asked["filters.impressions.table"] = str(table)
        config = load_config(None, PLAIN | asked)
        return run_night(config, RunStore(tmp_path / "runs"), date).run

    return run


def list_of(run, account="a"):
    return run.recommendations(account)["candidateId"].to_pylist()


def test_a_candidate_rests_and_comes_back(night, tmp_path):
    shown = ["a,c,2026-03-01", "a,c,2026-03-02", "nobody,c,2026-03-01", "nobody,c,2026-03-02"]
    asked = {"times": 2, "rest": 2}
    assert "c" in list_of(night("2026-03-02", *shown[:1], **asked))
    run = night("2026-03-03", *shown, **asked)
    assert "c" not in list_of(run)
    assert "c" in list_of(run, "f")
    counts = run.manifest.counts
    assert counts.filters["resting"] == counts.filters["resting_of_unknown_accounts"] == 1
    assert sum(by.get("RESTING", 0) for by in counts.excluded.values()) > 0
    lookup = look_up(RunStore(tmp_path / "runs"), "a")
    assert explain(lookup, "c").because == "it was shown often, and rests"
    found = explain_to_account(lookup, "c")
    assert (found.why_not, found.because) == ("RESTING", "it rests: you have seen it often")
    assert "c" in list_of(night("2026-03-05", *shown, **asked))


def test_impressions_are_read_like_every_table(tmp_path):
    path = tmp_path / "i.parquet"
    pq.write_table(
        pa.table({"night": ["2026-03-01"], "accountId": [1], "candidateId": ["b"]}), path
    )
    assert read_impressions(str(path)).to_pylist() == [
        {"accountId": "1", "candidateId": "b", "night": datetime.date(2026, 3, 1)}
    ]


WRONG = [
    ("accountId,candidateId\na,b\n", "no column night"),
    ("accountId,candidateId,night\na,b,2026-02-31\n", "no date such as 2026-03-01 in column night"),
    ("accountId,candidateId,night\na,b,1.3.2026\n", "(row 1: no date such as 2026-03-01 in"),
    ("accountId,candidateId,night\na,b,\n", "no date such as 2026-03-01 in column night"),
    ("accountId,candidateId,night\na,a,2026-03-01\n", "account and candidate are the same"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_table_of_other_things_is_refused_in_one_line(text, said, tmp_path):
    path = tmp_path / "i.csv"
    path.write_text(text)
    config = load_config(None, {"filters.impressions.table": str(path)})
    with pytest.raises(InputError) as caught:
        check_filters(config, RunStore(tmp_path / "runs"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    config = load_config(None, {"filters.impressions.table": "no.csv"})
    with pytest.raises(MissingInputError, match=r"^no.csv: found no such file"):
        check_filters(config, RunStore(tmp_path / "runs"))
