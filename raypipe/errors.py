"""Everything that raypipe raises on purpose.

    RaypipeError                 exit  1   base; never raised itself
    ├── ConfigError              exit 78   the config or the command line says something impossible
    ├── InputError               exit 65   the input was read, and is not what it should be
    │   ├── MissingInputError    exit 66   there is no such input
    │   └── TooManyBadRows       exit 65   more rows in quarantine than max_bad_fraction allows
    ├── UnknownAccountError      exit 67   an account that the data or the run does not hold
    ├── RunError                 exit 73   a run folder is missing, damaged or not usable
    │   └── RunsLockedError      exit 75   another process is writing; try again later
    ├── FeedbackError            exit 74   the store of rejections cannot be read or written
    │   └── FeedbackLockedError  exit 75   others have kept it locked; try again later
    ├── ClusterError             exit 69   Ray could not be reached, or a task failed for good
    ├── LeakError                exit 70   the lists hold what must not be shown
    └── TooLargeError            exit 71   the night needs more memory than there is, or is allowed

The exit codes are those of BSD's sysexits.h, so that whoever wears the pager can tell "mend the
data" (65, 66) from "try again" (75). The CLI prints ``str(error)`` as one line, without a
traceback. A message says what was found, what was expected, and the cure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class RaypipeError(Exception):
    """Base of all errors that a user, not a programmer, has to act on."""

    exit_code = 1


class ConfigError(RaypipeError):
    """The config or the command line says something impossible."""

    exit_code = 78


class InputError(RaypipeError):
    """The input was read, and is not what it should be."""

    exit_code = 65


class MissingInputError(InputError):
    """There is no such input."""

    exit_code = 66


class TooManyBadRows(InputError):
    """More rows went to quarantine than ``max_bad_fraction`` allows.

    Attributes:
        quarantine: the rows, as a pyarrow table of columns.QUARANTINE_SCHEMA, so that they can be
            written down before the run ends; None where they are not at hand.
    """

    def __init__(self, message: str, quarantine: Any = None) -> None:
        super().__init__(message)
        self.quarantine = quarantine


class UnknownAccountError(RaypipeError):
    """An account that the data or the run does not hold."""

    exit_code = 67


class RunError(RaypipeError):
    """A run folder is missing, damaged or not usable."""

    exit_code = 73


class RunsLockedError(RunError):
    """Another process is writing to the same runs folder."""

    exit_code = 75


class FeedbackError(RaypipeError):
    """The store of rejections cannot be read or written."""

    exit_code = 74


class FeedbackLockedError(FeedbackError):
    """Others have kept the store of rejections locked."""

    exit_code = 75


class ClusterError(RaypipeError):
    """Ray could not be reached, or a task failed for good."""

    exit_code = 69


class LeakError(RaypipeError):
    """The lists of a run hold what must not be shown; nothing is published."""

    exit_code = 70


class TooLargeError(RaypipeError):
    """The night needs more memory than there is, or than ``memory_per_task`` allows."""

    exit_code = 71


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """The cure for a wrong name: the one that is most like it, large letters or small.

    Args:
        otherwise: what is said where none is like it; None: all that are known.

    Example:
        >>> did_you_mean("svd", ["SVD", "NMF"]), did_you_mean("zzz", ["SVD", "NMF"])
        ('did you mean SVD?', 'known: SVD, NMF')
    """
    by_small = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_small, n=1)
    if found:
        return f"did you mean {by_small[found[0]]}?"
    return otherwise or f"known: {', '.join(by_small.values()) or 'none'}"
