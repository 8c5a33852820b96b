"""What all sections of a config have in common."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

#: Marks a field that changes how fast a run is, never what comes out. Such fields stay out of
#: the config hash, so that a run repeated on another engine is known to be the same run.
SPEED_ONLY = {"speed_only": True}

#: A path as people write it, normalised: so that ./a.csv is a.csv.
Place = Annotated[str, AfterValidator(os.path.normpath)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_written(value: float) -> tuple[int, int]:
    """A decimal as an exact (numerator, denominator).

    Example:
        >>> as_written(0.1)
        (1, 10)
    """
    fraction = Fraction(str(value))
    return fraction.numerator, fraction.denominator


def at_most_9_places(value: float) -> float:
    """The value, where it is short enough to be taken as written.

    Raises:
        ValueError: it is not.
    """
    if as_written(value)[1] > 10**9:
        raise ValueError("at most 9 decimal places")
    return value
