"""The base of all sections of a config."""

import os
import re
from fractions import Fraction
from pathlib import PurePath
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    JsonValue,
)

S = TypeVar("S", bound="Section")

#: Marks a field that affects the speed of a run, but not its results. Such fields are not part of
#: the config hash, so that the same run on another engine has the same hash.
SPEED_ONLY: dict[str, JsonValue] = {"speed_only": True}

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def plain_path(value: str) -> str:
    """A path without ``./``, with ``~`` and ``${VAR}`` replaced.

    ``..`` stays, because its folder may be a link, and so does a URL, which is then not found.

    Raises:
        ValueError: there is no such variable.

    Example:
        >>> plain_path("./a//b/../c.csv"), plain_path("s3://bucket/a.csv")
        ('a/b/../c.csv', 's3://bucket/a.csv')
    """
    for name in _VARIABLE.findall(value):
        if name not in os.environ:
            raise ValueError(f"the environment has no variable {name}")
        value = value.replace(f"${{{name}}}", os.environ[name])
    return value if "://" in value else str(PurePath(os.path.expanduser(value)))


def _with_bytes(value: object) -> object:
    """A size as Kubernetes writes it: 2Gi becomes 2GiB."""
    return f"{value}B" if isinstance(value, str) and value.strip()[-1:] == "i" else value


#: A path as the config names it: ./a.csv becomes a.csv.
Place = Annotated[str, AfterValidator(plain_path)]

#: A number of bytes, such as 2GB or 2Gi.
Size = Annotated[ByteSize, BeforeValidator(_with_bytes)]


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
    """Base of all sections: frozen; unknown keys, and numbers that are not finite, are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def section(model: type[S], **more: Any) -> S:
    """The field of a subsection: its defaults, described by the first line of its docstring."""
    words = (model.__doc__ or "").partition("\n")[0]
    field: S = Field(model(), description=words, **more)
    return field
