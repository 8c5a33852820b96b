"""An experiment with attacks, on one screen: hold out, inject, make a night, measure.

follows --> train, test --> clean lists --> targets
train + fakes --select, train, recommend--> lists --compared with the clean ones--> rows
"""

import datetime
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

import numpy as np
import pyarrow as pa

from raypipe.attacks.attacks import ATTACKS, Injection, Scene
from raypipe.attacks.measure import Lists, bought, detection, first_ranks
from raypipe.attacks.night import Ground, Night, attacked, make_night, shown
from raypipe.compute.engines import Runner, runner
from raypipe.compute.progress import Progress, Silent
from raypipe.compute.stages import Stages
from raypipe.compute.versions import versions
from raypipe.config import RunConfig
from raypipe.errors import ConfigError, InputError, UnknownAccountError, did_you_mean
from raypipe.evaluation.holdout_selection import Decision
from raypipe.evaluation.lists import check_sources
from raypipe.evaluation.reading import digest_of_data, open_data, read_split
from raypipe.evaluation.splits import Split, draw_accounts, segments_of
from raypipe.graph.follow_graph import FollowGraph
from raypipe.integrity.labels import suspicion as detectors
from raypipe.integrity.reputation import read_trusted
from raypipe.kernels.csr import take
from raypipe.recommend.audience import audience, read_accounts
from raypipe.recommend.blend.training import check_blend
from raypipe.recommend.ladder import ladder_of
from raypipe.recommend.models.algorithms import check_factors
from raypipe.recommend.shard import warm_up
from raypipe.recommend.sources.factors import settle_model, settle_model_of
from raypipe.storage.attacks import AttackResult, AttackRow
from raypipe.storage.records import EngineRecord, StageRecord

#: Returns float64[n] for a graph: above 0 for accounts that are suspicious.
Suspicion = Callable[[FollowGraph], np.ndarray]


@dataclass(frozen=True)
class Attacks:
    """An experiment: its result, and the accounts that were reached.

    Attributes:
        result: one row per attack, budget, seed, night and strategy.
        ids: large_string[m], the real accounts whose lists were made.
        ranks: uint16[m] for each row: rank of the first fake or target in the list; 0: none.
    """

    result: AttackResult
    ids: pa.LargeStringArray
    ranks: tuple[np.ndarray, ...]


def attack(
    config: RunConfig,
    progress: Progress | None = None,
    date: str | None = None,
    suspicion: Suspicion | None = None,
) -> Attacks:
    """Inject the attacks of ``config.attack`` and measure what each has bought.

    Args:
        date: of the experiment, as ``2026-03-01``; None: today.
        suspicion: scores the accounts of each attacked graph; None: the detectors of
            :mod:`raypipe.integrity.suspects`.

    Raises:
        RaypipeError: one of :mod:`raypipe.errors`.
    """
    check_factors(config)
    check_blend(config)
    names = _check_names(config.attack.attacks)
    strategies = check_sources(config.attack.strategies, settle_model(config, 0, 0))
    stages = Stages(progress or Silent())
    with stages.stage("check"):
        accounts = read_accounts(config.audience, config.input)
        score = suspicion or partial(detectors, ids=read_trusted(config.integrity, config.input))
        files = open_data(config)
        asked = config.attack.model_dump_json()
        identity = f"{config.digest()}\n{asked}\n{digest_of_data(config, accounts, files)}"
    seeds = range(config.seed, config.seed + config.attack.seeds)
    budgets = config.attack.budgets
    cases = [(name, budget, seed) for name in names for budget in budgets for seed in seeds]
    rows: list[AttackRow] = []
    ranks: list[np.ndarray] = []
    with ExitStack() as stack:
        data = read_split(config, accounts, files, stages, stack)
        config = settle_model_of(data.split.train, config, stages.progress.say)
        runners: list[Runner] = []

        def run_on(seconds: float) -> Runner:
            """One engine for all nights, chosen by the work of all of them."""
            if not runners:
                seconds *= 1 + len(cases)
                runners.append(runner(config, data.engine, seconds, stack, warm_up))
                stages.progress.say(runners[0].reason)
            return runners[0]

        if accounts is not None:
            accounts = accounts.filter(pa.array(data.split.train.codes(accounts) >= 0))
        clean_split = _every_account(data.split, accounts, config)
        measuring = _measuring_recall(config)
        ground = Ground(measuring, strategies, clean_split, accounts, files.filters, run_on)
        with stages.stage("clean"):
            first = make_night(ground, ground.split)
            clean = shown(ground, first)
            scenes = [_scene(ground, clean, *case) for case in cases]
            injections = [ATTACKS[scene.name](scene) for scene in scenes]
        with stages.stage("attack", sum(len(injection.nights) for injection in injections)):
            for scene, injection in zip(scenes, injections, strict=True):
                for row, reached in _measure(
                    ground, clean, first.decision, scene, injection, score
                ):
                    rows.append(row)
                    ranks.append(reached)
                    if row.strategy == strategies[-1]:
                        stages.progress.advance(1)
    decision = first.decision
    result = AttackResult(
        date=date or datetime.date.today().isoformat(),
        digest=hashlib.sha256(identity.encode()).hexdigest()[:8],
        data=str(config.input.follows),
        length=config.recommendations.per_account,
        retrain=config.attack.retrain,
        ladder=decision and decision.ladder,
        attacks=tuple(rows),
        config=config.model_dump(mode="json"),
        engines=EngineRecord(frames=data.why_frames, cluster=runners[0].reason),
        stages=tuple(StageRecord(**stage._asdict()) for stage in stages.measured),
        versions=versions(),
    )
    measured = pa.array(ground.split.accounts)
    return Attacks(result, ground.split.train.ids.take(measured), tuple(ranks))


def _check_names(names: list[str] | None) -> tuple[str, ...]:
    for name in names or ():
        if name not in ATTACKS:
            raise ConfigError(f"attack.attacks: no attack {name!r}; {did_you_mean(name, ATTACKS)}")
    return tuple(dict.fromkeys(names or ATTACKS))


def _measuring_recall(config: RunConfig) -> RunConfig:
    """The config with recall as its metric, at the length of the published lists."""
    lists = config.recommendations
    asked = {"k": [lists.per_account + lists.reserve], "metrics": ["recall"]}
    evaluation = config.evaluation.model_copy(update=asked)
    return config.model_copy(update={"evaluation": evaluation})


def _every_account(split: Split, ids: pa.Array | None, config: RunConfig) -> Split:
    """The split with the whole audience to be measured, up to ``evaluation.max_accounts``."""
    members = audience(split.train, ids, config.audience.min_follows)
    limit = config.evaluation.max_accounts or len(members)
    members = draw_accounts(members, limit, config.seed)
    segments = segments_of(split.train.followees.degrees_of(members), config.evaluation)
    bounds = split.bounds and split.bounds._replace(standing=None)  # the attacked network is train
    return replace(split, accounts=members, segments=segments, test_rejections=None, bounds=bounds)


def _scene(ground: Ground, clean: Night, name: str, budget: int, seed: int) -> Scene:
    """What an attack is planned on; its targets depend on the seed and the clean lists only."""
    config, graph = ground.config.attack, ground.split.train
    codes = clean.codes[0]
    shown = np.bincount(codes[codes >= 0], minlength=graph.accounts)
    if config.target is None:
        promoted = _draw_target(graph, seed)
        demoted = int(shown.argmax())
    else:
        try:
            promoted = demoted = graph.code(config.target)
        except UnknownAccountError as error:
            raise UnknownAccountError(f"attack.target: {error}") from None
    rng = np.random.default_rng([seed, crc32(name.encode()), budget])
    return Scene(name, graph, promoted, demoted, budget, config.nights, seed, rng)


def _draw_target(graph: FollowGraph, seed: int) -> int:
    """An account to be promoted: it has more followers than 90 % of all, fewer than the top 1 %.

    Fakes can multiply the votes of such an account; one with hardly a follower has no votes.
    """
    order = np.argsort(-graph.followers.degrees, kind="stable")
    first, last = graph.accounts // 100, graph.accounts // 10
    return int(np.random.default_rng(seed).choice(order[first : max(last, first + 1)]))


def _measure(
    ground: Ground,
    clean: Night,
    decision: Decision | None,
    scene: Scene,
    injection: Injection,
    suspicion: Suspicion,
) -> Iterator[tuple[AttackRow, np.ndarray]]:
    """The row of each night and strategy, and the ranks of the fakes or the target."""
    config, graph, target = ground.config, ground.split.train, injection.target
    n, newcomers = graph.accounts, injection.newcomers
    watched = np.arange(n, n + injection.fakes) if not len(newcomers) else newcomers
    if target is not None:
        watched = np.array([target]) if injection.demotes else np.append(watched, target)
    chosen = ~np.isin(ground.split.accounts, newcomers)
    test = take(ground.split.test, ground.split.accounts[chosen])
    earlier = clean.without(newcomers)
    for night in range(1, len(injection.nights) + 1):
        split = attacked(ground.split, ground.filters, injection, night, earlier.votes)
        made = make_night(ground, split, decision)
        earlier = shown(ground, made, earlier)
        follows = sum(int((part[:, 0] >= n).sum()) for part in injection.nights[:night])
        follows += int(graph.followees.degrees[newcomers].sum())
        last = night == len(injection.nights)
        rejections = len(injection.rejections) if last else 0
        record = detection(_scores(suspicion, split.train), injection.fakes)
        tiers = ladder_of(made.decision.ladder.tiers) if made.decision else ()
        for index, strategy in enumerate(ground.strategies):
            codes, before = earlier.codes[index], clean.codes[index]
            found = bought(
                Lists(codes[chosen], before[chosen], test), watched, target, follows + rejections,
                config.evaluation.bootstrap, config.seed, real=len(newcomers) > 0,
            )  # fmt: skip
            row = AttackRow(
                attack=scene.name,
                strategy=strategy,
                budget=scene.budget,
                seed=scene.seed,
                night=night,
                leads=tuple(dict.fromkeys(tier.name for tier in tiers)),
                target=None if target is None else graph.ids[target].as_py(),
                accounts=injection.fakes or len(newcomers),
                follows=follows,
                rejections=rejections,
                bought=found,
                detection=record,
            )
            yield row, np.where(chosen, first_ranks(codes, watched), 0).astype(np.uint16)


def _scores(suspicion: Suspicion, graph: FollowGraph) -> np.ndarray:
    """The suspicion scores of a graph, checked."""
    scores = np.asarray(suspicion(graph), np.float64)
    if scores.shape != (graph.accounts,) or np.isnan(scores).any():
        raise InputError(
            f"suspicion: returned shape {scores.shape}, expected {graph.accounts:,} numbers, "
            "one for each account"
        )
    return scores
