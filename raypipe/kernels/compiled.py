"""The decorator of all kernels."""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types
from numba.core import caching

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
    compiled: Any = njit(nogil=True, **options)(function)
    template = compiled.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        """Numba compiles a kernel again for each number in its callers, such as a first 0."""
        return template(tuple(map(types.unliteral, args)), kws)

    compiled.get_call_template = get_call_template
    try:
        compiled.enable_caching()
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        # No folder for the cache is writable, as in a container with a read-only root.
    if os.path.exists(function.__code__.co_filename):
        compiled._cache = _ThenShipped(function, compiled._cache)
    return cast(F, compiled)


def has_cache() -> bool:
    """True if compiled kernels are kept on disk for the next process."""
    return bool(cast(Any, _nothing).stats.cache_path)


class _BesideTheCode(caching._SourceFileBackedLocatorMixin, caching._CacheLocator):
    """The folder of bytecode, which need not be writable."""

    def __init__(self, function: Any, path: str) -> None:
        self._py_file = path
        self._lineno = function.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return os.path.join(os.path.dirname(self._py_file), "__pycache__")

    def ensure_cache_path(self) -> None:
        """Only read."""


class _Shipped(caching.CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_BesideTheCode]  # noqa: RUF012 - as Numba has it


class _ThenShipped(caching.FunctionCache):
    """Numba's own cache, and after it the kernels that an image has compiled beside the code.

    Numba reads only caches that it can write, and so not those of a read-only root.
    """

    _impl_class = _Shipped

    def __init__(self, function: Any, own: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._own = own

    @property
    def cache_path(self) -> Any:
        return self._own.cache_path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        own = self._own.load_overload(sig, target_context)
        shipped = super().load_overload
        return own or shipped(sig, target_context)  # type: ignore[no-untyped-call]

    def save_overload(self, sig: Any, data: Any) -> None:
        self._own.save_overload(sig, data)


@kernel
def _nothing() -> None:
    """Its cache is where that of every kernel is."""
