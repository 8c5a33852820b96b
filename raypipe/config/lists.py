"""Sections ``blend`` and ``recommendations``: how candidates become one list."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from raypipe.config.section import Section, as_written, at_most_9_places


class BlendConfig(Section):
    """Several sources in one list."""

    method: Literal["none", "rank_fusion", "learned_ranker"] = Field(
        "none",
        description="none: each phase by itself. rank_fusion: also one list of all sources, by "
        "their weights. learned_ranker: also a ranker that is trained on held-out follows, every "
        "night. With ladder: holdout a blend is shown to the segments where it finds more than "
        "any phase and any source (rank fusion also where too few accounts could be measured). "
        "With ladder: fixed, rank fusion is shown from sources.similar.min_follows on.",
    )
    candidates_per_source: int = Field(
        50, ge=1, le=1000, description="Number of best candidates taken from each source."
    )
    max_share_per_source: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Largest share of a list that may come from one source: the one of its "
        "sources that ranks a candidate highest. A list is rather shorter than beyond it.",
    )

    @property
    def blends(self) -> bool:
        """Are sources blended?"""
        return self.method != "none"

    @property
    def most_fraction(self) -> tuple[int, int]:
        """The largest share as written, as an exact (numerator, denominator)."""
        return as_written(self.max_share_per_source)

    @field_validator("max_share_per_source")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return at_most_9_places(value)


class RecommendationsConfig(Section):
    """What a list looks like."""

    per_account: int = Field(10, ge=1, le=1000, description="Recommendations per account.")
