"""The store that was there yesterday: gone, another one, an older copy; and how to go on."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

import raypipe
from raypipe.cli import app
from raypipe.errors import FeedbackError

FOLLOWS = [*(f"u{i},hub" for i in range(9)), "u0,u1", "u1,u2", "u2,u0", "u3,v", "v,u0"]


@pytest.fixture
def night(tmp_path):
    (tmp_path / "f.csv").write_text("followerId,followingId\n" + "\n".join(FOLLOWS) + "\n")
    config = {"input.follows": str(tmp_path / "f.csv"), "cluster": "none", "ladder": "fixed"}

    def run(day, **more):
        told = config | {key.replace("__", "."): value for key, value in more.items()}
        return raypipe.run(told, runs_dir=tmp_path / "runs", date=f"2026-03-0{day}")

    return run


def shown(runs):
    return [row.candidate for row in raypipe.recommendations("v", runs_dir=runs)]


def test_a_store_that_is_gone_is_no_empty_store(night, tmp_path):
    runs = tmp_path / "runs"
    night(1)
    assert "hub" in shown(runs)
    raypipe.reject("v", "hub", runs_dir=runs)
    made = night(2).run.manifest.feedback
    assert (made.watermark, len(made.store)) == (1, 32)
    assert "hub" not in shown(runs)

    (runs / "feedback.sqlite").rename(tmp_path / "elsewhere.sqlite")
    for call in (
        lambda: night(3),
        lambda: shown(runs),
        lambda: raypipe.reject("v", "u2", runs_dir=runs),
    ):
        with pytest.raises(FeedbackError, match="found no feedback; expected the store that run"):
            call()
    assert not (runs / "feedback.sqlite").exists()

    # Another store, with more events than the first.
    other = tmp_path / "other"
    for name in ("u1", "u2"):
        raypipe.reject("v", name, runs_dir=other)
    shutil.copy(other / "feedback.sqlite", runs / "feedback.sqlite")
    with pytest.raises(FeedbackError, match="found another store"):
        night(3)
    command = CliRunner().invoke(app, ["rejections", "accept", "--runs-dir", str(runs)])
    assert (command.exit_code, "used from event 2 on" in command.stdout) == (0, True)
    assert night(3).run.manifest.feedback.watermark == 2

    # The first one again: now it is the other.
    shutil.copy(tmp_path / "elsewhere.sqlite", runs / "feedback.sqlite")
    with pytest.raises(FeedbackError, match="found another store"):
        shown(runs)


def test_an_older_copy_is_refused(night, tmp_path):
    runs = tmp_path / "runs"
    raypipe.reject("v", "hub", runs_dir=runs)
    shutil.copy(runs / "feedback.sqlite", tmp_path / "copy.sqlite")
    raypipe.reject("v", "u2", runs_dir=runs)
    night(1)
    shutil.copy(tmp_path / "copy.sqlite", runs / "feedback.sqlite")
    with pytest.raises(FeedbackError, match=r"an older copy, up to event 1; .* up to event 2; res"):
        night(2)


def test_a_relative_place_is_in_the_runs_folder(night, tmp_path, monkeypatch):
    url = "sqlite:///mine.sqlite"
    raypipe.reject("v", "hub", runs_dir=tmp_path / "runs", feedback=url)
    assert (tmp_path / "runs" / "mine.sqlite").exists()
    night(1, feedback__url=url)
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    assert "hub" not in shown(tmp_path / "runs")
