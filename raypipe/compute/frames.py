"""Frame engines: one interface for pandas and Modin.

A :class:`FrameEngine` builds a frame from blocks of the input and passes its partitions to a
function. The pandas engine is here; the Modin engine is in :mod:`raypipe.compute.ray_cluster`,
because it needs Ray. The code between the two calls uses the pandas API, which both provide.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Protocol, TypeAlias, TypeVar

import pandas as pd

Frame: TypeAlias = Any  # a pandas.DataFrame or a modin.pandas.DataFrame: the same API
Block = TypeVar("Block")
Report = TypeVar("Report")
Result = TypeVar("Result")


_CPUS = os.cpu_count() or 1
_ROWS_WORTH_A_THREAD = 200_000


class FrameEngine(Protocol):
    """The interface of a frame engine."""

    name: str

    def load(
        self, read_block: Callable[[Block], tuple[pd.DataFrame, Report]], blocks: Sequence[Block]
    ) -> tuple[Frame, list[Report]]:
        """Read every block and concatenate the parts in the order of ``blocks``."""

    def map_partitions(
        self, function: Callable[[pd.DataFrame], Result], frame: Frame
    ) -> list[Result]:
        """Call ``function`` on each row partition (a pandas frame); results are in row order."""


class PandasEngine:
    """One pandas frame in this process."""

    name = "pandas"

    def load(
        self, read_block: Callable[[Block], tuple[pd.DataFrame, Report]], blocks: Sequence[Block]
    ) -> tuple[Frame, list[Report]]:
        # Threads, because Arrow and NumPy release the interpreter lock.
        with ThreadPoolExecutor(_CPUS) as pool:
            parts, reports = zip(*pool.map(read_block, blocks), strict=True)
        return pd.concat(list(parts), ignore_index=True, copy=False), list(reports)  # type: ignore[call-overload]

    def map_partitions(
        self, function: Callable[[pd.DataFrame], Result], frame: Frame
    ) -> list[Result]:
        parts = max(1, min(_CPUS, len(frame) // _ROWS_WORTH_A_THREAD))
        bounds = [len(frame) * part // parts for part in range(parts + 1)]
        slices = [frame.iloc[slice(*ends)] for ends in pairwise(bounds)]
        with ThreadPoolExecutor(parts) as pool:
            return list(pool.map(function, slices))
