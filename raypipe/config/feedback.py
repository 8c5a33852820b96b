"""Section ``feedback``: where rejections are stored, and what they teach."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from raypipe.config.section import SPEED_ONLY, Section


class NegativeFeedbackConfig(Section):
    """What rejections teach, besides that a rejected candidate is never shown again. 0: nothing.

    Only rejections of accounts that are in tonight's follows count, and only while the account does
    not follow the candidate.
    """

    popular: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Phase 1: each account that has rejected a candidate takes away less than this "
        "number of followers.",
    )
    neighbours: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Phase 2: a neighbour's followee that the account has rejected counts against "
        "the neighbour, by this multiple of what a common followee counts for it.",
    )
    votes: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Phase 2: a neighbour that has rejected a candidate counts against it, by this "
        "multiple of what a neighbour that follows it counts for it.",
    )
    factors: bool = Field(
        True,
        description="Phase 3: SVD learns rejections as zeros; TruncatedSVD, ALS and BPR ignore "
        "them.",
    )

    @property
    def teach(self) -> bool:
        """Do rejections teach anything?"""
        return bool(self.popular or self.neighbours or self.votes or self.factors)


class FeedbackConfig(Section):
    """Where rejections are stored, and what they teach."""

    url: str | None = Field(
        None,
        pattern=r"^(sqlite:///.+|postgresql\+psycopg://.*)$",
        json_schema_extra=SPEED_ONLY,
        description="The store: sqlite:///runs/feedback.sqlite or "
        "postgresql+psycopg://USER@HOST/NAME; null: a file beside the runs. Its place does not "
        "change the lists, its content does.",
    )
    negative: NegativeFeedbackConfig = Field(
        NegativeFeedbackConfig(), description="What rejections teach."
    )

    @field_validator("url")
    @classmethod
    def _without_a_password(cls, value: str | None) -> str | None:
        # The config is kept with each run.
        if value and (re.search(r"://[^/@]*:[^/@]*@", value) or "password=" in value):
            raise ValueError("leave the password out; set PGPASSWORD, or use ~/.pgpass")
        return value
