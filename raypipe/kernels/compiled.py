"""The decorator of all kernels."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a function at its first call, cache it on disk, and run it without Python's lock.

    To the type checker the function stays what it was, so its callers are checked.
    """
    return _compiled(function)


def inlined_kernel(function: F) -> F:
    """A :func:`kernel` that is copied into its callers.

    For what runs once per search: passing the arrays of an index takes as long as a short search.
    """
    return _compiled(function, inline="always")


def _compiled(function: F, **options: Any) -> F:
    try:
        return cast(F, njit(cache=True, nogil=True, **options)(function))
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        # No folder for the cache is writable, as in a container with a read-only root.
        return cast(F, njit(nogil=True, **options)(function))


def has_cache() -> bool:
    """True if compiled kernels are kept on disk for the next process."""
    return bool(cast(Any, _nothing).stats.cache_path)


@kernel
def _nothing() -> None:
    """Its cache is where that of every kernel is."""
