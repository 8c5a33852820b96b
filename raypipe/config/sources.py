"""Section ``sources``: one subsection for each source of candidates."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from raypipe.config.section import Section, as_written, at_most_9_places

_WEIGHT = "Weight in rank fusion; a source of weight 0 takes part in no blend."


class FollowBackConfig(Section):
    """Candidates who follow the account already."""

    weight: float = Field(1.0, ge=0, description=_WEIGHT)


class TwoStepConfig(Section):
    """A source that walks two steps, through intermediary accounts."""

    weight: float = Field(0.0, ge=0, description=_WEIGHT)
    intermediary_weight: Literal["inverse_log", "none"] = Field(
        "inverse_log",
        description="Weight of an intermediary. inverse_log: 1/log(2 + its follows). none: 1.",
    )
    max_intermediary_follows: int | None = Field(
        None,
        ge=0,
        description="Skip intermediaries that follow more accounts than this: cheaper, but some "
        "candidates are missed. null: exact.",
    )


class TwoHopConfig(TwoStepConfig):
    """Candidates whom the account's followees follow."""

    weight: float = Field(0.2, ge=0, description=_WEIGHT)


class CoFollowedConfig(TwoStepConfig):
    """Candidates whom the account's followers follow."""

    weight: float = Field(0.1, ge=0, description=_WEIGHT)


class SimilarConfig(Section):
    """Phase 2: candidates followed by accounts with similar follow sets."""

    weight: float = Field(0.5, ge=0, description=_WEIGHT)
    neighbours: int = Field(10, ge=1, le=1000, description="Neighbours kept per account.")
    threshold: float = Field(
        0.1, ge=0, lt=1, description="A neighbour has a Tanimoto similarity above this."
    )
    min_follows: int = Field(
        3, ge=1, description="An account with fewer follows gets phase 1 (popular) only."
    )
    max_followers: int | None = Field(
        None,
        ge=1,
        description="Accounts with more followers than this are left out of the neighbour search: "
        "cheaper, but some neighbours are missed; the run reports the recall. null: exact.",
    )

    @property
    def threshold_fraction(self) -> tuple[int, int]:
        """The threshold as written, as an exact (numerator, denominator)."""
        return as_written(self.threshold)

    @field_validator("threshold")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return at_most_9_places(value)


#: Value of ``algorithm`` that trains no model.
NO_MODEL = "none"


class FactorsConfig(Section):
    """Phase 3: candidates that a trained factor model scores highest."""

    weight: float = Field(0.5, ge=0, description=_WEIGHT)
    algorithm: str = Field(
        NO_MODEL,
        description="none; for follows TruncatedSVD, SVD, ALS or BPR; for ratings SVD, SVDpp, NMF, "
        "KNNBasic, KNNWithMeans, KNNBaseline, SlopeOne, CoClustering or BaselineOnly, as "
        "scikit-surprise calls them.",
    )
    parameters: dict[str, Any] = Field(
        {}, description="Parameters of the algorithm; others keep their defaults."
    )
    min_follows: int = Field(
        20,
        ge=1,
        description="With ladder: fixed, an account with fewer follows stays in phase 2.",
    )

    @property
    def trained(self) -> bool:
        """Is a model trained?"""
        return self.algorithm != NO_MODEL


class PopularConfig(Section):
    """Phase 1: candidates with the most followers."""

    weight: float = Field(0.1, ge=0, description=_WEIGHT)


class SourcesConfig(Section):
    """The sources of candidates. Rank fusion adds their ranks in this order."""

    follow_back: FollowBackConfig = Field(
        FollowBackConfig(), description="Candidates who follow the account already."
    )
    two_hop: TwoHopConfig = Field(
        TwoHopConfig(), description="Candidates whom the account's followees follow."
    )
    co_followed: CoFollowedConfig = Field(
        CoFollowedConfig(), description="Candidates whom the account's followers follow."
    )
    similar: SimilarConfig = Field(
        SimilarConfig(), description="Phase 2: candidates followed by similar accounts."
    )
    factors: FactorsConfig = Field(
        FactorsConfig(), description="Phase 3: candidates that a trained model scores highest."
    )
    popular: PopularConfig = Field(
        PopularConfig(), description="Phase 1: candidates with the most followers."
    )

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each source in rank fusion, by name.

        Example:
            >>> SourcesConfig().weights["follow_back"]
            1.0
        """
        return {name: getattr(self, name).weight for name in type(self).model_fields}

    @model_validator(mode="after")
    def _at_least_one_weight(self) -> SourcesConfig:
        if not any(self.weights.values()):
            raise ValueError("every weight is 0; expected at least one source with a weight")
        return self
