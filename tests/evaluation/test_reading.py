"""From files to a split: by share, by time, by a test file; and what cannot be split."""

from __future__ import annotations

import datetime
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages
from raypipe.config import load_config
from raypipe.errors import ConfigError, InputError
from raypipe.evaluation import leading, since
from raypipe.evaluation.reading import open_data, read_split
from raypipe.evaluation.times import encode_timed, first_times
from raypipe.graph.follow_graph import build_graph, encode, save_graph
from raypipe.storage.runs.manifest import Manifest
from raypipe.storage.runs.run import Run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, *lines, header="followerId,followingId"):
    with open(name, "w") as file:
        file.write("\n".join([header, *lines]) + "\n")


def split(accounts=None, **settings):
    return data(accounts, **settings).split


def data(accounts=None, runs=(), **settings):
    settings = {
        "input.follows": "follows.csv",
        "cluster": "none",
        "evaluation.min_follows": 2,
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    with ExitStack() as stack:
        config = load_config(None, settings)
        return read_split(config, accounts, open_data(config), Stages(Silent()), stack, runs)


def follows_of(graph, rows):
    ids = graph.ids.to_pylist()
    return {(ids[i], ids[c]) for i in range(len(ids)) for c in rows.row(i)}


def both(found):
    """(train, test) as sets of pairs of ids."""
    graph = found.train
    return follows_of(graph, graph.followees), follows_of(graph, found.test)


def test_by_share():
    write("follows.csv", *(f"a,{x}" for x in "bcdef"), "b,a", "a,b", "a,a")
    found = split(evaluation__share=0.4)
    train, test = both(found)
    assert len(train) == 4
    assert len(test) == 2
    assert train | test == {("a", x) for x in "bcdef"} | {("b", "a")}
    assert found.record.split == "share"
    assert found.record.share == 0.4


TIMED = ("a,b,1", "a,c,5", "b,c,2", "b,a,6", "a,d,3", "b,a,9")


def test_by_time():
    """b follows a at 6 and again at 9: it was made at 6. Of five, two fifths are the newest."""
    write("follows.csv", *TIMED, header="followerId,followingId,at")
    found = split(
        evaluation__split="time", evaluation__share=0.4, input__columns={"timestamp": "at"}
    )
    assert both(found) == ({("a", "b"), ("b", "c"), ("a", "d")}, {("a", "c"), ("b", "a")})
    assert found.record.train_until == 3.0
    assert [found.train.ids[int(code)].as_py() for code in found.accounts] == ["a", "b"]


def test_by_time_the_ranker_is_trained_on_the_past():
    """Of the three follows in train, one is held out for the ranker: the newest."""
    write("follows.csv", *TIMED, header="followerId,followingId,at")
    found = data(
        evaluation__split="time", evaluation__share=0.4, input__columns={"timestamp": "at"}
    )
    past, record = found.since
    assert both(found.split)[1] == {("a", "c"), ("b", "a")}
    assert follows_of(past.graph, past.graph.followees) == {("a", "b"), ("b", "c")}
    assert follows_of(past.graph, past.new) == {("a", "d")}
    assert past.audience.tolist() == [0, 1, 2, 3]
    assert (record.run, record.follows, record.accounts, record.decides) == (None, 1, 1, False)
    assert record.why.startswith("1 accounts have 1 follows after all others by their time; 300")


def run_of(date, *rows):
    frame = pd.DataFrame([row.split(",") for row in rows], columns=["followerId", "followingId"])
    graph, _ = build_graph([encode(frame)])
    save_graph(graph, Path(date) / "graph")
    return Run(f"{date}-aa", Path(date), Manifest.model_construct(fingerprint=graph.fingerprint))


def test_since_an_earlier_run(monkeypatch):
    """a follows b no more, and d since; c follows a since. z came later. Run 1 is the past of 2."""
    monkeypatch.setattr(since, "MIN_ACCOUNTS", 2)
    monkeypatch.setattr(leading, "MIN_ACCOUNTS", 1)
    write("follows.csv", "a,c", "a,d", "b,a", "c,a", "z,a", "a,z", "d,a")
    now = run_of("2026-03-03", "a,c", "a,d", "b,a", "c,a", "z,a", "a,z", "d,a")
    second = run_of("2026-03-02", "a,b", "a,c", "b,a", "d,a")
    first = run_of("2026-03-01", "a,b", "d,a", "c,d")
    runs = [now, second, first]
    found = data(runs=runs, evaluation__split="since", evaluation__max_accounts=5)
    assert both(found.split) == (
        {("a", "b"), ("a", "c"), ("b", "a"), ("d", "a")},
        {("a", "d"), ("c", "a")},
    )
    record = found.split.record
    assert (record.split, record.run, record.left_out) == ("since", second.id, 2)
    ids = found.split.train.ids.take(pa.array(found.split.accounts)).to_pylist()
    assert (ids, found.split.segments.tolist()) == (["a", "c"], [1, 0])
    train, test = both(found.at_random)
    assert train | test == both(found.split)[0] | both(found.split)[1]
    assert found.at_random.accounts.tolist() == found.split.accounts.tolist()
    assert found.at_random.segments.tolist() == found.split.segments.tolist()
    assert found.since.record.run == first.id
    assert follows_of(found.since.past.graph, found.since.past.new) == {("a", "c"), ("b", "a")}
    known = data(pa.array(["c", "z"], pa.large_string()), runs, evaluation__split="since")
    assert known.split.train.ids.take(pa.array(known.split.accounts)).to_pylist() == ["c"]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], "no run has been published"),
        ([("a,b", "b,a")], "run 2026-03-01-aa has the same follows"),
        ([("x,y", "y,x")], "run 2026-03-01-aa is of another network: 0 of its 2 accounts exist"),
        (
            [("a,b", "b,a", "a,c")],
            "0 accounts have 0 follows that are new since run 2026-03-01-aa",
        ),
    ],
)
def test_no_earlier_run(rows, found):
    write("follows.csv", "a,b", "b,a")
    with pytest.raises(InputError) as error:
        data(runs=[run_of("2026-03-01", *some) for some in rows], evaluation__split="since")
    assert str(error.value) == (
        f"evaluation.split: since: {found}; expected an earlier run of the same network, and new "
        "follows; name its folder with --runs-dir, or set evaluation.split: share"
    )


@pytest.mark.parametrize("frames", ["pandas", "modin"])
def test_dates_and_frames(frames, local_ray):
    dates = [f"2026-03-0{row[-1]}T10:00:00+01:00" for row in TIMED]
    lines = [f"{row[:3]},{date}" for row, date in zip(TIMED, dates, strict=True)]
    write("follows.csv", *lines, header="followerId,followingId,at")
    found = split(
        evaluation__split="time", evaluation__share=0.4, input__columns={"timestamp": "at"},
        frames=frames, cluster="local",
    )  # fmt: skip
    assert both(found) == ({("a", "b"), ("b", "c"), ("a", "d")}, {("a", "c"), ("b", "a")})
    assert found.record.train_until == "2026-03-03T09:00:00.000000"


UTC = datetime.timezone.utc
DAYS = (1, 5, 2, 6, 3, 9)


@pytest.mark.parametrize(
    "times",
    [
        pa.array(DAYS, pa.int32()),
        pa.array([1.5, 5, 2, 6, 3, 9], pa.float64()),
        pa.array([datetime.date(2026, 3, day) for day in DAYS]),
        pa.array([datetime.datetime(2026, 3, day, tzinfo=UTC) for day in DAYS]),
        pa.array([datetime.datetime(2026, 3, day) for day in DAYS], pa.timestamp("ns")),
        pa.array([f"2026-03-0{day}" for day in DAYS]),
    ],
    ids=lambda times: str(times.type),
)  # fmt: skip
def test_times_of_every_type(times):
    ids = [[row[place] for row in TIMED] for place in (0, 2)]
    pq.write_table(pa.table([*ids, times], ["followerId", "followingId", "at"]), "f.parquet")
    found = split(
        input__follows="f.parquet", evaluation__split="time", evaluation__share=0.4,
        input__columns={"timestamp": "at"},
    )  # fmt: skip
    assert both(found)[1] == {("a", "c"), ("b", "a")}


def test_dates_are_seconds_since_1970():
    frame = pd.DataFrame({"followerId": ["a"] * 3, "followingId": ["b", "c", "d"]})
    texts = ["1970-01-02", "1970-01-01T00:00:01.5Z", "1970-01-01 01:00:00+02:00"]
    expected = [86400.0, 1.5, -3600.0]
    assert encode_timed(frame.assign(timestamp=texts)).times.tolist() == expected
    times = pd.to_datetime(pd.Series(texts), format="ISO8601", utc=True)
    for column in (times, times.astype("datetime64[us, UTC]"), times.astype(object)):
        found = encode_timed(frame.assign(timestamp=column))
        assert (found.times.tolist(), found.kind, found.odd) == (expected, "dates", None)


def test_who_follows_itself_has_no_time():
    frame = pd.DataFrame({"followerId": ["a", "b"], "followingId": ["b", "b"]})
    part = encode_timed(frame.assign(timestamp=[9, 1]))
    assert first_times(build_graph([part.follows])[0], [part]).tolist() == [9.0]


def test_by_file():
    write("follows.csv", "a,b", "a,c", "b,c")
    write("test.csv", "a,d", "a,b", "a,d", "b,a", "new,c", "a,a")
    found = split(evaluation__split="file", evaluation__test="test.csv")
    assert both(found) == (
        {("a", "b"), ("a", "c"), ("b", "c")}, {("a", "d"), ("b", "a"), ("new", "c")},
    )  # fmt: skip
    assert found.record.already_in_train == 1
    # new has one follow only, but none in train: it is of segment zero
    assert [found.train.ids[int(code)].as_py() for code in found.accounts] == ["a", "b", "new"]
    assert found.segments.tolist() == [1, 1, 0]


def test_users_and_places_with_the_same_ids():
    write("follows.csv", "1,1", "1,2", "2,1")
    write("test.csv", "1,3", "2,2")
    found = split(
        evaluation__split="file", evaluation__test="test.csv", input__followee_prefix="place "
    )
    assert both(found) == (
        {("1", "place 1"), ("1", "place 2"), ("2", "place 1")},
        {("1", "place 3"), ("2", "place 2")},
    )
    assert found.train.ids.to_pylist() == ["1", "2", "place 1", "place 2", "place 3"]


def test_only_the_audience_is_measured():
    write("follows.csv", "a,b", "a,c", "b,c", "b,a", "c,a", "c,b", "c,d")
    found = split(pa.array(["a", "z"]), audience__min_follows=0)
    assert [found.train.ids[int(code)].as_py() for code in found.accounts] == ["a"]
    assert found.record.accounts.without_follows == 1
    found = split(audience__min_follows=3)
    assert [found.train.ids[int(code)].as_py() for code in found.accounts] == ["c"]


BAD = {
    "no timestamps": (
        dict(evaluation__split="time"),
        ["a,b,1"],
        ConfigError,
        "evaluation.split: time needs the time of each follow; name its column in "
        "input.columns.timestamp, or set evaluation.split: share",
    ),
    "no such column": (
        dict(evaluation__split="time", input__columns={"timestamp": "since"}),
        ["a,b,1"],
        InputError,
        "follows.csv: no column since; found followerId, followingId, at; fix input.columns, or "
        "set input.header to false where the first row is no header",
    ),
    "unreadable": (
        dict(evaluation__split="time", input__columns={"timestamp": "at"}),
        ["a,b,1", "a,c,soon", "a,d,yesterday"],
        InputError,
        "input.columns.timestamp: 2 of 3 follows have no time that can be read, such as 'soon'; "
        "expected numbers, or dates as 2026-03-01T04:05:06Z",
    ),
    "several units": (
        dict(evaluation__split="time", input__columns={"timestamp": "at"}),
        ["a,b,1767225600", "a,c,1767225600000", "a,d,1767225601"],
        InputError,
        "input.columns.timestamp: 2 times are in seconds, 1 in milliseconds, such as "
        "1767225600000; write them in one unit",
    ),
    "neither a number": (
        dict(evaluation__split="time", input__columns={"timestamp": "at"}),
        ["a,b,-inf", "a,c,inf"],
        InputError,
        "input.columns.timestamp: 2 of 2 follows have no time that can be read, such as '-inf'; "
        "expected numbers, or dates as 2026-03-01T04:05:06Z",
    ),
    "all at once": (
        dict(evaluation__split="time", input__columns={"timestamp": "at"}),
        ["a,b,1", "a,c,1"],
        InputError,
        "the test set is empty: no follow is newer than those in train; raise evaluation.share, "
        "or set evaluation.split: share",
    ),
    "one follow each": (
        {},
        ["a,b,1", "b,c,1", "c,a,1"],
        InputError,
        "no account can be measured: none of 3 accounts has a held-out follow and at least 2 "
        "follows in total; found at most 1 per account; lower evaluation.min_follows, or provide "
        "more follows",
    ),
    "nobody known": (
        dict(evaluation__split="file", evaluation__test="test.csv"),
        ["x,y,1"],
        InputError,
        "test.csv: none of its 2 followers has a follow in input.follows; "
        "expected the same form of ids in both files",
    ),
    "nothing new": (
        dict(evaluation__split="file", evaluation__test="follows.csv"),
        ["a,b,1", "a,c,1"],
        InputError,
        "follows.csv: the test set is empty: all of its 2 follows are in input.follows too; "
        "expected other follows",
    ),
    "no test file": (
        dict(evaluation__split="file", evaluation__test="none.csv"),
        ["a,b,1"],
        InputError,
        "none.csv: found no such file or folder; fix evaluation.test",
    ),
    "a transform without times": (
        dict(
            evaluation__split="time",
            input__columns={"timestamp": "at"},
            input__transform="steps:narrow",
        ),
        ["a,b,1"],
        InputError,
        "steps:narrow: returned no column timestamp, which is needed; keep it",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_are_one_line(name, elsewhere):
    settings, lines, kind, message = BAD[name]
    write("follows.csv", *lines, header="followerId,followingId,at")
    write("test.csv", "a,b", "b,c")
    (elsewhere / "steps.py").write_text(
        "def narrow(frame):\n    return frame[['followerId', 'followingId']]\n"
    )
    with pytest.raises(kind) as error:
        split(**settings)
    assert str(error.value) == message


def test_numbers_here_and_dates_there(elsewhere):
    folder = elsewhere / "f"
    folder.mkdir()
    write(folder / "a.csv", "a,b,1", "a,c,2", header="followerId,followingId,at")
    write(folder / "b.csv", "b,c,2026-01-01", header="followerId,followingId,at")
    with pytest.raises(InputError, match=r"^input\.columns\.timestamp: ") as error:
        split(input__follows="f", evaluation__split="time", input__columns={"timestamp": "at"})
    assert "1 of 3 follows have no time" in str(error.value)


def test_numbers_in_one_part_and_dates_in_another():
    frame = pd.DataFrame({"followerId": ["a"], "followingId": ["b"]})
    parts = [encode_timed(frame.assign(timestamp=[time])) for time in ("7", "2026-01-01")]
    parts.append(encode_timed(frame.assign(timestamp=[1]).iloc[:0]))  # an empty part is of no kind
    graph, _ = build_graph([part.follows for part in parts])
    with pytest.raises(InputError, match=r"found numbers in some rows and dates in others"):
        first_times(graph, parts)
    assert first_times(graph, parts[1:]).tolist() == [1767225600.0]


def test_train_never_sees_the_times_of_test():
    rng = np.random.default_rng(0)
    rows = {(int(a), int(b)) for a, b in rng.integers(0, 30, (400, 2)) if a != b}
    times = {
        row: int(t) for row, t in zip(sorted(rows), rng.integers(0, 50, len(rows)), strict=True)
    }
    write(
        "follows.csv", *(f"{a},{b},{t}" for (a, b), t in times.items()),
        header="followerId,followingId,at",
    )  # fmt: skip
    found = split(evaluation__split="time", input__columns={"timestamp": "at"})
    train, test = ({times[int(a), int(b)] for a, b in follows} for follows in both(found))
    assert max(train) == found.record.train_until < min(test)
