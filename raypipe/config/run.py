"""All that a night is told: one model of all sections."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import ByteSize, Field, model_validator

from raypipe.config.data import (
    AudienceConfig,
    CandidatesConfig,
    FiltersConfig,
    InputConfig,
    RatingsConfig,
)
from raypipe.config.feedback import FeedbackConfig
from raypipe.config.lists import BlendConfig, RecommendationsConfig
from raypipe.config.quality import EvaluationConfig, SweepConfig
from raypipe.config.section import SPEED_ONLY, Section
from raypipe.config.sources import SourcesConfig


class RunConfig(Section):
    """Everything that a nightly run is told."""

    input: InputConfig = Field(InputConfig(), description="Where the follows are.")
    frames: Literal["auto", "pandas", "modin"] = Field(
        "auto",
        json_schema_extra=SPEED_ONLY,
        description="The frames that the follows are read into. Affects speed only.",
    )
    cluster: str = Field(
        "auto",
        pattern=r"^(auto|none|local|.+:[0-9]+.*)$",
        json_schema_extra=SPEED_ONLY,
        description="auto: start Ray where it pays; none; local; or a Ray address, host:port. "
        "Affects speed only.",
    )
    shards: int | None = Field(
        None,
        ge=1,
        json_schema_extra=SPEED_ONLY,
        description="Number of Ray tasks to cut the accounts into; null: by estimated work. "
        "Affects speed only.",
    )
    memory_per_task: ByteSize | None = Field(
        None,
        gt=0,
        json_schema_extra=SPEED_ONLY,
        description="Most that a task may hold, as 2GB; where the similarity index of all accounts "
        "is larger, it is built and searched in blocks; null: no limit. Affects speed only.",
    )
    audience: AudienceConfig = Field(AudienceConfig(), description="Who gets recommendations.")
    candidates: CandidatesConfig = Field(CandidatesConfig(), description="Who may be recommended.")
    filters: FiltersConfig = Field(FiltersConfig(), description="Who is not recommended to whom.")
    sources: SourcesConfig = Field(SourcesConfig(), description="Where candidates come from.")
    feedback: FeedbackConfig = Field(FeedbackConfig(), description="Rejections.")
    blend: BlendConfig = Field(BlendConfig(), description="Several sources in one list.")
    recommendations: RecommendationsConfig = Field(
        RecommendationsConfig(), description="What a list looks like."
    )
    ladder: Literal["holdout", "fixed"] = Field(
        "holdout",
        description="Which strategy leads. holdout: for each of evaluation.segments the one that "
        "recovers held-out follows best, measured every night. fixed: by number of follows, phase "
        "2 from sources.similar.min_follows on, phase 3 from sources.factors.min_follows on.",
    )
    ratings: RatingsConfig = Field(RatingsConfig(), description="What a rating is.")
    evaluation: EvaluationConfig = Field(
        EvaluationConfig(), description="How the recommendations are measured."
    )
    sweep: SweepConfig = Field(
        SweepConfig(),
        json_schema_extra=SPEED_ONLY,
        description="What a sweep tries. Changes nothing but a sweep.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Of every random choice: which accounts cost and recall are measured on, which "
        "follows are held out, which accounts are drawn for an interval, the folds of ratings, "
        "where a training starts.",
    )

    @model_validator(mode="before")
    @classmethod
    def _an_empty_section_means_its_defaults(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {key: value for key, value in tree.items() if value is not None}

    @model_validator(mode="after")
    def _modin_needs_ray(self) -> RunConfig:
        if self.frames == "modin" and self.cluster == "none":
            raise ValueError("frames: modin runs on Ray, but cluster is none; set cluster: local")
        return self

    @model_validator(mode="after")
    def _a_blend_has_a_source(self) -> RunConfig:
        ready = (one for one in self.sources.sections.values() if one.ready)
        if self.blend.blends and not any(one.weight for one in ready):
            raise ValueError(
                "sources: only factors has a weight, but no model is trained; set "
                "sources.factors.algorithm, or the weight of another source"
            )
        return self

    @model_validator(mode="after")
    def _a_learned_ranker_needs_a_hold_out(self) -> RunConfig:
        if self.blend.method == "learned_ranker" and self.ladder == "fixed":
            raise ValueError(
                "blend.method: learned_ranker needs held-out follows, but ladder is fixed; set "
                "ladder: holdout, or blend.method: rank_fusion"
            )
        return self

    def digest(self) -> str:
        """First 8 hex digits of the SHA-256 over every field that can change the result.

        Example:
            >>> RunConfig().digest() == RunConfig(frames="modin", cluster="local").digest()
            True
            >>> RunConfig().digest() == RunConfig(seed=1).digest()
            False
        """
        values = self.model_dump(mode="json", exclude=_speed_only(type(self)))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def _speed_only(model: type[Section]) -> dict[str, Any]:
    """The fields that cannot change the result, as pydantic's ``exclude``."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if field.json_schema_extra == SPEED_ONLY:
            found[name] = True
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            below = _speed_only(field.annotation)
            found |= {name: below} if below else {}
    return found
