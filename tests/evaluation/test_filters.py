"""An evaluation leaves out what the filters of the config name, as a night does."""

from __future__ import annotations

import pytest

from raypipe.config import load_config
from raypipe.evaluation.evaluate import evaluate

FILTERS = {
    "bots": "accountId\nhub\n",
    "blocks": "accountId,candidateId\n" + "".join(f"a{i:02},hub\n" for i in range(30)),
}


@pytest.fixture
def follows(tmp_path):
    """30 accounts follow the hub and two of three others; half of their follows are held out."""
    rows = [f"a{i:02},{other}" for i in range(30) for other in ("hub", f"x{i % 3}", f"x{i % 2}")]
    (tmp_path / "follows.csv").write_text("\n".join(["followerId,followingId", *rows, ""]))
    return tmp_path


def recall_of_popular(folder, **filters):
    config = load_config(
        None,
        {
            "input.follows": str(folder / "follows.csv"), "frames": "pandas", "cluster": "none",
            "evaluation.k": [1], "evaluation.metrics": ["recall"], "evaluation.share": 0.5,
            **{f"filters.{key}": value for key, value in filters.items()},
        },
    )  # fmt: skip
    result = evaluate(config, ["popular"]).result
    return result.mean("all", "popular", "recall@1").mean, result.digest


@pytest.mark.parametrize("key", FILTERS)
def test_what_a_filter_names_is_in_no_list(follows, key):
    path = follows / f"{key}.csv"
    path.write_text(FILTERS[key])
    (unfiltered, digest), (filtered, other) = (
        recall_of_popular(follows),
        recall_of_popular(follows, **{key: str(path)}),
    )
    assert filtered < unfiltered  # the hub, which most have lost, is found no more
    assert digest != other


def test_a_changed_filter_file_changes_the_digest(follows):
    path = follows / "bots.csv"
    path.write_text("accountId\nx0\n")
    before = recall_of_popular(follows, bots=str(path))
    path.write_text("accountId\nhub\n")
    after = recall_of_popular(follows, bots=str(path))
    assert before != after
    assert before[1] != after[1]
