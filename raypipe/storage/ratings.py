"""The stored result of an evaluation on ratings, and the plan of one."""

from typing import Any

from pydantic import JsonValue

from raypipe.storage.contract import Contract, Result, Versioned
from raypipe.storage.records import StageRecord


class RatingCounts(Contract):
    """Counts of input rows by outcome, and the size of the ratings."""

    rows_in: int
    rows_used: int
    duplicates: int
    quarantined: int
    dropped_by_transform: int = 0
    users: int
    items: int


class FoldRow(Contract):
    """One algorithm on one fold, from 1; None where a measure is undefined."""

    fold: int
    rmse: float | None
    mae: float | None
    fcp: float | None
    fit_seconds: float
    test_seconds: float


class AlgorithmRecord(Contract):
    """One algorithm: means over the folds, and seconds of all folds."""

    algorithm: str
    parameters: dict[str, JsonValue]
    rmse: float | None
    mae: float | None
    fcp: float | None
    fit_seconds: float
    test_seconds: float
    folds: tuple[FoldRow, ...]


class RatingEngine(Contract):
    """The execution engine, as text."""

    cluster: str


class RatingResult(Result):
    """``evaluation.json`` of ratings.

    Attributes:
        data: the ratings, as the config names them.
        scale: lowest and highest rating.
        metrics: those to show.
    """

    date: str
    digest: str
    raypipe: str
    data: str
    counts: RatingCounts
    folds: int
    seed: int
    scale: tuple[float, float]
    metrics: tuple[str, ...]
    algorithms: tuple[AlgorithmRecord, ...]
    engines: RatingEngine
    stages: tuple[StageRecord, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each algorithm and fold."""
        return [
            {"algorithm": found.algorithm, **fold.model_dump()}
            for found in self.algorithms
            for fold in found.folds
        ]


class RatingMemory(Contract):
    """Memory of one machine.

    Attributes:
        folds_bytes: of the folds, which all tasks share.
        task_limit_bytes: that one task may use.
        limited_by: what sets that limit, in words.
    """

    folds_bytes: int
    task_limit_bytes: int
    limited_by: str


class AlgorithmPlan(Contract):
    """Memory and seconds of the training of one algorithm.

    Attributes:
        task_bytes: of one training.
        seconds: of one CPU, for all folds.
        refusal: why an evaluation would refuse it; None: it fits.
    """

    algorithm: str
    task_bytes: int
    seconds: float
    refusal: str | None


class RatingPlan(Versioned):
    """The predicted cost of an evaluation on ratings."""

    counts: RatingCounts
    folds: int
    memory: RatingMemory
    algorithms: tuple[AlgorithmPlan, ...]
