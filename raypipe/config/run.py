"""The config of a run: one model of all sections."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from raypipe.config.data import (
    AudienceConfig,
    CandidatesConfig,
    FiltersConfig,
    InputConfig,
    IntegrityConfig,
    RatingsConfig,
)
from raypipe.config.feedback import FeedbackConfig
from raypipe.config.guard import GuardConfig
from raypipe.config.lists import BlendConfig, RecommendationsConfig
from raypipe.config.quality import AttackConfig, EvaluationConfig, SweepConfig
from raypipe.config.section import SPEED_ONLY, Section, Size, section
from raypipe.config.sources import SourcesConfig


class RunConfig(Section):
    """The keys that belong to no section."""

    input: InputConfig = section(InputConfig)
    frames: Literal["auto", "pandas", "modin"] = Field(
        "auto",
        json_schema_extra=SPEED_ONLY,
        description="Frames into which the follows are read. Affects speed only.",
    )
    cluster: str = Field(
        "auto",
        pattern=r"^(auto|none|local|.+:[0-9]+.*)$",
        json_schema_extra=SPEED_ONLY,
        description="auto: the cluster that RAY_ADDRESS names, else threads of this process. none: "
        "threads. local: a Ray on this machine. Or the address of a Ray cluster, HOST:PORT. "
        "Affects speed only.",
    )
    shards: int | None = Field(
        None,
        ge=1,
        json_schema_extra=SPEED_ONLY,
        description="Number of tasks into which the accounts are split; null: by estimated work. "
        "Affects speed only.",
    )
    memory_per_task: Size | None = Field(
        None,
        gt=0,
        json_schema_extra=SPEED_ONLY,
        description="Maximum memory of a task. A similarity index that is larger is built and "
        "searched in blocks. null: no limit. Affects speed only.",
    )
    network: str | None = Field(
        None,
        min_length=1,
        json_schema_extra=SPEED_ONLY,
        description="Name of the network. A runs folder is of one network: another name is "
        "refused. null: networks are told apart by the ids that they have in common.",
    )
    audience: AudienceConfig = section(AudienceConfig)
    candidates: CandidatesConfig = section(CandidatesConfig)
    filters: FiltersConfig = section(FiltersConfig)
    integrity: IntegrityConfig = section(IntegrityConfig)
    sources: SourcesConfig = section(SourcesConfig)
    feedback: FeedbackConfig = section(FeedbackConfig)
    blend: BlendConfig = section(BlendConfig)
    recommendations: RecommendationsConfig = section(RecommendationsConfig)
    guard: GuardConfig = section(GuardConfig)
    ladder: Literal["holdout", "fixed"] = Field(
        "holdout",
        description="Which strategy makes the lists of an account. holdout: for each segment, the "
        "one that recovers held-out follows best, measured in every run. fixed: by "
        "number of follows, as sources.similar.min_follows and "
        "sources.factors.min_follows say.",
    )
    budget: float | None = Field(
        100.0,
        gt=0,
        description="With ladder: holdout, a strategy may lead in a segment only if the estimated "
        "work of a list is at most this multiple of the plain list's (phase 2). The neighbour "
        "search, which every night does, is not counted. The estimate counts steps on the graph, "
        "so it is the same on every machine. null: no limit.",
    )
    ratings: RatingsConfig = section(RatingsConfig)
    evaluation: EvaluationConfig = section(EvaluationConfig)
    attack: AttackConfig = section(AttackConfig, json_schema_extra=SPEED_ONLY)
    sweep: SweepConfig = section(SweepConfig, json_schema_extra=SPEED_ONLY)
    seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Seed of every random choice: the accounts on which cost and recall are "
        "measured, the held-out follows, the resamples of an interval, the folds of ratings, the "
        "start of a training.",
    )

    @model_validator(mode="before")
    @classmethod
    def _an_empty_section_means_its_defaults(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {key: value for key, value in tree.items() if value is not None or cls._admits(key)}

    @classmethod
    def _admits(cls, key: str) -> bool:
        """True if null is a value of this key, and so does not mean its default."""
        field = cls.model_fields.get(key)
        return field is not None and type(None) in get_args(field.annotation)

    @model_validator(mode="before")
    @classmethod
    def _a_fixed_ladder_has_no_ranker(cls, tree: Any) -> Any:
        if not isinstance(tree, dict) or tree.get("ladder") != "fixed":
            return tree
        blend = tree.get("blend") or {}
        return {**tree, "blend": {"method": "none", **blend} if isinstance(blend, dict) else blend}

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
        """First 8 hex digits of the SHA-256 over every field that can change the result."""
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
