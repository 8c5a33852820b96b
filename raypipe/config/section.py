"""The base of all sections of a config."""

import os
from fractions import Fraction
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

S = TypeVar("S", bound="Section")

#: Marks a field that affects the speed of a run, but not its results. Such fields are not part of
#: the config hash, so that the same run on another engine has the same hash.
SPEED_ONLY: dict[str, JsonValue] = {"speed_only": True}

#: A normalised path: ./a.csv becomes a.csv.
Place = Annotated[str, AfterValidator(os.path.normpath)]


def as_written(value: float) -> tuple[int, int]:
    """A decimal as an exact (numerator, denominator).

    Example:
        >>> as_written(0.1)
        (1, 10)
    """
    fraction = Fraction(str(value))
    return fraction.numerator, fraction.denominator


def at_most_9_places(value: float) -> float:
    """The value, if it has at most 9 decimal places, so that it can be used as written.

    Raises:
        ValueError: it has more.
    """
    if as_written(value)[1] > 10**9:
        raise ValueError("at most 9 decimal places")
    return value


#: A number that is used exactly as written.
Decimal = Annotated[float, AfterValidator(at_most_9_places)]


class Section(BaseModel):
    """Base of all sections: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def section(model: type[S], **more: Any) -> S:
    """The field of a subsection: its defaults, described by the first line of its docstring."""
    words = (model.__doc__ or "").partition("\n")[0]
    field: S = Field(model(), description=words, **more)
    return field
