"""The config of a run: one YAML file, one model.

Unknown keys are refused. Command-line options override the config file; options you omit never do.
Paths are relative to the folder in which the command is started.

Sections are imported on first use: reading the list of one account needs none of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raypipe.config.data import AudienceConfig as AudienceConfig
    from raypipe.config.data import CustomFilterConfig as CustomFilterConfig
    from raypipe.config.data import FiltersConfig as FiltersConfig
    from raypipe.config.data import ImpressionsConfig as ImpressionsConfig
    from raypipe.config.data import InputConfig as InputConfig
    from raypipe.config.data import IntegrityConfig as IntegrityConfig
    from raypipe.config.feedback import NegativeFeedbackConfig as NegativeFeedbackConfig
    from raypipe.config.load import check_section as check_section
    from raypipe.config.load import load_config as load_config
    from raypipe.config.load import parse_setting as parse_setting
    from raypipe.config.load import to_yaml as to_yaml
    from raypipe.config.load import with_settings as with_settings
    from raypipe.config.quality import AshaConfig as AshaConfig
    from raypipe.config.quality import AttackConfig as AttackConfig
    from raypipe.config.quality import EvaluationConfig as EvaluationConfig
    from raypipe.config.quality import ResourcesConfig as ResourcesConfig
    from raypipe.config.quality import SegmentsConfig as SegmentsConfig
    from raypipe.config.quality import SweepConfig as SweepConfig
    from raypipe.config.run import RunConfig as RunConfig
    from raypipe.config.section import Place as Place
    from raypipe.config.section import Section as Section
    from raypipe.config.sources import NO_MODEL as NO_MODEL
    from raypipe.config.sources import CustomSourceConfig as CustomSourceConfig
    from raypipe.config.sources import SimilarConfig as SimilarConfig
    from raypipe.config.sources import SourceConfig as SourceConfig
    from raypipe.config.sources import SourcesConfig as SourcesConfig
    from raypipe.config.sources import TwoStepConfig as TwoStepConfig

_SECTIONS = ("section", "data", "sources", "feedback", "quality", "run", "load")


def __getattr__(name: str) -> Any:
    for module in () if name.startswith("_") else _SECTIONS:
        section = importlib.import_module(f"{__name__}.{module}")
        if hasattr(section, name):
            return getattr(section, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
