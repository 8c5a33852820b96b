"""The decorator of all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a function at its first call, cache it on disk, and run it without Python's lock.

    To the type checker the function stays what it was, so its callers are checked.
    """
    return cast(F, njit(cache=True, nogil=True)(function))


def inlined_kernel(function: F) -> F:
    """A :func:`kernel` that is copied into its callers.

    For what runs once per search: passing the arrays of an index takes as long as a short search.
    """
    return cast(F, njit(cache=True, nogil=True, inline="always")(function))
