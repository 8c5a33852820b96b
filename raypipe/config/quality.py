"""Sections ``evaluation`` and ``sweep``: how lists are measured, and which parameters are tried."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from raypipe.config.section import Decimal, Place, Section, Size, as_written, section


class SegmentsConfig(Section):
    """Activity segments: accounts by their number of follows, held-out follows not counted.

    Accounts without follows are the segment zero.
    """

    cold: int = Field(
        3, ge=2, description="Accounts with fewer follows, and at least one, are few."
    )
    warm: int = Field(10, ge=3, description="Accounts with fewer follows are cold.")
    hot: int = Field(50, ge=4, description="Accounts with at least this number of follows are hot.")

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Minimum number of follows of every segment after zero."""
        return 1, self.cold, self.warm, self.hot

    @model_validator(mode="after")
    def _ascending(self) -> SegmentsConfig:
        if not self.cold < self.warm < self.hot:
            raise ValueError(
                f"cold, warm and hot are {self.cold}, {self.warm} and {self.hot}; "
                "expected ascending numbers"
            )
        return self


class EvaluationConfig(Section):
    """How recommendations are measured: by `raypipe evaluate` and by the ladder."""

    split: Literal["share", "time", "file", "since"] = Field(
        "share",
        description="What is held out. share: a share of each account's follows. time: the newest "
        "of all follows. file: the follows in evaluation.test. since: the follows that are new "
        "since an earlier run of the same network. Only for evaluate, and sweep except since.",
    )
    share: Decimal = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share that is held out, for split: share and split: time. The trials of a "
        "sweep hold out the same share of the rest.",
    )
    test: Place | None = Field(
        None, description="The held-out follows, for split: file, in the layout of input.follows."
    )
    rejections: Place | None = Field(
        None,
        description="A table with the columns accountId and candidateId, as `raypipe rejections "
        "export` writes it. A share of each account's rejections is held out for the metric "
        "rejected, the share of these that is shown; the others teach.",
    )
    min_follows: int = Field(
        2,
        ge=2,
        description="Accounts with fewer follows, held-out ones included, are not measured; "
        "segment zero is measured on accounts with at least one.",
    )
    max_accounts: int | None = Field(
        None,
        ge=1,
        description="Maximum number of accounts measured, sampled with the seed, and of accounts "
        "in segment zero; null: all, and a tenth of those with follows.",
    )
    k: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        [10, 20], min_length=1, description="List lengths at which metrics are computed."
    )
    metrics: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of metrics, or module:name for a function or a MetricSpec of your own; "
        "null: all that apply to the data.",
    )
    segments: SegmentsConfig = section(SegmentsConfig)
    bootstrap: int = Field(
        1000,
        ge=100,
        le=100_000,
        description="Bootstrap resamples of the accounts for each interval.",
    )
    folds: int = Field(5, ge=2, description="For ratings: number of folds; each is held out once.")
    algorithms: list[str] = Field(
        [],
        description="For ratings: algorithms measured beside sources.factors.algorithm, with their "
        "default parameters.",
    )

    @property
    def share_fraction(self) -> tuple[int, int]:
        """The share as written, as an exact (numerator, denominator)."""
        return as_written(self.share)

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
    """Early stopping of trials: asynchronous successive halving over epochs."""

    min_epochs: int = Field(
        5, ge=1, description="No trial is stopped before this number of epochs."
    )
    max_epochs: int = Field(
        100, ge=1, description="Epochs of a trial that is never stopped; replaces n_epochs."
    )
    reduction: int = Field(
        3,
        ge=2,
        description="At min_epochs, and whenever the epochs have grown by this factor, one in this "
        "number of trials continues.",
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
    """Resources of a trial; it waits until they are free."""

    cpus: float = Field(
        1, gt=0, description="CPUs that a trial reserves; it computes in one thread."
    )
    memory: Size | None = Field(None, gt=0, description="Memory that a trial reserves; null: none.")


class SweepConfig(Section):
    """Which parameters a sweep tries, and how it selects the best."""

    space: dict[str, dict[str, Any]] = Field(
        {},
        description="Config key to its range: {int: [20, 300], log: true}, {float: [0.01, 0.1]} or "
        "{choice: [SVD, NMF]}; for search: grid, {grid: [10, 50]}.",
    )
    trials: int | None = Field(
        None, ge=1, description="Number of trials; null: 20, or all points for search: grid."
    )
    search: Literal["grid", "random", "optuna"] = Field(
        "random",
        description="How points are selected. optuna: its tree-structured Parzen estimator.",
    )
    scheduler: Literal["none", "asha"] = Field(
        "none",
        description="asha: stop trials early that are worse than others after as many epochs.",
    )
    asha: AshaConfig = section(AshaConfig)
    objective: str | None = Field(
        None,
        description="Metric that selects the best trial; null: rmse for ratings, ndcg at the "
        "longest of evaluation.k for follows.",
    )
    resources: ResourcesConfig = section(ResourcesConfig)
    concurrency: int | None = Field(
        None,
        ge=1,
        description="Trials at a time; null: as many as the resources allow. An autoscaler adds "
        "nodes until there is room for this number.",
    )


class AttackConfig(Section):
    """Which attacks `raypipe attack` simulates; docs/attacks.md defines them."""

    attacks: list[str] | None = Field(
        None, min_length=1, description="Names of attacks; null: all, and honest newcomers."
    )
    budgets: list[Annotated[int, Field(ge=10)]] = Field(
        [30, 300, 3000],
        min_length=1,
        description="Numbers of fake follows (and rejections) that an attack may spend.",
    )
    seeds: int = Field(
        1, ge=1, description="Repetitions of each attack, with seed, seed + 1, and so on."
    )
    strategies: list[str] = Field(
        ["ladder"],
        min_length=1,
        description="Whose lists are measured: ladder (what the night would show), or names as in "
        "`raypipe evaluate --sources`.",
    )
    target: str | None = Field(
        None,
        description="The account that attacks promote or demote. null: promoted is one with "
        "more followers than 90 % of all, demoted the one that is shown most.",
    )
    nights: int = Field(1, ge=1, description="Honest nights of a sleeper before it attacks.")
    retrain: Literal["ranker", "all", "none"] = Field(
        "ranker",
        description="What an attacked night learns anew. ranker: the learned ranker; all: the "
        "selection of strategies too, in 1.6 times the time; none: both are those of the clean "
        "night. A factor model is always trained anew.",
    )

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, value: list[int]) -> list[int]:
        return sorted(set(value))
