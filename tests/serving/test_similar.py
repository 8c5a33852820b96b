"""Similar accounts: who must not be recommended is not shown as similar either."""

from __future__ import annotations

import raypipe
from tests.strategies import PLAIN


def test_nobody_who_is_excluded_is_shown_as_similar(tmp_path):
    rows = [f"{account},{followee}" for account in "abcdefg" for followee in "xyz"]
    files = {
        "f.csv": ["followerId,followingId", *rows],
        "blocks.csv": ["accountId,candidateId", "a,b", "c,a"],
        "opted.csv": ["accountId", "d"],
        "bots.csv": ["accountId", "e"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    config = PLAIN | {
        "input.follows": str(tmp_path / "f.csv"),
        "cluster": "none",
        "ladder": "fixed",
        "candidates.min_followers": 0,
        "filters.blocks": str(tmp_path / "blocks.csv"),
        "filters.opted_out": str(tmp_path / "opted.csv"),
        "filters.bots": str(tmp_path / "bots.csv"),
        "guard.min_accounts": 99,
    }
    runs = tmp_path / "runs"
    raypipe.run(config, runs_dir=runs, date="2026-03-01")
    raypipe.reject("a", "f", runs_dir=runs)
    assert [row.neighbour for row in raypipe.neighbours("a", runs_dir=runs)] == ["g"]
