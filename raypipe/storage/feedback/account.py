"""What the feedback store says about one account. Cheap to import."""

from typing import NamedTuple


class Rejection(NamedTuple):
    """A current rejection.

    Attributes:
        at: time of the rejection, in ISO 8601.
        reason: the note that was stored with the rejection, if any.
    """

    at: str
    reason: str | None


class AccountFeedback(NamedTuple):
    """What the store says about what one account may see.

    Attributes:
        rejected: the current rejections of the account, by candidate.
        hidden: the other accounts that it must not see: it has blocked, followed or unfollowed
            them, they have blocked it, or they have opted out.
    """

    rejected: dict[str, Rejection]
    hidden: frozenset[str] = frozenset()


#: Two parameters, both the account.
HIDDEN_QUERY = """
SELECT "candidateId" FROM marks
WHERE kind = 'opt_out' OR (kind IN ('block', 'follow', 'unfollow') AND "accountId" = ?)
UNION SELECT "accountId" FROM marks WHERE kind = 'block' AND "candidateId" = ?
"""
