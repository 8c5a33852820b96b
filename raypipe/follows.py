"""Pandas-style follows code, the same on a pandas frame and on a Modin frame (Pandas on Ray).

These functions use the pandas API only. The frame passed in decides which library runs, and the
results are equal.

    >>> import pandas as pd                        # or: import modin.pandas as pd
    >>> df = pd.DataFrame(
    ...     [("ann", "bob"), ("ann", "cid"), ("bob", "cid"), ("dan", "bob"), ("dan", "cid")],
    ...     columns=["followerId", "followingId"],
    ... )
    >>> follower_statistics(df)
    followerId
    ann    2
    dan    2
    bob    1
    Name: follows, dtype: int64
    >>> round(float(follow_metadata_statistics(df)["mean"]), 2)
    1.67
    >>> dfr = follow_relations_df(df)
    >>> dfr
      followerId follow_relations
    0        ann       [bob, cid]
    1        bob            [cid]
    2        dan       [bob, cid]
    >>> get_followers_by_id(dfr, "ann")
    ['bob', 'cid']
    >>> scores = generate_similarity_scores(dfr, "ann")
    >>> scores
    1    0.5
    2    1.0
    0    1.0
    Name: scores, dtype: float64
    >>> return_similarity_scores_with_ids(dfr, scores)
      followerId follow_relations  scores  following_count
    1        bob            [cid]     0.5                1
    2        dan       [bob, cid]     1.0                2
    0        ann       [bob, cid]     1.0                2
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from raypipe.columns import (
    FOLLOW_RELATIONS,
    FOLLOWER,
    FOLLOWING,
    FOLLOWING_COUNT,
    FOLLOWS,
    FOLLOWS_SCHEMA,
    SCORES,
    check_columns,
)
from raypipe.compute.frames import Frame, FrameEngine, PandasEngine
from raypipe.config import InputConfig
from raypipe.errors import UnknownAccountError


def tanimoto(list1: Iterable[str], list2: Iterable[str]) -> float:
    """Tanimoto (Jaccard) similarity of two lists taken as sets: |A & B| / (|A| + |B| - |A & B|).

    Returns:
        A float in [0, 1]; 0.0 for two empty lists.

    Source:
        Rogers and Tanimoto (1960), "A computer program for classifying plants", Science 132.

    Example:
        >>> tanimoto(["39229", "31995", "32015"],
        ...          ["31936", "35989", "27489", "39229", "15468", "31993", "26478"]) == 1 / 9
        True
        >>> tanimoto([], [])
        0.0
    """
    set1, set2 = set(list1) - {None}, set(list2) - {None}
    shared = len(set1 & set2)
    union = len(set1) + len(set2) - shared
    return shared / union if union else 0.0


def follows_dataframe(path: str | Path, engine: FrameEngine | None = None) -> Frame:
    """The follows in a file, folder or glob, as a frame of strings: ``0123`` stays ``0123``.

    Args:
        path: CSV (.csv, .gz, .zst) or Parquet with columns followerId, followingId.
        engine: makes the frame; pandas by default.

    Raises:
        InputError: the input does not exist, or more than 1 % of its rows are broken.
    """
    from raypipe.storage.intake.inputs import open_inputs
    from raypipe.storage.intake.read import read_follows

    return read_follows(open_inputs(InputConfig(follows=str(path))), engine or PandasEngine()).frame


def follower_statistics(df: Frame) -> Frame:
    """The number of follows of each follower, most first, then by id: a series by followerId."""
    check_columns(df.columns, FOLLOWS_SCHEMA.names, "frame")
    counts = df.groupby(FOLLOWER)[FOLLOWING].count().rename(FOLLOWS)
    return counts.sort_index().sort_values(ascending=False, kind="stable").astype("int64")


def follow_metadata_statistics(df: Frame) -> pd.Series[float]:
    """``describe()`` of the number of follows per follower: count, mean, std, min, and so on."""
    statistics: pd.Series[float] = follower_statistics(df).describe()
    return statistics


def follow_relations_df(df: Frame) -> Frame:
    """One row per follower, by id, with its list of followees in column ``follow_relations``."""
    check_columns(df.columns, FOLLOWS_SCHEMA.names, "frame")
    df = df.dropna(subset=[FOLLOWER, FOLLOWING])  # a missing id is no followee that two share
    # agg, not apply: Modin's apply passes a frame to the function, and returns column names.
    lists = df.groupby(FOLLOWER)[FOLLOWING].agg(list).sort_index()
    return lists.rename(FOLLOW_RELATIONS).reset_index()


def get_followers_by_id(dfr: Frame, followerId: str) -> list[str]:
    """The list of followees of one follower.

    Args:
        dfr: a frame made by :func:`follow_relations_df`.

    Raises:
        UnknownAccountError: the account follows nobody; names the id.
    """
    check_columns(dfr.columns, (FOLLOWER, FOLLOW_RELATIONS), "frame")
    lists: list[list[str]] = list(dfr.loc[dfr[FOLLOWER] == followerId, FOLLOW_RELATIONS])
    if not lists:
        raise UnknownAccountError(f"account {followerId!r} follows nobody in this frame")
    return lists[0]


def generate_similarity_scores(
    dfr: Frame, followerId: str, limit: int = 10, threshold: float = 0.1
) -> Frame:
    """The ``limit`` best Tanimoto scores above ``threshold`` against every row of ``dfr``.

    Returns:
        A float series, ascending, indexed by row of ``dfr``. The account itself is always in it,
        last, with 1.0. Among equal scores, the earlier row ranks higher.

    Raises:
        UnknownAccountError: the account follows nobody; names the id.
    """
    mine = set(get_followers_by_id(dfr, followerId))
    scores = dfr[FOLLOW_RELATIONS].apply(lambda theirs: tanimoto(mine, theirs)).rename(SCORES)
    others = scores.where(dfr[FOLLOWER] != followerId, float("inf"))  # the account itself is first
    above = others[others > threshold].astype("float64")
    best = above.sort_values(ascending=False, kind="stable").head(limit)
    return best.clip(upper=1.0).iloc[::-1]


def return_similarity_scores_with_ids(dfr: Frame, scores: Frame) -> Frame:
    """The rows in ``scores``: followerId, follow_relations, scores, following_count."""
    rows = dfr.loc[scores.index, [FOLLOWER, FOLLOW_RELATIONS]]
    counts = rows[FOLLOW_RELATIONS].apply(len)
    return rows.assign(**{SCORES: scores, FOLLOWING_COUNT: counts})
