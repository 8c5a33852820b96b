"""Inputs that people have met: each is read rightly, or refused with a line to act on."""

from __future__ import annotations

import pytest

from raypipe.columns import TIMESTAMP
from raypipe.errors import InputError
from raypipe.evaluation.times import encode_timed, first_times
from raypipe.graph.follow_graph import build_graph
from raypipe.pipeline.load import spelling_notices
from raypipe.storage.feedback.tables import read_rejections
from raypipe.storage.tables import read_ids
from tests.conftest import needed
from tests.storage.intake.reading import configured, pairs, read


@pytest.fixture(scope="module")
def cases(data):
    folder = data.parent / "cases"
    needed(folder.is_dir(), "no inputs that people have met here")
    return folder


def under(cases, name):
    (found,) = cases.glob(f"data-{name}")
    return found


PLAIN = {"max_bad_fraction": 0.05, "null": read.default_null}
KONECT = {"header": False, "comment": "%", "format": "csv"}


@pytest.mark.parametrize(
    ("name", "settings", "used", "aside"),
    [
        ("01-*/follows.tsv", {"delimiter": "\t", "header": False}, 960, {"quarantined": 48}),
        ("02-*/follows.csv", {}, 960, {}),
        ("04-*/follows.csv", {}, 961, {}),
        ("06-*/out.follows", {**KONECT, "delimiter": "whitespace"}, 960, {}),
        ("07-*/floats.parquet", {}, 960, {}),
        ("11-*/parts", {}, 960, {}),
        ("14-*/csv", {}, 960, {}),
        ("14-*/gz", {}, 960, {}),
        ("14-*/parquet", {}, 960, {}),
        ("17-*/by-day", {"carry": ["dt"]}, 960, {}),
        ("17-*/by-follower", {}, 24, {}),
        ("18-*/follows.jsonl", {}, 960, {}),
        ("19-*/follows.csv.bz2", {}, 960, {}),
        ("19-*/follows.csv.xz", {}, 960, {}),
        ("19-*/follows.zip", {}, 960, {}),
        ("29-*/floats.parquet", {}, 960, {}),
        ("35-*/events.csv", {"columns.action": "action"}, 900, {"superseded": 120}),
        ("35-*/signed.csv", {"columns.sign": "sign"}, 480, {"superseded": 480}),
    ],
)
def test_follows_that_are_read(cases, name, settings, used, aside):
    intake = read(under(cases, name), **PLAIN | settings)
    found = pairs(intake)
    assert len(found) == used
    assert {key: count for key, count in intake.counts.items() if count and key != "rows_in"} == (
        aside
    )
    assert all(side.isalnum() for pair in found for side in pair)


@pytest.mark.parametrize(
    ("name", "settings", "error"),
    [
        ("06-*/out.follows", {**KONECT, "delimiter": " "}, "set input.delimiter: whitespace"),
        ("18-*/follows.json", {}, r"is a JSON array; jq -c '\.\[\]' FILE > follows.jsonl"),
        ("18-*/following.js", {}, "is a part of a Twitter archive"),
        ("19-*/follows.tar.gz", {}, "is a tar archive; tar -xf unpacks it: name the folder then"),
        ("29-*/semicolon.csv", {}, "the whole header is one column: set input.delimiter to ';'"),
        ("29-*/utf16.csv", {}, "is UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it"),
        ("35-*/events.csv", {}, "column action holds unfollow: not every row is a follow; set"),
        ("35-*/signed.csv", {}, "column sign holds -1: not every row is a follow; set"),
    ],
)
def test_follows_that_are_refused(cases, name, settings, error):
    with pytest.raises(InputError, match=error):
        read(under(cases, name), **PLAIN | settings)


def test_one_account_under_two_spellings(cases):
    place = under(cases, "07-*/follows.csv")
    intake = read(place, **PLAIN)
    graph, _ = build_graph([encode_timed(intake.frame.assign(timestamp=0)).follows])
    degrees = graph.followees.degrees > 0, graph.followers.degrees > 0
    with pytest.raises(InputError, match=r"120 of 240 ids equal another .* such as 1000\.0; set"):
        spelling_notices(graph.ids, *degrees, configured(place))


def test_times_in_two_units(cases):
    intake = read(
        under(cases, "31-*/follows.csv"), **{**PLAIN, f"columns.{TIMESTAMP}": "createdAt"}
    )
    part = encode_timed(intake.frame)
    with pytest.raises(InputError, match="768 times are in seconds, 192 in milliseconds"):
        first_times(build_graph([part.follows])[0], [part])


@pytest.mark.parametrize(
    "name", ["category.parquet", "view.parquet", "LIST.PARQUET", "semicolon.csv", "folder"]
)
def test_lists_are_read_as_follows_are(cases, name):
    assert len(read_ids(under(cases, f"34-*/{name}"), "audience.accounts")) > 0


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("33-*/list.csv", "is UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 converts it"),
        ("34-*/rejections.csv.gz", "no column accountId, candidateId; found account, candidate"),
        ("34-*/utf16.csv", "is UTF-16; expected UTF-8"),
    ],
)
def test_lists_that_are_refused(cases, name, error):
    with pytest.raises(InputError, match=error):
        read_rejections(under(cases, name))
