"""The exceptions of raypipe and the exit codes of its commands.

The CLI prints ``str(error)`` as one line, without a traceback. A message says what was found, what
was expected, and the cure. The exit codes of the exceptions are those of BSD's sysexits.h, so that
an operator can distinguish "fix the data" (65, 66) from "try again" (75). The other exit codes:

    exit   0    success
    exit   1    a bug; the CLI prints the traceback
    exit   2    usage: an unknown command or option, or an invalid value of an option
    exit 130    Ctrl-C
    exit 143    SIGTERM

``raypipe submit`` and ``raypipe jobs logs`` exit with the exit code of the job.
"""

import difflib
from collections.abc import Iterable
from typing import Any


class RaypipeError(Exception):
    """Base class of all errors that a user can fix."""

    exit_code = 1


class ConfigError(RaypipeError):
    """The config or the command line is invalid."""

    exit_code = 78


class InputError(RaypipeError):
    """The input was read, but is invalid."""

    exit_code = 65


class MissingInputError(InputError):
    """The input does not exist."""

    exit_code = 66


class TooManyBadRows(InputError):
    """More rows went to quarantine than ``max_bad_fraction`` allows.

    Attributes:
        quarantine: the rows, as a pyarrow table of columns.QUARANTINE_SCHEMA, so that they can be
            written before the run ends; None if they are not available.
    """

    def __init__(self, message: str, quarantine: Any = None) -> None:
        super().__init__(message)
        self.quarantine = quarantine


class UnknownAccountError(RaypipeError):
    """The account is not in the data or the run."""

    exit_code = 67


class RunError(RaypipeError):
    """A run folder is missing, damaged or not usable."""

    exit_code = 73


class RunsLockedError(RunError):
    """Another process is writing to the same runs folder."""

    exit_code = 75


class FeedbackError(RaypipeError):
    """The rejection store cannot be read or written."""

    exit_code = 74


class FeedbackLockedError(FeedbackError):
    """Other processes keep the rejection store locked."""

    exit_code = 75


class ClusterError(RaypipeError):
    """Ray could not be reached, or a task failed for good."""

    exit_code = 69


class LeakError(RaypipeError):
    """The lists of a run contain excluded candidates; nothing is published."""

    exit_code = 70


class HeldError(RaypipeError):
    """The run is finished, but differs too much from the published one: it is held back."""

    exit_code = 77


class TooLargeError(RaypipeError):
    """The run needs more memory than is free, or than ``memory_per_task`` allows."""

    exit_code = 71


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """The cure for a wrong name: the most similar known name, ignoring case.

    Args:
        otherwise: the cure if no name is similar; None: list all known names.

    Example:
        >>> did_you_mean("svd", ["SVD", "NMF"]), did_you_mean("zzz", ["SVD", "NMF"])
        ('did you mean SVD?', 'known: SVD, NMF')
    """
    by_lower_case = {known_name.lower(): known_name for known_name in known}
    similar = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    if similar:
        return f"did you mean {by_lower_case[similar[0]]}?"
    return otherwise or f"known: {', '.join(by_lower_case.values()) or 'none'}"
