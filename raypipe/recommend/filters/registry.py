"""The filters: one row for each. To add a filter, add a row.

A night reads each filter's input, leaves its candidates out, counts them, and joins the finished
lists with the input once more before it publishes them. `explain`, `runs show` and
`raypipe run --help` take their words from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from raypipe.errors import ConfigError, did_you_mean
from raypipe.recommend.filters import readers
from raypipe.recommend.filters.codes import FilterReason
from raypipe.recommend.filters.custom import count_of, custom_specs
from raypipe.recommend.filters.spec import Count, FilterSpec

if TYPE_CHECKING:
    from raypipe.config import FiltersConfig


REJECTIONS = FilterSpec(
    "rejections",
    FilterReason.REJECTED,
    readers.read_rejections_of,
    words="it was rejected",
    gate_words="was rejected",
    own_words="you rejected it",
    count=Count("rejections", "rejected"),
    count_unknown=Count("rejections_of_unknown_accounts", "rejected of unknown accounts"),
)

#: In the order in which they are reported, where several hold.
FILTERS: tuple[FilterSpec, ...] = (
    REJECTIONS,
    FilterSpec(
        "blocks",
        FilterReason.BLOCKED,
        readers.read_blocks,
        words="one of the two has blocked the other",
        gate_words="was blocked",
        own_words="you have blocked it",
        count=Count("blocks_both_ways", "blocked, both ways counted"),
        count_unknown=Count("blocks_of_unknown_accounts", "blocked of unknown accounts"),
    ),
    FilterSpec(
        "previously_followed",
        FilterReason.PREVIOUSLY_FOLLOWED,
        readers.read_earlier_follows,
        words="it used to be followed, in an earlier run",
        gate_words="used to be followed",
        own_words="you used to follow it",
        count=Count("previously_followed", "used to be followed"),
    ),
    FilterSpec(
        "impressions",
        FilterReason.RESTING,
        readers.read_resting,
        words="it was shown often, and rests",
        gate_words="was shown often, and rests",
        own_words="it rests: you have seen it often",
        count=Count("resting", "rest after many impressions"),
        count_unknown=Count("resting_of_unknown_accounts", "rest, of unknown accounts"),
    ),
    FilterSpec(
        "follow_changes",
        FilterReason.FOLLOW_CHANGED,
        readers.read_follow_changes,
        words="it was followed or unfollowed through the API",
        gate_words="was followed or unfollowed through the API",
        own_words="you have followed or unfollowed it",
        count=Count("follow_changes", "followed or unfollowed through the API"),
    ),
    FilterSpec(
        "opted_out",
        FilterReason.OPTED_OUT,
        readers.read_opt_outs,
        words="it has opted out",
        gate_words="has opted out",
        count=Count("opted_out", "opted out"),
    ),
    FilterSpec(
        "bots",
        FilterReason.BOT,
        readers.read_account_file,
        words="it is a bot",
        gate_words="is a bot",
        count=Count("bots", "bots"),
        silent=True,
    ),
    FilterSpec(
        "inactive",
        FilterReason.INACTIVE,
        readers.read_inactive_accounts,
        words="it has not been active for long (filters.inactive)",
        gate_words="has not been active for long",
        count=Count("inactive", "inactive"),
    ),
    FilterSpec(
        "suspects",
        FilterReason.SUSPECT,
        readers.read_suspects,
        words="it is a suspect",
        gate_words="is a suspect",
        count=Count("suspects", "suspects"),
    ),
)

#: Filters whose input is the feedback store alone; they are no keys of the config.
STORED = ("rejections", "follow_changes")


def specs_of(filters: FiltersConfig) -> tuple[FilterSpec, ...]:
    """All filters of a config: the registered ones, then those in ``filters.custom``.

    Raises:
        ConfigError: a key of the section, or a name in ``filters.custom``, is not usable.
    """
    keys = [spec.key for spec in FILTERS if spec.key not in STORED]
    for key in filters.model_extra or {}:
        if key not in keys:
            known = [*type(filters).model_fields, *keys]
            raise ConfigError(f"filters.{key}: unknown key; {did_you_mean(key, known)}")
    return FILTERS + custom_specs(
        filters, {*keys, *STORED, *(spec.reason.name.lower() for spec in FILTERS)}
    )


def count_words(counts: Mapping[str, int]) -> list[str]:
    """What a manifest counts, in words: ``3 rejected``; without those that are 0."""
    known = [count for spec in FILTERS for count in (spec.count, spec.count_unknown) if count]
    custom = [count_of(key) for key in sorted(counts.keys() - {count.key for count in known})]
    return [f"{counts[key]:,} {words}" for key, words in (*known, *custom) if counts.get(key)]


def filters_help() -> str:
    """One line for ``--help``: each filter with its words."""
    named = ", ".join(f"{spec.key} ({spec.words})" for spec in FILTERS)
    return f"Filters, which keep a candidate out of lists: {named}."
