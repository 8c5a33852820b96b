"""One YAML file, one model: what a run is told.

Keys that are not known are refused. What is given on the command line wins over the file; what is
not given never does. Paths are relative to the folder in which the command is started.
"""

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
