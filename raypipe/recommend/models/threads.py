"""One thread for BLAS, so that the bytes of a model do not depend on the number of CPUs."""

from contextlib import AbstractContextManager
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """A block in which BLAS uses one thread: splitting a sum among threads changes its rounding."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits
