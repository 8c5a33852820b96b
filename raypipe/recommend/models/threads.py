"""One thread for BLAS, where the bytes of a model would else depend on the number of CPUs."""

from __future__ import annotations

from contextlib import AbstractContextManager


def one_blas_thread() -> AbstractContextManager:
    """How a sum is split among threads changes how it is rounded."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")
