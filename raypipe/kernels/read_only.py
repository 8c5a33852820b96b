"""Arrays that are not written any more."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def freeze(value: Any) -> None:
    """Make every array in a value read-only: in its tuples, dicts and dataclasses, at any depth.

    Arrays come out of Ray's object store so. numba compiles a kernel once for arrays that may be
    written and once more for those that may not: with what all tasks read frozen where it is made,
    a kernel is compiled once, here or in a task, and there only loaded.

    Example:
        >>> held = {"degrees": (np.arange(3),)}
        >>> freeze(held)
        >>> held["degrees"][0][0] = 1
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
