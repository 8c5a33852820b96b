"""How it is measured what lists are worth, and which parameters are tried."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ByteSize, Field, field_validator, model_validator

from raypipe.config.section import Place, Section, as_written, at_most_9_places


class SegmentsConfig(Section):
    """The size of an account: how many it follows, without those that are held out."""

    warm: int = Field(10, ge=1, description="An account with fewer follows is cold.")
    hot: int = Field(50, ge=2, description="An account with at least so many follows is hot.")

    @model_validator(mode="after")
    def _ascending(self) -> SegmentsConfig:
        if self.warm >= self.hot:
            raise ValueError(f"warm is {self.warm} and hot is {self.hot}; expected warm below hot")
        return self


class EvaluationConfig(Section):
    """How it is measured what the recommendations are worth."""

    split: Literal["share", "time", "file"] = Field(
        "share",
        description="What is held out. share: of each account's follows. time: the newest of all "
        "follows. file: what evaluation.test holds.",
    )
    share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="How much is held out, where split is share or time; and, of what is left, for "
        "the trials of a sweep.",
    )
    test: Place | None = Field(
        None, description="Follows to be predicted, for split: file; written as input.follows is."
    )
    rejections: Place | None = Field(
        None,
        description="A CSV or Parquet file with columns accountId and candidateId, as `raypipe "
        "rejections export` writes it. A share of each account's is held out, for the metric "
        "rejected: how many of these are shown. The others teach.",
    )
    min_follows: int = Field(
        5, ge=2, description="An account with fewer follows, held-out ones included, stays out."
    )
    max_accounts: int | None = Field(
        None, ge=1, description="Measure at most so many accounts, drawn with the seed; null: all."
    )
    k: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        [10, 20], min_length=1, description="Lengths at which lists are measured."
    )
    metrics: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of metrics, or module:name for a function or a MetricSpec of your own; "
        "null: all that the data can have.",
    )
    segments: SegmentsConfig = Field(
        SegmentsConfig(), description="Bounds of cold, warm and hot accounts."
    )
    bootstrap: int = Field(
        1000, ge=100, le=100_000, description="Resamples of the accounts behind each interval."
    )
    folds: int = Field(5, ge=2, description="Of ratings: parts, each of which is held out once.")
    algorithms: list[str] = Field(
        [],
        description="Of ratings: algorithms to measure beside sources.factors.algorithm, each "
        "with its "
        "defaults.",
    )

    @property
    def share_fraction(self) -> tuple[int, int]:
        """The share as written, as an exact (numerator, denominator)."""
        return as_written(self.share)

    @field_validator("share")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return at_most_9_places(value)

    @field_validator("k")
    @classmethod
    def _each_once_ascending(cls, value: list[int]) -> list[int]:
        return sorted(set(value))

    @model_validator(mode="after")
    def _file_and_test_go_together(self) -> EvaluationConfig:
        if self.split == "file" and self.test is None:
            raise ValueError("split: file needs test, a file of the follows to be predicted")
        if self.split != "file" and self.test is not None:
            raise ValueError(f"test is set, but split is {self.split}; set split: file")
        return self


class AshaConfig(Section):
    """Which trials of a sweep are stopped early: asynchronous successive halving over epochs."""

    min_epochs: int = Field(5, ge=1, description="No trial is stopped before so many epochs.")
    max_epochs: int = Field(
        100, ge=1, description="Epochs of a trial that is never stopped; instead of n_epochs."
    )
    reduction: int = Field(
        3,
        ge=2,
        description="At min_epochs, and each time that the epochs have grown so many times, one in "
        "so many trials goes on.",
    )

    @model_validator(mode="after")
    def _ascending(self) -> AshaConfig:
        if self.min_epochs > self.max_epochs:
            raise ValueError(f"min_epochs is above max_epochs, {self.max_epochs}; lower it")
        return self

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which a trial is measured.

        Example:
            >>> AshaConfig(min_epochs=5, max_epochs=100, reduction=3).rungs
            (5, 15, 45, 100)
        """
        found = [self.min_epochs]
        while found[-1] * self.reduction < self.max_epochs:
            found.append(found[-1] * self.reduction)
        return tuple(sorted({*found, self.max_epochs}))


class ResourcesConfig(Section):
    """What a trial of a sweep takes; it waits until there is so much."""

    cpus: float = Field(1, gt=0, description="CPUs; a trial computes in one thread.")
    memory: ByteSize | None = Field(None, gt=0, description="As 2GB; null: it is not asked.")


class SweepConfig(Section):
    """Which parameters a sweep tries, and by what it picks the best."""

    space: dict[str, dict[str, Any]] = Field(
        {},
        description="Key of this config to what it may be: {int: [20, 300], log: true}, "
        "{float: [0.01, 0.1]}, {choice: [SVD, NMF]}; of search grid, {grid: [10, 50]}.",
    )
    trials: int | None = Field(
        None, ge=1, description="How many; null: 20, and of search grid all points."
    )
    search: Literal["grid", "random", "optuna"] = Field(
        "random", description="optuna: its tree-structured Parzen estimator."
    )
    scheduler: Literal["none", "asha"] = Field(
        "none", description="asha: stop those early that do worse after as many epochs."
    )
    asha: AshaConfig = Field(AshaConfig(), description="Of scheduler: asha.")
    objective: str | None = Field(
        None,
        description="The metric that picks the best; null: of ratings rmse, of follows ndcg at the "
        "longest length.",
    )
    resources: ResourcesConfig = Field(ResourcesConfig(), description="What a trial takes.")
    concurrency: int | None = Field(
        None,
        ge=1,
        description="Trials at a time; null: as many as there are resources for. An autoscaler "
        "adds nodes until there is room for so many.",
    )
