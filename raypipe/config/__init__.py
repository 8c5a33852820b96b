"""The config of a run: one YAML file, one model.

Unknown keys are refused. Command-line options override the config file; options you omit never do.
Paths are relative to the folder in which the command is started.

Sections are imported on first use: reading the list of one account needs none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raypipe.config.data import (
        AudienceConfig,
        CustomFilterConfig,
        FiltersConfig,
        InputConfig,
    )
    from raypipe.config.feedback import NegativeFeedbackConfig
    from raypipe.config.load import (
        check_section,
        load_config,
        parse_setting,
        to_yaml,
        with_settings,
    )
    from raypipe.config.quality import (
        AshaConfig,
        EvaluationConfig,
        ResourcesConfig,
        SegmentsConfig,
        SweepConfig,
    )
    from raypipe.config.run import RunConfig
    from raypipe.config.section import Place, Section
    from raypipe.config.sources import (
        NO_MODEL,
        CustomSourceConfig,
        SimilarConfig,
        SourceConfig,
        SourcesConfig,
        TwoStepConfig,
    )

__all__ = [
    "NO_MODEL",
    "AshaConfig",
    "AudienceConfig",
    "CustomFilterConfig",
    "CustomSourceConfig",
    "EvaluationConfig",
    "FiltersConfig",
    "InputConfig",
    "NegativeFeedbackConfig",
    "Place",
    "ResourcesConfig",
    "RunConfig",
    "Section",
    "SegmentsConfig",
    "SimilarConfig",
    "SourceConfig",
    "SourcesConfig",
    "SweepConfig",
    "TwoStepConfig",
    "check_section",
    "load_config",
    "parse_setting",
    "to_yaml",
    "with_settings",
]

_MODULES = {
    "data": ("AudienceConfig", "CustomFilterConfig", "FiltersConfig", "InputConfig"),
    "feedback": ("NegativeFeedbackConfig",),
    "load": ("check_section", "load_config", "parse_setting", "to_yaml", "with_settings"),
    "quality": (
        "AshaConfig",
        "EvaluationConfig",
        "ResourcesConfig",
        "SegmentsConfig",
        "SweepConfig",
    ),
    "run": ("RunConfig",),
    "section": ("Place", "Section"),
    "sources": (
        "NO_MODEL",
        "CustomSourceConfig",
        "SimilarConfig",
        "SourceConfig",
        "SourcesConfig",
        "TwoStepConfig",
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
