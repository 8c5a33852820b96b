"""The config of a run: one YAML file, one model.

Unknown keys are refused. Command-line options override the config file; options you omit never do.
Paths are relative to the folder in which the command is started.

Sections are imported on first use: reading the list of one account needs none of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raypipe.config.data import *  # noqa: F403
    from raypipe.config.feedback import *  # noqa: F403
    from raypipe.config.load import *  # noqa: F403
    from raypipe.config.quality import *  # noqa: F403
    from raypipe.config.run import *  # noqa: F403
    from raypipe.config.section import *  # noqa: F403
    from raypipe.config.sources import *  # noqa: F403

_SECTIONS = ("section", "data", "sources", "feedback", "quality", "run", "load")


def __getattr__(name: str) -> Any:
    for module in () if name.startswith("_") else _SECTIONS:
        section = importlib.import_module(f"{__name__}.{module}")
        if hasattr(section, name):
            return getattr(section, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
