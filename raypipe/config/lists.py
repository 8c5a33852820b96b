"""How lists are made: the sources, the model, what rejections teach, the blend."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from raypipe.config.section import Section, as_written, at_most_9_places


class SimilarConfig(Section):
    """Phase 2: accounts with similar follow sets."""

    neighbours: int = Field(10, ge=1, le=1000, description="Neighbours kept per account.")
    threshold: float = Field(
        0.1, ge=0, lt=1, description="Only a Tanimoto similarity above this makes a neighbour."
    )
    min_follows: int = Field(
        3, ge=1, description="An account with fewer follows gets phase 1 (popular) alone."
    )
    max_followers_in_similarity: int | None = Field(
        None,
        ge=1,
        description="Neighbours are not looked for among the followers of an account with more "
        "followers: cheaper, but some are missed; the run says which share is found. null: exact.",
    )

    @property
    def threshold_fraction(self) -> tuple[int, int]:
        """The threshold as written, as an exact (numerator, denominator)."""
        return as_written(self.threshold)

    @field_validator("threshold")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return at_most_9_places(value)


class MiddleConfig(Section):
    """A source that walks two steps, through accounts in the middle."""

    weight: Literal["inverse_log", "none"] = Field(
        "inverse_log",
        description="Of an account in the middle. inverse_log: 1/log(2 + its follows). none: 1.",
    )
    max_follows: int | None = Field(
        None,
        ge=0,
        description="An account in the middle that follows more is not walked through: cheaper, "
        "but some candidates are missed. null: exact.",
    )


#: Of ``factors.algorithm``: nothing is trained.
NO_MODEL = "none"


class FactorsConfig(Section):
    """The model that is trained: an algorithm by name, with its own parameters."""

    algorithm: str = Field(
        NO_MODEL,
        description="none; for follows TruncatedSVD, SVD, ALS or BPR; for ratings SVD, SVDpp, NMF, "
        "KNNBasic, KNNWithMeans, KNNBaseline, SlopeOne, CoClustering or BaselineOnly, as "
        "scikit-surprise calls them.",
    )
    parameters: dict[str, Any] = Field(
        {}, description="Of the algorithm; its defaults hold for those not named."
    )
    min_follows: int = Field(
        20,
        ge=1,
        description="With ladder: fixed, an account with fewer follows stays in phase 2.",
    )

    @property
    def trained(self) -> bool:
        """Is there a model at all?"""
        return self.algorithm != NO_MODEL


class RejectionsConfig(Section):
    """What rejections teach, beside that who is rejected is not shown again. 0: nothing.

    Only those of accounts that tonight's follows hold, and that do not follow whom they rejected.
    """

    popular: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="In phase 1 each account that has rejected a candidate takes away less than so "
        "many followers.",
    )
    neighbours: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="In phase 2 a followee of a neighbour whom the account has rejected counts so "
        "many times as much against the neighbour as a common followee counts for it.",
    )
    votes: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="In phase 2 a neighbour that has rejected a candidate counts so many times as "
        "much against it as one that follows it counts for it.",
    )
    factors: bool = Field(
        True,
        description="In phase 3 SVD learns rejections as zeros; TruncatedSVD, ALS and BPR do not "
        "take them.",
    )

    @property
    def teach(self) -> bool:
        """Do they teach anything?"""
        return bool(self.popular or self.neighbours or self.votes or self.factors)


class WeightsConfig(Section):
    """How much each source counts in a blend; of weight 0 it is not asked."""

    follow_back: float = Field(1.0, ge=0, description="Who follows the account.")
    two_hop: float = Field(0.2, ge=0, description="Whom its followees follow.")
    co_followed: float = Field(0.1, ge=0, description="Whom its followers follow.")
    similar: float = Field(0.5, ge=0, description="Whom accounts with similar follows follow.")
    factors: float = Field(0.5, ge=0, description="Whom the model prefers, where there is one.")
    popular: float = Field(0.1, ge=0, description="Whom most accounts follow.")

    @model_validator(mode="after")
    def _one_at_least(self) -> WeightsConfig:
        if not any(self.model_dump().values()):
            raise ValueError("all weights are 0; expected one source at least")
        return self


class BlendConfig(Section):
    """Several sources in one list."""

    combine: Literal["none", "fixed", "learned"] = Field(
        "none",
        description="none: each phase by itself. fixed: all sources too, by their weights. "
        "learned: also by a ranker that is trained on held-out follows, every night. With ladder: "
        "evidence a blend is shown to accounts of a size for which it finds more than any phase "
        "and any source (the one by weights also where too few could be measured); with ladder: "
        "fixed, the one by weights is shown from similar.min_follows on.",
    )
    weights: WeightsConfig = Field(WeightsConfig(), description="Of the sources.")
    candidates: int = Field(
        50, ge=1, le=1000, description="Best candidates of each source that are looked at."
    )
    most_of_one: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Largest share of a list that may come from one source: the one of its "
        "sources that ranks a candidate highest. A list is rather shorter than beyond it.",
    )

    @property
    def blends(self) -> bool:
        """Are sources blended at all?"""
        return self.combine != "none"

    @property
    def most_fraction(self) -> tuple[int, int]:
        """The largest share as written, as an exact (numerator, denominator)."""
        return as_written(self.most_of_one)

    @field_validator("most_of_one")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return at_most_9_places(value)


class RecommendationsConfig(Section):
    """What a list looks like."""

    per_account: int = Field(10, ge=1, le=1000, description="Recommendations per account.")
