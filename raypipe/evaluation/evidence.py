"""The ladder by evidence: for accounts of each size, the phase that best finds what was hidden.

follows --> train, test --shards--> ndcg of each phase, by account --bootstrap--> leaders --> rungs

Tonight's own follows are split once more, whatever ``evaluation.split`` is: a share of each
account's, as drawn with the seed. The size of an account is how many it follows in what is left, as
the night will see it. Each phase is measured as the night would show it, and shown as it was
measured: its source, filled up by phase 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from raypipe.config import RunConfig
from raypipe.cost import estimate_cost
from raypipe.engines import Runner, memory_available
from raypipe.errors import TooLargeError
from raypipe.evaluation.intervals import bootstrap_means, compare
from raypipe.evaluation.measuring import Measures, measure_lists, measuring_of, shards_of
from raypipe.evaluation.results import Row
from raypipe.evaluation.splits import (
    SIZES,
    Split,
    draw_accounts,
    held_out_of,
    hold_out_share,
    split_follows,
)
from raypipe.factors.algorithms import train
from raypipe.graph import FollowGraph
from raypipe.ladder import Rung, fixed_ladder, phases
from raypipe.loading import Stages
from raypipe.recommend import searched_graph
from raypipe.rejections import Rejections

#: The ndcg of an account varies by about .25 around the mean: of 100 accounts the mean is known to
#: .05, which is less than popular and similar mostly differ by; of fewer, chance would lead.
FEWEST = 100
#: Of so many accounts of a size it is known to .01; more would only make the night longer.
MOST = 3000

#: By size: float64[phases, accounts], the ndcg of each account.
Values = dict[str, np.ndarray]


def choose_ladder(
    graph: FollowGraph,
    audience: np.ndarray,
    config: RunConfig,
    stages: Stages,
    run_on: Callable[[float], Runner],
    rejections: Rejections | None = None,
) -> dict[str, Any]:
    """Which phase leads for whom, and the table that decided; in a stage ``evidence``, if any.

    Depends on the graph, the audience, the config and the rejections, and not on how it is run.

    Args:
        audience: int32, accounts that will get lists, ascending; of these some are measured.
        run_on: says how to run so many seconds of work.
        rejections: that teach; who was rejected is not shown. None: there are none.

    Returns:
        JSON values: ``decided_by`` (evidence, fixed, too few), ``why`` in words,
        ``metric``, ``table`` (rows of :func:`decide`), ``rungs`` (for ``ladder.ladder_of``).

    Raises:
        TooLargeError: there is too little memory to measure.
    """
    if config.ladder == "fixed":
        return _facts(
            "fixed",
            "ladder: fixed (config)",
            fixed_ladder(config, config.factors.trained),
            [],
            config,
        )
    sizes = sizes_if_measured(graph.followees.degrees_of(audience), config)
    can_be = [audience[sizes == place] for place in range(len(SIZES))]
    enough = [
        draw_accounts(accounts, MOST, config.seed) for accounts in can_be if len(accounts) >= FEWEST
    ]
    values: Values = {}
    if enough:
        with stages.stage("evidence", total=1.0):
            # What is refused for the night itself is refused before the work.
            searched_graph(graph, len(audience), config, memory_available())
            split = _hold_out(graph, np.sort(np.concatenate(enough)), config)
            split = replace(split, rejections=rejections)
            values = by_size(_measure_phases(split, config, stages, run_on))
    ladder, table = decide(values, list(map(len, can_be)), phases(config), config)
    if values:
        why = f"ladder: by ndcg on {config.evaluation.share:.0%} of the follows, held out"
        return _facts("evidence", why, ladder, table, config)
    counts = ", ".join(f"{len(some)} {size}" for size, some in zip(SIZES, can_be, strict=True))
    why = f"ladder: phase 2 ({counts} accounts could be measured; {FEWEST} of a size are needed)"
    return _facts("too few", why, ladder, table, config)


def sizes_if_measured(follows: np.ndarray, config: RunConfig) -> np.ndarray:
    """int64: the place in SIZES of accounts with so many follows, when a share is held out.

    -1 for those that are not to be measured: they have fewer than ``evaluation.min_follows``, or so
    few are left that they get phase 1 whatever is found.

    Example:
        >>> sizes_if_measured(np.array([4, 5, 12, 13, 100]), RunConfig()).tolist()
        [-1, 0, 1, 1, 2]
    """
    evaluation = config.evaluation
    left = follows - held_out_of(follows, evaluation.share_fraction)
    sizes = np.searchsorted([evaluation.sizes.warm, evaluation.sizes.hot], left, side="right")
    is_one = (follows >= evaluation.min_follows) & (left >= config.similar.min_follows)
    return np.where(is_one, sizes, -1)


def by_size(measures: Measures) -> Values:
    """The values of the one metric that was measured, of each size that was."""
    return {
        size: measures.values[:, 0, measures.sizes == place]
        for place, size in enumerate(SIZES)
        if np.any(measures.sizes == place)
    }


def decide(
    values: Values,
    can_be: Sequence[int],
    of_phases: Sequence[tuple[str, ...]],
    config: RunConfig,
) -> tuple[tuple[Rung, ...], list[Row]]:
    """Which phase leads for accounts of each size.

    Of phases 1 and 2 the one with the larger mean; on a tie phase 2, as nothing speaks against what
    ``ladder: fixed`` does. A later phase has to be trained: it leads only where the interval of its
    difference from the one that led so far, account by account, lies above 0. A size that was not
    measured has phase 2; accounts with fewer than ``similar.min_follows`` have phase 1.

    Args:
        values: of the sizes that were measured.
        can_be: how many accounts of each of SIZES could be measured.
        of_phases: the sources of each phase, phase 1 first.

    Returns:
        The ladder, and JSON rows, one for each size and phase: size, min_follows and max_follows
        (None: no limit), accounts (that were measured), phase (from 1), sources, ndcg, low, high;
        against (the phase that leads; for that one, the best other one) with difference,
        difference_low, difference_high; leads; why. Of a size that was not measured, only the row
        that leads.
    """
    rows: list[Row] = []
    rungs = [Rung(0, of_phases[0])]
    for place, size in enumerate(SIZES):
        least, most = _follows_of(place, config)
        if most is not None and most < least:
            continue
        if size in values:
            leader, found = _judge(values[size], config)
        else:
            leader, found = 1, [{"phase": 2, "leads": True, "why": _too_few(can_be[place])}]
        about = {"size": size, "min_follows": least, "max_follows": most}
        accounts = values[size].shape[1] if size in values else 0
        for row in found:
            sources = {"accounts": accounts, "sources": list(of_phases[row["phase"] - 1])}
            rows.append({**about, **_UNKNOWN, **sources, **row})
        rungs.append(Rung(least, of_phases[leader]))
    steps = (rung for before, rung in pairwise(rungs) if rung.sources != before.sources)
    return (rungs[0], *steps), rows


_UNKNOWN = dict.fromkeys(
    ("ndcg", "low", "high", "against", "difference", "difference_low", "difference_high")
)


def _judge(values: np.ndarray, config: RunConfig) -> tuple[int, list[Row]]:
    """Who leads (from 0), and a row for each phase; from float64[phases, accounts]."""
    how = config.evaluation.bootstrap, config.seed
    found = bootstrap_means(values.T, *how)
    leader = 1 if found.means[1] >= found.means[0] else 0
    why = {0: "smaller mean", 1: "smaller mean"}
    why[leader] = "equal means: as fixed" if found.means[0] == found.means[1] else "larger mean"
    for phase in range(2, len(values)):
        low = float(compare(values[phase, :, None], values[leader, :, None], *how).low[0])
        why[phase] = "larger beyond the interval" if low > 0 else "not larger beyond the interval"
        leader = phase if low > 0 else leader
    best_other = max(set(range(len(values))) - {leader}, key=lambda phase: found.means[phase])
    rows = []
    for phase in range(len(values)):
        other = best_other if phase == leader else leader
        by = compare(values[phase, :, None], values[other, :, None], *how)
        rows.append(
            {
                "phase": phase + 1,
                "ndcg": float(found.means[phase]),
                "low": float(found.low[phase]),
                "high": float(found.high[phase]),
                "against": other + 1,
                "difference": float(by.means[0]),
                "difference_low": float(by.low[0]),
                "difference_high": float(by.high[0]),
                "leads": phase == leader,
                "why": why[phase],
            }
        )
    return leader, rows


def _follows_of(place: int, config: RunConfig) -> tuple[int, int | None]:
    """The least and the most follows of accounts of a size that do not get phase 1 anyway."""
    bounds = [0, config.evaluation.sizes.warm, config.evaluation.sizes.hot, None]
    most = bounds[place + 1]
    return max(bounds[place], config.similar.min_follows), None if most is None else most - 1


def _too_few(count: int) -> str:
    return f"{count} accounts could be measured, {FEWEST} are needed"


def _hold_out(graph: FollowGraph, accounts: np.ndarray, config: RunConfig) -> Split:
    evaluation = config.evaluation.model_copy(update={"accounts": None})
    share, least = evaluation.share_fraction, evaluation.min_follows
    held = hold_out_share(graph, share, least, config.seed)
    return split_follows(graph, held, accounts, evaluation, config.seed)


def _measure_phases(
    split: Split, config: RunConfig, stages: Stages, run_on: Callable[[float], Runner]
) -> Measures:
    """The ndcg of each phase, at the length of the lists that are shown."""
    n = config.recommendations.per_account
    evaluation = config.evaluation.model_copy(update={"k": [n], "metrics": ["ndcg"]})
    sources = ["+".join(names) for names in phases(config)]
    try:
        model = None
        if config.factors.trained:
            model = train(split.train, config, memory_available(), split.rejections)
        measuring = measuring_of(
            split,
            config.model_copy(update={"evaluation": evaluation}),
            sources,
            model,
            available=memory_available(),
        )
    except TooLargeError as error:
        raise TooLargeError(f"evidence for the ladder: {error}; or set ladder: fixed") from None
    seconds = estimate_cost(measuring.night, measuring.asked)
    run = run_on(seconds)
    return measure_lists(
        measuring,
        run.run_shards,
        shards_of(measuring.night, seconds, run.cpus),
        lambda done: stages.progress.advance(done / seconds),
    )


def _facts(
    decided_by: str, why: str, ladder: tuple[Rung, ...], table: list[Row], config: RunConfig
) -> dict[str, Any]:
    return {
        "decided_by": decided_by,
        "why": why,
        "metric": f"ndcg@{config.recommendations.per_account}",
        "table": table,
        "rungs": [{**rung._asdict(), "sources": list(rung.sources)} for rung in ladder],
    }
