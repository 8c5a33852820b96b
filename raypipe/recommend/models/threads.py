"""Threads of a training, such that the bytes of a model do not depend on the number of CPUs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from raypipe.compute.engines import cpus_here

#: Rows of a block that a thread handles at a time.
_ROWS = 65536

Made = TypeVar("Made")


def one_blas_thread() -> AbstractContextManager[Any]:
    """A block in which BLAS uses one thread: splitting a sum among threads changes its rounding."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits


def by_rows(rows: int, make: Callable[[slice], Made]) -> list[Made]:
    """What ``make`` returns for each part of this number of rows, in their order.

    The parts are the same for any number of threads. ``make`` should not hold Python's lock.

    Example:
        >>> by_rows(70_000, lambda part: part.stop - part.start)
        [65536, 4464]
    """
    parts = [slice(start, min(start + _ROWS, rows)) for start in range(0, rows, _ROWS)]
    if len(parts) == 1:
        return [make(parts[0])]
    with ThreadPoolExecutor(cpus_here()) as pool:
        return list(pool.map(make, parts))
