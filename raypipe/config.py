"""One YAML file, one model: what a run is told.

Keys that are not known are refused. What is given on the command line wins over the file; what is
not given never does. Paths are relative to the folder in which the command is started.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raypipe.errors import ConfigError, did_you_mean

#: Marks a field that changes how fast a run is, never what comes out. Such fields stay out of
#: the config hash, so that a run repeated on another engine is known to be the same run.
SPEED_ONLY = {"speed_only": True}

_OPENERS = ("[", "{", "'", '"')


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnsConfig(Section):
    """What the columns are called in the input; their places, from 0, without a header."""

    followerId: str | int = Field("followerId", description="Column of the account that follows.")
    followingId: str | int = Field("followingId", description="Column of the account followed.")
    timestamp: str | int | None = Field(
        None,
        description="Column of the time of the follow, kept in the frame as timestamp: seconds, or "
        "a date as in ISO 8601. A split by time needs it.",
    )


class RatingColumnsConfig(Section):
    """What the columns of ratings are called in the input; their places without a header."""

    userId: str | int = Field("userId", description="Column of who rates.")
    itemId: str | int = Field("itemId", description="Column of what is rated.")
    rating: str | int = Field("rating", description="Column of the rating, a number.")
    timestamp: str | int | None = Field(
        None,
        description="Column of the time, a number. Of several ratings of one item by one user the "
        "newest counts; null: the one that stands last.",
    )


Place = Annotated[str, AfterValidator(os.path.normpath)]  # so that ./a.csv is a.csv


class InputConfig(Section):
    """Where the follows, or the ratings, are, and how to read them."""

    follows: Place | None = Field(
        None, description="A file, a folder or a glob: CSV (.csv, .gz, .zst) or Parquet."
    )
    ratings: Place | None = Field(
        None, description="Ratings instead of follows, for evaluate: a file, a folder or a glob."
    )
    format: Literal["auto", "csv", "parquet"] = Field(
        "auto", description="auto: Parquet where the name ends in .parquet or .pq, else CSV."
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(
        ",", description="One character between the values of a CSV row."
    )
    header: bool = Field(True, description="Does the first row of a CSV file name the columns?")
    comment: str | None = Field(
        None, min_length=1, description="CSV rows that start with this mark are skipped."
    )
    columns: ColumnsConfig = Field(ColumnsConfig(), description="The columns' names in the input.")
    followee_prefix: str = Field(
        "",
        description="Put before the id of every followee, where it is of another kind than its "
        "follower (a user and a place, say) and might have the same id. The transform sees it.",
    )
    rating_columns: RatingColumnsConfig = Field(
        RatingColumnsConfig(), description="The columns' names in the input, for ratings."
    )
    carry: list[str] | Literal["all"] = Field(
        [], description="Further columns to keep for the transform; all others are dropped."
    )
    transform: str | None = Field(
        None,
        pattern=r"^[\w.]+:\w+$",
        description="module:function, your own Pandas-style step: frame in, frame out. A changed "
        "module makes a new run; what it imports is not looked at.",
    )
    max_bad_fraction: float = Field(
        0.01, ge=0, le=1, description="Fail when a larger share of the rows is in quarantine."
    )

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_as_people_write_it(cls, value: Any) -> Any:
        return "\t" if value == "\\t" else value

    @model_validator(mode="after")
    def _follows_or_ratings(self) -> InputConfig:
        if self.ratings is None:
            return self
        if self.follows is not None:
            raise ValueError("follows and ratings are both set; expected one of the two")
        if self.transform or self.carry:
            raise ValueError("transform and carry are for follows; remove them, or set follows")
        return self

    @property
    def kind(self) -> Literal["follows", "ratings"]:
        """Which of the two is named; follows where none is."""
        return "follows" if self.ratings is None else "ratings"

    @property
    def place(self) -> str | None:
        """A file, a folder or a glob: where the data of this kind is."""
        return self.follows if self.ratings is None else self.ratings


class SimilarConfig(Section):
    """Phase 2: accounts with similar follow sets."""

    neighbours: int = Field(10, ge=1, le=1000, description="Neighbours kept per account.")
    threshold: float = Field(
        0.1, ge=0, lt=1, description="Only a Tanimoto similarity above this makes a neighbour."
    )
    min_follows: int = Field(
        3, ge=1, description="An account with fewer follows gets phase 1 (popular) alone."
    )
    max_followers_in_similarity: int | None = Field(
        None,
        ge=1,
        description="Neighbours are not looked for among the followers of an account with more "
        "followers: cheaper, but some are missed; the run says which share is found. null: exact.",
    )

    @property
    def threshold_fraction(self) -> tuple[int, int]:
        """The threshold as written, as an exact (numerator, denominator)."""
        return _as_written(self.threshold)

    @field_validator("threshold")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return _at_most_9_places(value)


class MiddleConfig(Section):
    """A source that walks two steps, through accounts in the middle."""

    weight: Literal["inverse_log", "none"] = Field(
        "inverse_log",
        description="Of an account in the middle. inverse_log: 1/log(2 + its follows). none: 1.",
    )
    max_follows: int | None = Field(
        None,
        ge=0,
        description="An account in the middle that follows more is not walked through: cheaper, "
        "but some candidates are missed. null: exact.",
    )


class AudienceConfig(Section):
    """Who gets recommendations."""

    accounts: Place | None = Field(
        None,
        description="A CSV or Parquet file with a column accountId: only these get "
        "recommendations. Ids that are in no follow get phase 1.",
    )
    min_follows: int = Field(0, ge=0, description="Only accounts with at least so many follows.")


class CandidatesConfig(Section):
    """Who may be recommended."""

    min_followers: int = Field(
        0, ge=0, description="Only accounts with at least so many followers."
    )


class FeedbackConfig(Section):
    """Where the rejections are. What they are changes a run, where they are does not."""

    url: str | None = Field(
        None,
        pattern=r"^(sqlite:///.+|postgresql\+psycopg://.*)$",
        description="As sqlite:///runs/feedback.sqlite or postgresql+psycopg://USER@HOST/NAME; "
        "null: a file beside the runs.",
    )

    @field_validator("url")
    @classmethod
    def _without_a_password(cls, value: str | None) -> str | None:
        # The config is kept with each run.
        if value and (re.search(r"://[^/@]*:[^/@]*@", value) or "password=" in value):
            raise ValueError("leave the password out; set PGPASSWORD, or use ~/.pgpass")
        return value


class FiltersConfig(Section):
    """Who is not recommended to whom, beside whom the account has rejected."""

    blocks: Place | None = Field(
        None,
        description="A CSV or Parquet file with columns account and candidate: neither is "
        "recommended to the other.",
    )
    used_to_follow: bool = Field(
        True,
        description="Not whom the account followed in an earlier run, and does not follow now; a "
        "run without this forgets who that was.",
    )
    opted_out: Place | None = Field(
        None,
        description="A CSV or Parquet file with a column accountId: these want to be recommended "
        "to nobody.",
    )
    bots: Place | None = Field(
        None,
        description="A CSV or Parquet file with a column accountId: these are bots, and are "
        "recommended to nobody.",
    )


class WeightsConfig(Section):
    """How much each source counts in a blend; of weight 0 it is not asked."""

    follow_back: float = Field(1.0, ge=0, description="Who follows the account.")
    two_hop: float = Field(0.2, ge=0, description="Whom its followees follow.")
    co_followed: float = Field(0.1, ge=0, description="Whom its followers follow.")
    similar: float = Field(0.5, ge=0, description="Whom accounts with similar follows follow.")
    factors: float = Field(0.5, ge=0, description="Whom the model prefers, where there is one.")
    popular: float = Field(0.1, ge=0, description="Whom most accounts follow.")

    @model_validator(mode="after")
    def _one_at_least(self) -> WeightsConfig:
        if not any(self.model_dump().values()):
            raise ValueError("all weights are 0; expected one source at least")
        return self


class BlendConfig(Section):
    """Several sources in one list."""

    combine: Literal["none", "fixed", "learned"] = Field(
        "none",
        description="none: each phase by itself. fixed: all sources too, by their weights. "
        "learned: also by a ranker that is trained on held-out follows, every night. With ladder: "
        "evidence a blend is shown to accounts of a size for which it finds more than any phase "
        "and any source (the one by weights also where too few could be measured); with ladder: "
        "fixed, the one by weights is shown from similar.min_follows on.",
    )
    weights: WeightsConfig = Field(WeightsConfig(), description="Of the sources.")
    candidates: int = Field(
        50, ge=1, le=1000, description="Best candidates of each source that are looked at."
    )
    most_of_one: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Largest share of a list that may come from one source: the one of its "
        "sources that ranks a candidate highest. A list is rather shorter than beyond it.",
    )

    @property
    def blends(self) -> bool:
        """Are sources blended at all?"""
        return self.combine != "none"

    @property
    def most_fraction(self) -> tuple[int, int]:
        """The largest share as written, as an exact (numerator, denominator)."""
        return _as_written(self.most_of_one)

    @field_validator("most_of_one")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return _at_most_9_places(value)


class RejectionsConfig(Section):
    """What rejections teach, beside that who is rejected is not shown again. 0: nothing.

    Only those of accounts that tonight's follows hold, and that do not follow whom they rejected.
    """

    popular: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="In phase 1 each account that has rejected a candidate takes away less than so "
        "many followers.",
    )
    neighbours: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="In phase 2 a followee of a neighbour whom the account has rejected counts so "
        "many times as much against the neighbour as a common followee counts for it.",
    )
    votes: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="In phase 2 a neighbour that has rejected a candidate counts so many times as "
        "much against it as one that follows it counts for it.",
    )
    factors: bool = Field(
        True,
        description="In phase 3 SVD learns rejections as zeros; TruncatedSVD, ALS and BPR do not "
        "take them.",
    )

    @property
    def teach(self) -> bool:
        """Do they teach anything?"""
        return bool(self.popular or self.neighbours or self.votes or self.factors)


class RecommendationsConfig(Section):
    """What a list looks like."""

    per_account: int = Field(10, ge=1, le=1000, description="Recommendations per account.")


class SizesConfig(Section):
    """The size of an account: how many it follows, without those that are held out."""

    warm: int = Field(10, ge=1, description="An account with fewer follows is cold.")
    hot: int = Field(50, ge=2, description="An account with at least so many follows is hot.")

    @model_validator(mode="after")
    def _ascending(self) -> SizesConfig:
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
        description="A CSV or Parquet file with columns account and candidate, as `raypipe "
        "rejections export` writes it. A share of each account's is held out, for the metric "
        "rejected: how many of these are shown. The others teach.",
    )
    min_follows: int = Field(
        5, ge=2, description="An account with fewer follows, held-out ones included, stays out."
    )
    accounts: int | None = Field(
        None, ge=1, description="Measure at most so many accounts, drawn with the seed; null: all."
    )
    k: list[Annotated[int, Field(ge=1, le=1000)]] = Field(
        [10, 20], min_length=1, description="Lengths at which lists are measured."
    )
    metrics: list[str] | None = Field(
        None, min_length=1, description="Names of metrics; null: all that the data can have."
    )
    sizes: SizesConfig = Field(SizesConfig(), description="Bounds of cold, warm and hot accounts.")
    bootstrap: int = Field(
        1000, ge=100, le=100_000, description="Resamples of the accounts behind each interval."
    )
    folds: int = Field(5, ge=2, description="Of ratings: parts, each of which is held out once.")
    algorithms: list[str] = Field(
        [],
        description="Of ratings: algorithms to measure beside factors.algorithm, each with its "
        "defaults.",
    )

    @property
    def share_fraction(self) -> tuple[int, int]:
        """The share as written, as an exact (numerator, denominator)."""
        return _as_written(self.share)

    @field_validator("share")
    @classmethod
    def _short_enough_to_be_exact(cls, value: float) -> float:
        return _at_most_9_places(value)

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


class RatingsConfig(Section):
    """What a rating is."""

    scale: tuple[float, float] = Field(
        (1, 5), description="The lowest and the highest rating; any other one is in quarantine."
    )

    @field_validator("scale")
    @classmethod
    def _lowest_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("expected the lowest rating, then a higher one")
        return value


#: Of ``factors.algorithm``: nothing is trained.
NO_MODEL = "none"


class FactorsConfig(Section):
    """The model that is trained: an algorithm by name, with its own parameters."""

    algorithm: str = Field(
        NO_MODEL,
        description="none; for follows TruncatedSVD, SVD, ALS or BPR; for ratings SVD, SVDpp, NMF, "
        "KNNBasic, KNNWithMeans, KNNBaseline, SlopeOne, CoClustering or BaselineOnly, as "
        "scikit-surprise calls them.",
    )
    parameters: dict[str, Any] = Field(
        {}, description="Of the algorithm; its defaults hold for those not named."
    )
    min_follows: int = Field(
        20,
        ge=1,
        description="With ladder: fixed, an account with fewer follows stays in phase 2.",
    )

    @property
    def trained(self) -> bool:
        """Is there a model at all?"""
        return self.algorithm != NO_MODEL


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
        None, ge=1, description="Trials at a time; null: as many as there are resources for."
    )


class RunConfig(Section):
    """Everything that a nightly run is told."""

    input: InputConfig = Field(InputConfig(), description="Where the follows are.")
    frames: Literal["auto", "pandas", "modin"] = Field(
        "auto",
        json_schema_extra=SPEED_ONLY,
        description="The frames that the follows are read into. Affects speed only.",
    )
    cluster: str = Field(
        "auto",
        pattern=r"^(auto|none|local|.+:[0-9]+.*)$",
        json_schema_extra=SPEED_ONLY,
        description="auto: start Ray where it pays; none; local; or a Ray address, host:port. "
        "Affects speed only.",
    )
    shards: int | None = Field(
        None,
        ge=1,
        json_schema_extra=SPEED_ONLY,
        description="Number of Ray tasks to cut the accounts into; null: by estimated work. "
        "Affects speed only.",
    )
    memory_per_task: ByteSize | None = Field(
        None,
        gt=0,
        json_schema_extra=SPEED_ONLY,
        description="Most that a task may hold, as 2GB; where the similarity index of all accounts "
        "is larger, it is built and searched in blocks; null: no limit. Affects speed only.",
    )
    audience: AudienceConfig = Field(AudienceConfig(), description="Who gets recommendations.")
    candidates: CandidatesConfig = Field(CandidatesConfig(), description="Who may be recommended.")
    filters: FiltersConfig = Field(FiltersConfig(), description="Who is not recommended to whom.")
    rejections: RejectionsConfig = Field(RejectionsConfig(), description="What rejections teach.")
    feedback: FeedbackConfig = Field(
        FeedbackConfig(),
        json_schema_extra=SPEED_ONLY,
        description="Where the rejections are.",
    )
    similar: SimilarConfig = Field(SimilarConfig(), description="Phase 2.")
    two_hop: MiddleConfig = Field(
        MiddleConfig(), description="Whom the followees of an account follow."
    )
    co_followed: MiddleConfig = Field(
        MiddleConfig(), description="Whom the followers of an account follow."
    )
    blend: BlendConfig = Field(BlendConfig(), description="Several sources in one list.")
    recommendations: RecommendationsConfig = Field(
        RecommendationsConfig(), description="What a list looks like."
    )
    ladder: Literal["evidence", "fixed"] = Field(
        "evidence",
        description="Which phase leads. evidence: for accounts of each of evaluation.sizes the one "
        "that finds held-out follows best, measured each night. fixed: by number of "
        "follows, phase 2 from similar.min_follows on and phase 3 from factors.min_follows on.",
    )
    ratings: RatingsConfig = Field(RatingsConfig(), description="What a rating is.")
    factors: FactorsConfig = Field(FactorsConfig(), description="The model that is trained.")
    evaluation: EvaluationConfig = Field(
        EvaluationConfig(), description="How the recommendations are measured."
    )
    sweep: SweepConfig = Field(
        SweepConfig(),
        json_schema_extra=SPEED_ONLY,
        description="What a sweep tries. Changes nothing but a sweep.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Of every random choice: which accounts cost and recall are measured on, which "
        "follows are held out, which accounts are drawn for an interval, the folds of ratings, "
        "where a training starts.",
    )

    @model_validator(mode="before")
    @classmethod
    def _an_empty_section_means_its_defaults(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {key: value for key, value in tree.items() if value is not None}

    @model_validator(mode="after")
    def _modin_needs_ray(self) -> RunConfig:
        if self.frames == "modin" and self.cluster == "none":
            raise ValueError("frames: modin runs on Ray, but cluster is none; set cluster: local")
        return self

    @model_validator(mode="after")
    def _a_blend_has_a_source(self) -> RunConfig:
        weights = self.blend.weights.model_dump(
            exclude=None if self.factors.trained else {"factors"}
        )
        if self.blend.blends and not any(weights.values()):
            raise ValueError(
                "blend.weights: only factors has a weight, but nothing is trained; set "
                "factors.algorithm, or another weight"
            )
        return self

    @model_validator(mode="after")
    def _a_learned_blend_needs_evidence(self) -> RunConfig:
        if self.blend.combine == "learned" and self.ladder == "fixed":
            raise ValueError(
                "blend.combine: learned is judged by evidence, but ladder is fixed; set ladder: "
                "evidence, or blend.combine: fixed"
            )
        return self

    def digest(self) -> str:
        """First 8 hex digits of the SHA-256 over every field that can change the result.

        Example:
            >>> RunConfig().digest() == RunConfig(frames="modin", cluster="local").digest()
            True
            >>> RunConfig().digest() == RunConfig(seed=1).digest()
            False
        """
        speed_only = {
            name
            for name, field in type(self).model_fields.items()
            if field.json_schema_extra == SPEED_ONLY
        }
        values = self.model_dump(mode="json", exclude=speed_only)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def load_config(path: Path | None = None, overrides: dict[str, Any] | None = None) -> RunConfig:
    """Read a config file and lay the overrides of the command line over it.

    Args:
        path: a YAML file; None for the defaults.
        overrides: dotted key to value, as ``{"similar.neighbours": 50}``; these win.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or holds a key or value that is refused.
    """
    tree = _read_yaml(path) if path else {}
    for key, value in (overrides or {}).items():
        _lay_over(tree, key, value)
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path or 'config'}: {_first_problem(error, RunConfig)}") from None


def with_settings(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """The config with some of its values replaced.

    Args:
        settings: dotted key to value, as ``{"similar.neighbours": 50}``.

    Raises:
        ConfigError: a key or value that is refused.

    Example:
        >>> with_settings(RunConfig(), {"similar.neighbours": 50}).similar.neighbours
        50
    """
    tree = config.model_dump()
    for key, value in settings.items():
        _lay_over(tree, key, value)
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, RunConfig)) from None


def check_section(model: type[Section], values: dict[str, Any], key: str) -> Section:
    """The values as a section that no field of :class:`RunConfig` names.

    Args:
        key: where they stand in the config.

    Raises:
        ConfigError: a key or value that is refused.

    Example:
        >>> check_section(SimilarConfig, {"neighbors": 3}, "similar")
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: similar.neighbors: unknown key; did you mean neighbours?
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, model, key)) from None


def parse_setting(text: str) -> tuple[str, Any]:
    """Split ``section.key=value``; the value is read as YAML.

    Raises:
        ConfigError: there is no key, no ``=``, or the value is not YAML.

    Example:
        >>> parse_setting("similar.threshold=0.2")
        ('similar.threshold', 0.2)
        >>> parse_setting("input.carry=[since, trust]")
        ('input.carry', ['since', 'trust'])
        >>> parse_setting("input.comment=#")
        ('input.comment', '#')
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: expected section.key=value, as similar.neighbours=50")
    try:
        loaded = _yaml().load(value)
    except YAMLError:
        if value[:1] in _OPENERS:
            raise ConfigError(f"--set {text}: the value is not YAML; quote it") from None
        loaded = None
    # A mark such as # | , or ; alone is nothing to YAML, but is what was meant.
    nothing = loaded in (None, "") and value not in ("", "null", "~", "''", '""')
    return key.strip(), value if nothing else loaded


def to_yaml(config: BaseModel) -> str:
    """The config as YAML that :func:`load_config` reads back to an equal config."""
    out = io.StringIO()
    _yaml().dump(config.model_dump(mode="json"), out)
    return out.getvalue()


def _as_written(value: float) -> tuple[int, int]:
    fraction = Fraction(str(value))
    return fraction.numerator, fraction.denominator


def _at_most_9_places(value: float) -> float:
    if _as_written(value)[1] > 10**9:
        raise ValueError("at most 9 decimal places")
    return value


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2, refuses duplicate keys, makes no objects
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    return yaml


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = _yaml().load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise ConfigError(f"{path}:{line} not YAML: {' '.join(problem.split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: found a {type(tree).__name__}, expected sections of keys")
    return tree


def _lay_over(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        if tree.get(section) is None:
            tree[section] = {}
        tree = tree[section]
        if not isinstance(tree, dict):
            raise ConfigError(f"{key}: {section} is a value, not a section")
    tree[last] = value


def _first_problem(error: ValidationError, model: type[BaseModel], above: str = "") -> str:
    """One line for the first thing that pydantic objects to, in the section ``above``."""
    problem = error.errors()[0]
    keys, known = _walk(problem["loc"], model)
    key = ".".join([above, *keys] if above else keys)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; {did_you_mean(keys[-1], known)}"
    if problem["type"] == "model_type":
        return f"{key}: found {problem['input']!r}; expected a section of keys"
    if not keys:
        return f"{above}: {message}" if above else message
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        return f"{key}: {message}"
    if key == "feedback.url":  # what was found is not said: it may hold a password
        where = "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
        return f"{key}: {message if problem['type'] == 'value_error' else where}"
    if key == "cluster":
        return f"cluster: found {problem['input']!r}; expected auto, none, local or HOST:PORT"
    return f"{key}: found {problem['input']!r}; {message[:1].lower()}{message[1:]}"


def _walk(place: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The part of pydantic's place that is keys of the file, and the keys known at the last one."""
    keys, known = [], list(model.model_fields)
    for part in place:
        keys.append(str(part))
        known = list(model.model_fields)
        model = model.model_fields[part].annotation if part in known else None
        if not (isinstance(model, type) and issubclass(model, Section)):
            break
    return keys, known
