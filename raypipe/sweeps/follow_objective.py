"""The objective of a sweep on follows: how well lists recover held-out follows.

Trials never see the test follows of ``config.evaluation``. They all hold out the same share of the
train follows. The best trial is then trained on all train follows and measured on the test follows.
That measure is unbiased, because no choice depended on it, and ``raypipe evaluate best.yaml`` shows
the same value.

    follows --evaluation.split--> train ----------------------> measured again on: test
                                    +--a share--> train of trials, test of trials
"""

import difflib
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from raypipe.compute.stages import Stages
from raypipe.config import NO_MODEL, RunConfig, Section
from raypipe.errors import ConfigError, did_you_mean
from raypipe.evaluation.measuring import measure
from raypipe.evaluation.metric_choice import choose_metrics, metric_names
from raypipe.evaluation.metrics import OF_RATINGS
from raypipe.evaluation.reading import open_data, read_split
from raypipe.evaluation.splits import Split, hold_out_rejections, hold_out_share, split_follows
from raypipe.recommend.audience import audience, read_accounts
from raypipe.recommend.models.algorithms import ALGORITHMS, check_algorithm, train, train_by_epoch
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.models.svd import rmse
from raypipe.recommend.sources import factors, popular, similar
from raypipe.sweeps.objective import ALGORITHM, PARAMETERS, Goals, Objective, memory_limit
from raypipe.sweeps.trials import Goal, Report

_RMSE = "rmse"
#: Keys that can improve a trial without a model.
_OF_SIMILAR = tuple(
    f"sources.{similar.SPEC.name}.{name}" for name in ("neighbours", "threshold", "max_followers")
)
#: Keys that can improve every trial.
_OF_ALL = ("candidates.min_followers",)


class Held(NamedTuple):
    """The follows, split into train follows and test follows that no trial sees.

    Attributes:
        split: the split of an evaluation of the config.
        accounts: the result of ``audience.read_accounts``.
    """

    split: Split
    accounts: pa.Array | None


def source_of(config: RunConfig) -> str:
    """The source that a trial measures.

    A model is measured alone, so that no other source hides its quality. Without a model, it is
    similar filled up by popular, as in a run: a high threshold can make the lists of similar short.

    Example:
        >>> source_of(RunConfig())
        'similar+popular'
    """
    if config.sources.factors.trained:
        return factors.SPEC.name
    return f"{similar.SPEC.name}+{popular.SPEC.name}"


class FollowObjective(Objective):
    """How well lists recover held-out follows."""

    kind, without_model = "follows", _OF_SIMILAR

    def goals(self, config: RunConfig) -> Goals:
        """The goals of a sweep on follows; the default is ndcg at the longest list length.

        With ``sweep.objective: rmse``, the default selects the best trial, too.

        Raises:
            ConfigError: follows do not have this metric, or neither high nor low values are better.
        """
        lengths, asked = config.evaluation.k, config.sweep.objective
        default = f"ndcg@{lengths[-1]}"
        if asked is None:
            return Goals(Goal(default, more=True))
        if asked == _RMSE:
            return Goals(
                Goal(default, more=True),
                Goal(_RMSE, more=False),
                "sweep.objective: rmse does not tell good lists of follows from bad ones (a model "
                f"that says 1 to everybody has the best); {default} picks, and what rmse would "
                "have picked is shown at the end",
            )
        name, _, length = asked.rpartition("@") if "@" in asked else (asked, "", "")
        if name in OF_RATINGS:
            raise ConfigError(
                f"sweep.objective: {name} needs ratings, and a follow has none; "
                f"did you mean {default}?"
            )
        names = [*metric_names(), name] if ":" in name else None
        chosen = {spec.name: spec for spec in choose_metrics(names, True, "sweep.objective")}
        if name in chosen and not chosen[name].decides:
            raise ConfigError(
                f"sweep.objective: neither more nor less {name} makes lists better; "
                f"did you mean {default}?"
            )
        known = [spec.name for spec in chosen.values() if spec.decides]
        if name in known and length.isdecimal() and int(length) in lengths:
            return Goals(Goal(asked, more=True))
        near = (*difflib.get_close_matches(name, known, n=1), "ndcg")[0]
        k = min(lengths, key=lambda k: abs(k - int(length))) if length.isdecimal() else lengths[-1]
        raise ConfigError(
            f"sweep.objective: follows have no {asked!r}; did you mean {near}@{k}? "
            f"Metrics are {', '.join(known)}, lengths those of evaluation.k"
        )

    def fields(self, algorithm: str) -> Sequence[str]:
        return () if algorithm == NO_MODEL else tuple(ALGORITHMS[algorithm].parameters.model_fields)

    def epochs(self, algorithm: str) -> str | None:
        return None if algorithm == NO_MODEL else ALGORITHMS[algorithm].epochs

    def check_metrics(self, config: RunConfig) -> None:
        choose_metrics(config.evaluation.metrics, config.evaluation.rejections is not None)

    def check_algorithm(self, algorithm: str, parameters: dict[str, Any]) -> Section | None:
        return None if algorithm == NO_MODEL else check_algorithm(algorithm, parameters)

    def check_key(self, key: str, algorithms: Sequence[str], having: Sequence[str]) -> None:
        place = f"sweep.space.{key}"
        if key.startswith(PARAMETERS):
            if set(algorithms) == {NO_MODEL}:
                raise ConfigError(
                    f"{place}: no model is trained; leave it out, or set {ALGORITHM}, as to "
                    "TruncatedSVD"
                )
        elif key not in (*_OF_SIMILAR, *_OF_ALL):
            known = (ALGORITHM, *_OF_SIMILAR, *_OF_ALL)
            cure = did_you_mean(key, known, f"expected {PARAMETERS}*, {', '.join(known)}")
            raise ConfigError(f"{place}: makes no list of follows better; {cure}")
        elif not having:
            raise ConfigError(
                f"{place}: changes nothing where a model is trained, which is measured by itself; "
                f"leave it out, or set {ALGORITHM}: {NO_MODEL}"
            )

    def read(self, config: RunConfig, stages: Stages, stack: ExitStack) -> Held:
        if config.evaluation.split == "since":
            raise ConfigError(
                "evaluation.split: found since, but a sweep reads no earlier run; expected share, "
                "time or file"
            )
        accounts = read_accounts(config.audience, config.input)
        return Held(read_split(config, accounts, open_data(config), stages, stack).split, accounts)

    def cut(self, config: RunConfig, held: Held) -> Split:
        """Hold out a share of the train follows, of accounts with enough follows to measure."""
        graph, evaluation = held.split.train, config.evaluation
        numerator, denominator = evaluation.share_fraction
        minimum = evaluation.min_follows
        enough = graph.followees.degrees + held.split.test.degrees >= minimum
        if evaluation.split == "share":  # the rest of an account that had the minimum
            minimum = max(2, minimum - max(1, minimum * numerator // denominator))
        mask = hold_out_share(graph, evaluation.share_fraction, minimum, config.seed)
        mask &= np.repeat(enough, graph.followees.degrees)
        asked = audience(graph, held.accounts, config.audience.min_follows)
        inside = evaluation.model_copy(update={"split": "share", "min_follows": minimum})
        split = split_follows(graph, mask, asked, inside, config.seed)
        split = replace(split, bounds=held.split.bounds, filters=held.split.filters)
        if held.split.rejections is None:
            return split
        rows, share = held.split.rejections.rows, evaluation.share_fraction
        taught, tested = hold_out_rejections(rows, split.train, share, config.seed)
        return replace(split, rejections=taught, test_rejections=tested)

    def digest(self, held: Held) -> str:
        found = hashlib.sha256(held.split.train.fingerprint.encode())
        rejections = held.split.rejections
        of_rejections = () if rejections is None else rejections.rows
        for array in (*held.split.test, held.split.accounts, *of_rejections):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]

    def reports(self, config: RunConfig, split: Split, epochs: Sequence[int]) -> Iterator[Report]:
        models: Iterable[tuple[int | None, FactorModel | None]] = [(None, None)]
        if config.sources.factors.trained:
            graph, (available, _) = split.votes.graph, memory_limit(config)
            if epochs and ALGORITHMS[config.sources.factors.algorithm].by_epoch:
                models = train_by_epoch(graph, config, available, epochs, split.rejections)
            else:
                models = [(None, train(graph, config, available, split.rejections))]
        for done, model in models:
            yield Report(done, self._measures(config, split, model))

    def _measures(
        self, config: RunConfig, split: Split, model: FactorModel | None
    ) -> dict[str, float | None]:
        """The goal's metric first, then the others at the same list length, and RMSE for SVD."""
        goal = self.goals(config).picks
        name, _, length = goal.metric.rpartition("@")
        names = config.evaluation.metrics and [*config.evaluation.metrics, name]
        lists = config.evaluation.model_copy(update={"k": [int(length)], "metrics": names})
        measuring = config.model_copy(update={"evaluation": lists})
        found = measure(measuring, split, source_of(config), model)
        measures = {goal.metric: found[goal.metric], **found}
        if model is not None and config.sources.factors.algorithm == "SVD":
            measures[_RMSE] = rmse(model.factors, split.test)
        return {name: None if math.isnan(value) else value for name, value in measures.items()}

    def measure_again(self, config: RunConfig, held: Held) -> dict[str, float | None]:
        (report,) = self.reports(config, held.split, ())
        return report.measures

    def measured_on(self, config: RunConfig) -> tuple[str, str]:
        evaluation, lists = config.evaluation, f"lists of {source_of(config)}"
        seed = f", seed {config.seed}" if evaluation.split == "share" else ""
        return (
            f"{lists}, on a share of {evaluation.share:g} of train that all trials held out",
            f"{lists} made from all of train, on the test part (split: {evaluation.split}{seed}), "
            "which no trial has seen",
        )


FOLLOWS = FollowObjective()
