"""Sections ``blend`` and ``recommendations``: how candidates become one list."""

from typing import Literal

from pydantic import Field

from raypipe.config.section import Decimal, Section, as_written


class BlendConfig(Section):
    """How the candidates of several sources become one list."""

    method: Literal["none", "rank_fusion", "learned_ranker"] = Field(
        "learned_ranker",
        description="none: only single sources. rank_fusion: also one list of all sources, by "
        "their weights. learned_ranker: also a ranker, trained every night on held-out follows. "
        "With ladder: holdout, a segment gets what recovers most held-out follows, or rank fusion "
        "where too few accounts can be measured. With ladder: fixed, the default is none, and "
        "rank_fusion is for everybody.",
    )
    candidates_per_source: int = Field(
        50, ge=1, le=1000, description="Number of candidates taken from each source."
    )
    max_share_per_source: Decimal = Field(
        1.0,
        gt=0,
        le=1,
        description="Maximum share of a list from one source. A candidate counts for the source "
        "that ranks it highest. A list becomes shorter rather than exceed it.",
    )

    @property
    def blends(self) -> bool:
        """Whether sources are blended."""
        return self.method != "none"

    @property
    def most_fraction(self) -> tuple[int, int]:
        """The maximum share as written, as an exact (numerator, denominator)."""
        return as_written(self.max_share_per_source)


class RecommendationsConfig(Section):
    """The shape of a list."""

    per_account: int = Field(
        10, ge=1, le=1000, description="Maximum number of recommendations per account."
    )
    reserve: int = Field(
        10,
        ge=0,
        le=1000,
        description="Maximum number of further candidates per account. They refill its list when "
        "something in it is excluded after the run. 0: none.",
    )
