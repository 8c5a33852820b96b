"""Section ``sources``: one subsection for each source of candidates."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from raypipe.config.section import Decimal, Section, as_written, section
from raypipe.config.user_code import SPEC

#: Names that lists have which are not of one source.
_RESERVED = ("ladder", "rank_fusion", "learned_ranker")
_WEIGHT = "Weight in rank fusion; a source of weight 0 takes part in no blend."


class SourceConfig(Section):
    """Keys of every source."""

    weight: float = Field(0.1, ge=0, description=_WEIGHT)

    @property
    def ready(self) -> bool:
        """False if the source cannot retrieve candidates with this config."""
        return True

    def takes_part(self, blend: str) -> bool:
        """True if the source takes part in a blend, ``rank_fusion`` or ``learned_ranker``."""
        return self.weight > 0


class FollowBackConfig(SourceConfig):
    """Candidates that already follow the account."""

    weight: float = Field(1.0, ge=0, description=_WEIGHT)


class TwoStepConfig(SourceConfig):
    """A source that walks two steps, through intermediary accounts."""

    weight: float = Field(0.0, ge=0, description=_WEIGHT)
    intermediary_weight: Literal["inverse_log", "none"] = Field(
        "inverse_log",
        description="Weight of an intermediary. inverse_log: 1/log(2 + its follows). none: 1.",
    )
    max_intermediary_follows: int | None = Field(
        None,
        ge=0,
        description="Skip intermediaries that follow more accounts than this: faster, but some "
        "candidates are missed. null: skip none.",
    )


class TwoHopConfig(TwoStepConfig):
    """Candidates that the account's followees follow."""

    weight: float = Field(0.2, ge=0, description=_WEIGHT)


class CoFollowedConfig(TwoStepConfig):
    """Candidates that the account's followers follow."""

    weight: float = Field(0.1, ge=0, description=_WEIGHT)


class PageRankConfig(SourceConfig):
    """Candidates that random walks from the account reach most (personalised PageRank)."""

    weight: float = Field(0.0, ge=0, description="Weight in rank fusion; 0 leaves it out there.")
    learned_ranker: bool = Field(
        True, description="Takes part in blend.method: learned_ranker, whatever its weight."
    )
    alpha: float = Field(
        0.5, gt=0, lt=1, description="Probability that a walk returns to the account before a step."
    )
    epsilon: float = Field(
        1e-4,
        ge=1e-6,
        le=0.1,
        description="A walk ends at an account that less than this, times its follows and weighted "
        "followers, arrives at. Smaller: more exact, in proportion slower.",
    )
    backward_weight: float = Field(
        0.5,
        ge=0.01,
        le=100,
        description="Weight of a step to an account's follower; a step to a followee weighs 1.",
    )

    def takes_part(self, blend: str) -> bool:
        """True with a weight, and in the learned ranker as ``learned_ranker`` says.

        Example:
            >>> [PageRankConfig().takes_part(blend) for blend in ("rank_fusion", "learned_ranker")]
            [False, True]
        """
        return self.weight > 0 or (blend == "learned_ranker" and self.learned_ranker)


class SimilarConfig(SourceConfig):
    """Phase 2: candidates followed by accounts with similar follow sets."""

    weight: float = Field(0.5, ge=0, description=_WEIGHT)
    neighbours: int = Field(
        100, ge=1, le=1000, description="Maximum number of neighbours per account."
    )
    threshold: Decimal = Field(
        0.03, ge=0, lt=1, description="Neighbours have a Tanimoto similarity above this."
    )
    published: int = Field(
        20,
        ge=1,
        le=1000,
        description="Maximum number of neighbours per account that the run publishes, for raypipe "
        "similar; the lists are made from all of them.",
    )
    min_follows: int = Field(
        1,
        ge=1,
        description="With ladder: fixed, accounts with fewer follows get phase 1 (popular) only.",
    )
    max_followers: int | None = Field(
        None,
        ge=1,
        description="Leave accounts with more followers than this out of the neighbour search: "
        "faster, but some neighbours are missed; the run reports how many. null: "
        "exact.",
    )

    @property
    def threshold_fraction(self) -> tuple[int, int]:
        """The threshold as written, as an exact (numerator, denominator)."""
        return as_written(self.threshold)


#: Values of ``algorithm``: no model is trained; the size of the network decides.
NO_MODEL, AUTO = "none", "auto"


class FactorsConfig(SourceConfig):
    """Phase 3: candidates that a trained factor model scores highest."""

    weight: float = Field(0.5, ge=0, description=_WEIGHT)
    algorithm: str = Field(
        AUTO,
        description="none: no model. For follows: TruncatedSVD, SVD, ALS or BPR; auto: "
        "TruncatedSVD where retrieval: auto is exact and the ladder is held out, else none. For "
        "ratings, scikit-surprise's SVD, SVDpp, NMF, KNNBasic, KNNWithMeans, KNNBaseline, "
        "SlopeOne, CoClustering or BaselineOnly.",
    )
    parameters: dict[str, Any] = Field(
        {}, description="Parameters of the algorithm; those not given keep their defaults."
    )
    min_follows: int = Field(
        20, ge=1, description="With ladder: fixed, accounts with fewer follows stay in phase 2."
    )
    retrieval: Literal["auto", "exact", "candidates"] = Field(
        "auto",
        description="exact: score all accounts. candidates: score what the other sources "
        "retrieve, so that a list costs the same on any network; the run reports the recall. auto: "
        "exact where accounts with follows x accounts x factors (100 more for co-occurrence) are "
        "at most 1e11.",
    )

    @property
    def trained(self) -> bool:
        """True if the config trains a model, whatever the size of the network."""
        return self.named != NO_MODEL

    @property
    def named(self) -> str:
        """The algorithm that the config names: none for auto."""
        return NO_MODEL if self.algorithm == AUTO else self.algorithm

    @property
    def ready(self) -> bool:
        return self.trained


class PopularConfig(SourceConfig):
    """Phase 1: candidates with the most followers."""

    weight: float = Field(0.1, ge=0, description=_WEIGHT)


class CustomSourceConfig(SourceConfig):
    """A source of your own. All keys other than use and weight are its parameters."""

    model_config = ConfigDict(extra="allow")

    use: str = Field(
        pattern=f"^{SPEC}$",
        description="module:name of a SourceSpec; the module may be in the current folder.",
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys of the source itself.

        Example:
            >>> CustomSourceConfig(use="mine:SPEC", weight=0.3, radius=5).parameters
            {'radius': 5}
        """
        return dict(self.model_extra or {})


class SourcesConfig(Section):
    """The sources of candidates. Rank fusion adds their ranks in this order, custom ones last."""

    follow_back: FollowBackConfig = section(FollowBackConfig)
    two_hop: TwoHopConfig = section(TwoHopConfig)
    co_followed: CoFollowedConfig = section(CoFollowedConfig)
    pagerank: PageRankConfig = section(PageRankConfig)
    similar: SimilarConfig = section(SimilarConfig)
    factors: FactorsConfig = section(FactorsConfig)
    popular: PopularConfig = section(PopularConfig)
    custom: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CustomSourceConfig] = Field(
        {}, description="Your own sources by name, as {near_me: {use: 'my_sources:NEAR_ME'}}."
    )

    @property
    def sections(self) -> dict[str, SourceConfig]:
        """The section of each source by name, in the order of rank fusion.

        Example:
            >>> list(SourcesConfig().sections)
            ['follow_back', 'two_hop', 'co_followed', 'pagerank', 'similar', 'factors', 'popular']
        """
        fields = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in fields if name != "custom"} | self.custom

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each source in rank fusion, by name.

        Example:
            >>> SourcesConfig().weights["follow_back"]
            1.0
        """
        return {name: section.weight for name, section in self.sections.items()}

    @model_validator(mode="after")
    def _at_least_one_weight(self) -> SourcesConfig:
        if not any(self.weights.values()):
            raise ValueError("every weight is 0; expected at least one source with a weight")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> SourcesConfig:
        taken = [name for name in self.custom if name in (*type(self).model_fields, *_RESERVED)]
        if taken:
            raise ValueError(f"custom.{taken[0]}: raypipe uses this name itself; choose another")
        return self
