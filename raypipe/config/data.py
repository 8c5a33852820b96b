"""Sections of the input: follows or ratings, audience, candidates, filters."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from raypipe.config.section import Decimal, Place, Section, as_written, section
from raypipe.config.user_code import SPEC


class ColumnsConfig(Section):
    """Names of the columns in the input; without a header, their positions from 0."""

    followerId: str | int = Field(
        "followerId",
        description="Column of the account that follows; $file: the name of each file, without its "
        "ending.",
    )
    followingId: str | int = Field("followingId", description="Column of the account followed.")
    timestamp: str | int | None = Field(
        None,
        description="Column of the time of the follow: seconds, or a date as in ISO 8601. The "
        "frame has it as timestamp. evaluation.split: time needs it.",
    )
    action: str | int | None = Field(
        None,
        description="Column of an event log that says follow or unfollow. The last event of a pair "
        "decides, by the column timestamp, else by their order in the input.",
    )
    sign: str | int | None = Field(
        None, description="Column of numbers; only rows with a positive one are follows."
    )


class RatingColumnsConfig(Section):
    """Names of the columns of ratings; without a header, their positions from 0."""

    userId: str | int = Field("userId", description="Column of the user who rates.")
    itemId: str | int = Field("itemId", description="Column of the item that is rated.")
    rating: str | int = Field("rating", description="Column of the rating, a number.")
    timestamp: str | int | None = Field(
        None,
        description="Column of the time, a number. If a user rated an item more than once, the "
        "newest rating counts; null: the last one in the input.",
    )


class InputConfig(Section):
    """The input, follows or ratings, and how to read it."""

    follows: Place | None = Field(
        None,
        description="File, folder or glob of follows: CSV, Parquet or JSON lines, plain or packed "
        "(docs/input.md); -: the standard input.",
    )
    ratings: Place | None = Field(
        None,
        description="Ratings instead of follows, for evaluate and sweep: a file, folder or glob.",
    )
    format: str = Field(
        "auto",
        description="auto: by file extension and first bytes. Or csv, parquet, jsonl, or "
        "module:Class for a format of your own; changing that module starts a new "
        "run.",
    )
    delimiter: Annotated[str, Field(pattern=r"^(.|\n|whitespace)$")] = Field(
        ",",
        description="Character between the values of a CSV row; whitespace: any number of blanks "
        "and tabs.",
    )
    header: bool = Field(True, description="Whether the first row of a CSV file names the columns.")
    comment: str | None = Field(
        None, min_length=1, description="CSV rows that start with this text are skipped."
    )
    columns: ColumnsConfig = section(ColumnsConfig)
    null: list[str] = Field(
        ["\\N", "NULL", "null", "None", "nan", "NaN", "NA", "<NA>"],
        description="Texts that stand for no id: rows with one go to quarantine. Ids of blanks "
        "only always do.",
    )
    normalise: list[Literal["trim", "invisible", "numbers", "nfc", "lower"]] = Field(
        [],
        description="Joins spellings of one id, in the input and in all lists. trim: blanks around "
        "it. invisible: characters without width. numbers: 7.0 and 1e3 become 7 and 1000. nfc: "
        "composed characters. lower: lower case.",
    )
    follow_actions: list[str] = Field(
        ["follow", "followed", "add", "create", "1"],
        description="Values of input.columns.action that are follows.",
    )
    unfollow_actions: list[str] = Field(
        ["unfollow", "unfollowed", "remove", "delete", "block", "0", "-1"],
        description="Values of input.columns.action that end a follow. Rows with any other value "
        "go to quarantine.",
    )
    ignore: list[str] = Field(
        [],
        description="Columns of actions or signs that are not read on purpose: every row is a "
        "follow.",
    )
    max_respelled_fraction: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Fail if one normalisation (but lower) would join a larger share of the ids.",
    )
    bipartite: bool = Field(
        False,
        description="Whether followees are of another kind than their followers, so that none of "
        "them follows: it is then not noticed.",
    )
    followee_prefix: str = Field(
        "",
        description="Prefix of every followee id, for followees of another kind than their "
        "followers (users and places, for example) with equal ids. The transform sees it.",
    )
    rating_columns: RatingColumnsConfig = section(RatingColumnsConfig)
    carry: list[str] | Literal["all"] = Field(
        [], description="Other columns to keep for the transform; the rest are dropped."
    )
    transform: str | None = Field(
        None,
        pattern=f"^{SPEC}$",
        description="module:function, a Pandas-style function of yours: frame in, frame out. A "
        "changed module makes a new run; changes in modules that it imports do not.",
    )
    max_bad_fraction: float = Field(
        0.01, ge=0, le=1, description="Fail if a larger share of the rows is in quarantine."
    )

    @field_validator("format")
    @classmethod
    def _a_name_or_code(cls, value: str) -> str:
        # storage/intake/formats.py knows the names, and checks them before anything runs.
        if not re.fullmatch(rf"\w+|{SPEC}", value):
            raise ValueError("expected auto, the name of a format, or module:Class")
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _read_escaped_tab(cls, value: Any) -> Any:
        return "\t" if value == "\\t" else value

    @model_validator(mode="after")
    def _follows_or_ratings(self) -> InputConfig:
        if self.ratings is None:
            return self
        if self.follows is not None:
            raise ValueError("follows and ratings are both set; expected one of the two")
        if self.transform or self.carry:
            raise ValueError("transform and carry are for follows; remove them, or set follows")
        return self

    @property
    def kind(self) -> Literal["follows", "ratings"]:
        """``ratings`` if they are set, else ``follows``."""
        return "follows" if self.ratings is None else "ratings"

    @property
    def place(self) -> str | None:
        """The file, folder or glob of this kind of data."""
        return self.follows if self.ratings is None else self.ratings


class AudienceConfig(Section):
    """The accounts that get recommendations."""

    accounts: Place | None = Field(
        None,
        description="A table with the column accountId: only these accounts get recommendations. "
        "Ids that occur in no follow get phase 1.",
    )
    min_follows: int = Field(
        0, ge=0, description="Only accounts with at least this number of follows."
    )


class CandidatesConfig(Section):
    """The accounts that may be recommended."""

    min_followers: int = Field(
        1, ge=0, description="Only accounts with at least this number of followers."
    )


class CustomFilterConfig(Section):
    """A filter of your own; every key beside ``use`` is an argument of its function."""

    model_config = ConfigDict(extra="allow")

    use: str = Field(
        pattern=f"^{SPEC}$",
        description="module:function; the module may be in the current folder. It is called with "
        "the other keys, and returns ids of accounts, which are recommended to nobody, or a table "
        "(Pandas or Arrow) with columns accountId and candidateId: the candidate is not "
        "recommended to the account. A changed module makes a new run.",
    )


class ImpressionsConfig(Section):
    """Impression fatigue: a candidate that was shown often rests for some nights."""

    table: Place | None = Field(
        None,
        description="CSV or Parquet file with columns accountId, candidateId and night (such as "
        "2026-03-01), one row each time that the candidate was shown to the account. null: "
        "nobody rests.",
    )
    times: int = Field(
        10, ge=1, description="A candidate rests after it was shown to an account this many times."
    )
    rest: int = Field(
        30, ge=1, description="Nights for which it rests; then it is shown as many times again."
    )


class InactiveConfig(Section):
    """Inactive accounts are left out of candidates; they vote and get lists."""

    table: Place | None = Field(
        None,
        description="CSV or Parquet file with columns accountId and lastActive (such as "
        "2026-03-01); the latest row of an account counts, and without one it is active. "
        "null: no such file.",
    )
    by_follows: bool = Field(
        False,
        description="Accounts whose last follow is older count as inactive too; those that follow "
        "nobody do not. Needs input.columns.timestamp.",
    )
    days: int = Field(
        365, ge=1, description="Days without activity, up to the date of the run, that are allowed."
    )


class FiltersConfig(Section):
    """Exclusion filters, in addition to the rejections of each account.

    A filter that is added to the registry has a key of its own here.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, bool | Place | None]

    blocks: Place | None = Field(
        None,
        description="CSV or Parquet file with columns accountId and candidateId: the account has "
        "blocked the candidate; neither is recommended to the other.",
    )
    previously_followed: bool = Field(
        True,
        description="Exclude candidates that the account followed in an earlier run and has "
        "unfollowed. A run with false forgets these.",
    )
    opted_out: Place | None = Field(
        None,
        description="CSV or Parquet file with a column accountId: accounts that do not want to be "
        "recommended to anybody.",
    )
    bots: Place | None = Field(
        None,
        description="CSV or Parquet file with a column accountId: bots and suspended accounts. "
        "They are recommended to nobody and get no lists; their follows do not count.",
    )
    inactive: InactiveConfig = section(InactiveConfig)
    impressions: ImpressionsConfig = section(ImpressionsConfig)
    suspects: bool = Field(
        False,
        description="Exclude the suspects of the run, which are recommended to nobody: see "
        "suspects.parquet. Look at it before you set this.",
    )
    custom: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CustomFilterConfig] = Field(
        {},
        description="Filters of your own, by name, as {private: {use: my_filters:private_accounts, "
        "path: private.csv}}.",
    )


class IntegrityConfig(Section):
    """How far accounts can be trusted: reputation, and who is suspicious."""

    trusted: Place | None = Field(
        None,
        description="CSV or Parquet file with a column accountId: accounts that you trust, from "
        "which reputation starts. null: the largest group of accounts that returned follows "
        "connect.",
    )
    bounds: bool = Field(
        True,
        description="Bound what accounts without reputation can change in the lists of others. "
        "false: each follow and each rejection counts.",
    )
    unproven_votes: Decimal = Field(
        5.0,
        ge=0,
        le=1000,
        description="Followers without reputation that count, for each follower with reputation.",
    )
    new_unproven_votes: Decimal = Field(
        0.01,
        ge=0,
        le=1000,
        description="Of these, those that newly count a night, for each follower with reputation, "
        "and one more. The first night of a network has no limit.",
    )
    new_entries: int = Field(
        1,
        ge=0,
        description="Lists that an account may enter a night beyond those that it leaves, if 10 "
        "followers of it counted in the run before. The first night of a network has no limit.",
    )
    new_entries_per_follower: Decimal = Field(
        0.05,
        ge=0,
        le=1000,
        description="Further lists for each follower that counted in the run before; two fifths of "
        "it for fewer than 10. Parts of a list are rounded by chance.",
    )
    lost_entries: Decimal = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of its lists that an account may leave a night beyond 5 lists and those "
        "that it enters, while it is still among the candidates after the list. 1: no limit.",
    )

    @property
    def lost_fraction(self) -> tuple[int, int]:
        """``lost_entries`` as written, as an exact (numerator, denominator)."""
        return as_written(self.lost_entries)

    @property
    def entries_fraction(self) -> tuple[int, int]:
        """``new_entries_per_follower`` as written, as an exact (numerator, denominator)."""
        return as_written(self.new_entries_per_follower)

    @property
    def unproven_fraction(self) -> tuple[int, int]:
        """``unproven_votes`` as written, as an exact (numerator, denominator)."""
        return as_written(self.unproven_votes)

    @property
    def new_unproven_fraction(self) -> tuple[int, int]:
        """``new_unproven_votes`` as written, as an exact (numerator, denominator)."""
        return as_written(self.new_unproven_votes)


class RatingsConfig(Section):
    """The scale of ratings."""

    scale: tuple[float, float] = Field(
        (1, 5), description="The lowest and the highest rating; others go to quarantine."
    )

    @field_validator("scale")
    @classmethod
    def _lowest_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("expected the lowest rating, then a higher one")
        return value
