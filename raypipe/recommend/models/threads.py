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


def by_rows(rows: int, make: Callable[[slice], Made], size: int | None = None) -> list[Made]:
    """What ``make`` returns for each part of this number of rows, in their order.

    The parts are the same for any number of threads. ``make`` should not hold Python's lock.

    Args:
        size: number of rows of a part; None: as many as keep a thread busy.

    Example:
        >>> by_rows(70_000, lambda part: part.stop - part.start)
        [65536, 4464]
    """
    size = size or _ROWS
    parts = [slice(start, min(start + size, rows)) for start in range(0, max(rows, 1), size)]
    if len(parts) == 1:
        return [make(parts[0])]
    with ThreadPoolExecutor(cpus_here()) as pool:
        return list(pool.map(make, parts))
