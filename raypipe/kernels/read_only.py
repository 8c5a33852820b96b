"""Freezing arrays that tasks share."""

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

Arrays = TypeVar("Arrays")


def freeze(value: object) -> None:
    """Make every array in a value read-only: in its tuples, dicts and dataclasses, at any depth.

    Arrays that come out of Ray's object store are read-only. Numba compiles a kernel once for
    writable arrays and once more for read-only ones. If everything that tasks read is frozen where
    it is made, each kernel is compiled only once, and tasks load it from the cache.

    Example:
        >>> shared = {"degrees": (np.arange(3),)}
        >>> freeze(shared)
        >>> shared["degrees"][0][0] = 1
        Traceback (most recent call last):
        ValueError: assignment destination is read-only
    """
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, tuple):
        for part in value:
            freeze(part)
    elif isinstance(value, dict):
        freeze(tuple(value.values()))
    elif is_dataclass(value):
        freeze(tuple(getattr(value, field.name) for field in fields(value)))


def frozen(value: Arrays) -> Arrays:
    """A read-only view of an array, or a NamedTuple of such; the caller's stay as they are.

    Example:
        >>> own = np.arange(3)
        >>> frozen(own).flags.writeable, own.flags.writeable
        (False, True)
    """
    found: Any = value
    if isinstance(found, np.ndarray):
        found = found.view()
        freeze(found)
    elif isinstance(found, tuple):
        found = type(found)(*map(frozen, found))
    return found  # type: ignore[no-any-return]
