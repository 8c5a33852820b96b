"""Section ``feedback``: where rejections are stored, and how they change scores."""

import re

from pydantic import Field, field_validator

from raypipe.config.section import SPEED_ONLY, Section, section


class NegativeFeedbackConfig(Section):
    """Negative feedback: how rejections change scores. 0 turns an effect off.

    A rejected candidate is never shown again, whatever these settings. A rejection counts only if
    the account is in the current follows and does not follow the candidate.
    """

    popular: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Phase 1 (popular): followers that one rejection takes from a candidate's "
        "score, at most.",
    )
    neighbours: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Phase 2 (similar): lowers the weight of a neighbour that follows what the "
        "account has rejected. 1: a rejected followee weighs as much as a common one.",
    )
    votes: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Phase 2 (similar): lowers the score of a candidate that neighbours have "
        "rejected. 1: a rejection weighs as much as a follow.",
    )
    factors: bool = Field(
        True,
        description="Phase 3 (factors): train SVD with rejections as zeros. TruncatedSVD, ALS and "
        "BPR ignore them.",
    )

    @property
    def teach(self) -> bool:
        """Whether rejections change any score."""
        return bool(self.popular or self.neighbours or self.votes or self.factors)


class FeedbackConfig(Section):
    """The store of rejections, and their effect on scores."""

    url: str | None = Field(
        None,
        pattern=r"^(sqlite:///.+|postgresql\+psycopg://.*)$",
        json_schema_extra=SPEED_ONLY,
        description="URL of the store: sqlite:////srv/feedback.sqlite or "
        "postgresql+psycopg://USER@HOST/NAME; a relative path is one in the runs folder. null: "
        "feedback.sqlite in the runs folder. The URL is not part of the config digest; the "
        "rejections count as input.",
    )
    negative: NegativeFeedbackConfig = section(NegativeFeedbackConfig)

    @field_validator("url")
    @classmethod
    def _without_a_password(cls, value: str | None) -> str | None:
        # The config is stored with each run.
        if value and (re.search(r"://[^/@]*:[^/@]*@", value) or "password=" in value):
            raise ValueError("leave the password out; set PGPASSWORD, or use ~/.pgpass")
        return value
