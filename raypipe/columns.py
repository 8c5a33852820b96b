"""Column names, table schemas, and the check of columns.

Every table that raypipe reads or writes is named here once.
"""

from collections.abc import Iterable

import pyarrow as pa

from raypipe.errors import InputError

FOLLOWER = "followerId"
FOLLOWING = "followingId"
ACCOUNT = "accountId"
CANDIDATE = "candidateId"
NEIGHBOUR = "neighbourId"
RANK = "rank"
SCORE = "score"
SOURCE = "source"
REASON = "reason"

#: Day of an account's last activity, in a table of the filter ``inactive``.
LAST_ACTIVE = "lastActive"
NIGHT = "night"

REPUTATION = "reputation"
DETECTOR = "detector"
EVIDENCE = "evidence"

USER = "userId"
ITEM = "itemId"
RATING = "rating"
TIMESTAMP = "timestamp"

FOLLOW_RELATIONS = "follow_relations"
FOLLOWS = "follows"
FOLLOWERS = "followers"
ACCOUNTS = "accounts"

SCORES = "scores"
FOLLOWING_COUNT = "following_count"

FOLLOWS_SCHEMA = pa.schema([(FOLLOWER, pa.string()), (FOLLOWING, pa.string())])

NEIGHBOURS_SCHEMA = pa.schema(
    [(ACCOUNT, pa.string()), (RANK, pa.int32()), (NEIGHBOUR, pa.string()), (SCORE, pa.float64())]
)

RECOMMENDATIONS_SCHEMA = pa.schema(
    [
        (ACCOUNT, pa.string()),
        (RANK, pa.int32()),
        (CANDIDATE, pa.string()),
        (SCORE, pa.float64()),
        (SOURCE, pa.string()),
        (REASON, pa.string()),
    ]
)

REPUTATION_SCHEMA = pa.schema([(ACCOUNT, pa.string()), (REPUTATION, pa.float64())])

SUSPECTS_SCHEMA = pa.schema(
    [
        (ACCOUNT, pa.string()),
        (DETECTOR, pa.string()),
        (SCORE, pa.float64()),
        (EVIDENCE, pa.string()),
    ]
)

DEGREES_SCHEMA = pa.schema([(FOLLOWS, pa.int64()), (FOLLOWERS, pa.int64()), (ACCOUNTS, pa.int64())])

QUARANTINE_SCHEMA = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string())])


def check_columns(found: Iterable[str], expected: Iterable[str], where: str) -> None:
    """Check that every expected column exists.

    Raises:
        InputError: names the missing columns, the columns found, and the cure.

    Example:
        >>> check_columns(["followerId", "followingId", "since"], FOLLOWS_SCHEMA.names, "a.csv")
        >>> check_columns(["src", "dst"], FOLLOWS_SCHEMA.names, "a.csv")
        Traceback (most recent call last):
        ...
        raypipe.errors.InputError: a.csv: no column followerId, followingId; found src, dst; name \
them under input.columns
    """
    names = list(found)
    missing = [name for name in expected if name not in names]
    if missing:
        raise InputError(
            f"{where}: no column {', '.join(missing)}; found {', '.join(names) or 'none'}; "
            "name them under input.columns"
        )
