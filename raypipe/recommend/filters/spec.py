"""What a filter is: one row of the registry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from raypipe.recommend.filters.codes import Reason
from raypipe.recommend.filters.readers import FilterInput, Reading


class Count(NamedTuple):
    """A number in the manifest: its key there, and its words in a summary."""

    key: str
    words: str


@dataclass(frozen=True)
class FilterSpec:
    """A filter.

    Attributes:
        key: the key of the config section ``filters``; ``rejections`` come from the feedback store.
        reason: name and code; the code is stored in run files.
        read: (key, reading) to the input, or None where the config does not ask for the filter. A
            PairTable or EarlierFollows makes it a filter about pairs, AccountIds one about
            accounts.
        words: for an operator, about the candidate: "it has opted out".
        gate_words: the same after "the recommended account": "has opted out".
        own_words: for the account that has caused it: "you rejected it". None: the account itself
            is not told.
        count: the number of pairs, or of accounts.
        count_unknown: the number of pairs in the input with an account outside the graph.
        silent: of a filter about accounts: their follows do not count, and they get no lists.
    """

    key: str
    reason: Reason
    read: Callable[[str, Reading], FilterInput | None]
    words: str
    gate_words: str
    count: Count
    count_unknown: Count | None = None
    own_words: str | None = None
    silent: bool = False
