"""Read the data of an evaluation, and split its follows into train and test."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.compute.engines import frame_engine
from raypipe.compute.frames import FrameEngine
from raypipe.compute.stages import Stages
from raypipe.config import EvaluationConfig, RunConfig
from raypipe.errors import ConfigError, InputError, MissingInputError
from raypipe.evaluation.metric_choice import digest_of_metrics
from raypipe.evaluation.since import Past, Since, since_earlier_run, since_newest
from raypipe.evaluation.splits import (
    Split,
    hold_out_newest,
    hold_out_rejections,
    hold_out_share,
    split_follows,
    split_of,
)
from raypipe.evaluation.stand_ins import split_of_idle
from raypipe.evaluation.times import check_has_times, encode_timed, first_times
from raypipe.graph.follow_graph import EncodedFollows, FollowGraph, build_graph, encode, muted
from raypipe.integrity.votes import Bounds, read_bounds
from raypipe.kernels.csr import Pairs, find
from raypipe.recommend.audience import audience
from raypipe.recommend.filters.inputs import FilterInputs, filters_of, read_named_filters
from raypipe.recommend.filters.readers import pairs_in
from raypipe.recommend.sources.registry import digest_of_custom_sources
from raypipe.storage.evaluations import RejectionCounts, SplitMethod
from raypipe.storage.feedback.tables import read_pairs
from raypipe.storage.files import sha256_file
from raypipe.storage.intake.inputs import InputFiles, digest_of_inputs, open_inputs
from raypipe.storage.intake.read import read_follows
from raypipe.storage.records import SinceRecord
from raypipe.storage.runs.run import Run

Part = TypeVar("Part")
Ids: TypeAlias = Sequence[str] | pa.Array


@dataclass(frozen=True)
class Data:
    """The data of an evaluation, read and split.

    Attributes:
        split: train and test.
        idle: all follows of some accounts held out, for the segment without follows; None where the
            split is not by share, or nobody is without follows.
        since: the newest follows of train, of split ``time``, or those since the run before, of
            split ``since``: the ladder and the ranker of an evaluation are made from the past, too.
        at_random: train and test as a random hold-out makes them, of split ``since``.
        engine, why_frames: the frame engine that read the follows, and the reason for it.
    """

    split: Split
    idle: Split | None
    since: Since | None
    at_random: Split | None
    engine: FrameEngine
    why_frames: str


class DataFiles(NamedTuple):
    """The files of an evaluation: listed, and their columns read.

    Attributes:
        test: evaluation.test; None if the split needs none.
        filters: those that the config names by file or function.
    """

    follows: InputFiles
    test: InputFiles | None
    filters: FilterInputs
    bounds: Bounds


class HeldOut(NamedTuple):
    """All follows, and the mask of those that are held out.

    Attributes:
        mask: bool[follows], True for test.
        times: float64[follows], of split ``time``.
    """

    graph: FollowGraph
    mask: np.ndarray
    method: SplitMethod
    times: np.ndarray | None = None

    def only(self, graph: FollowGraph, kept: np.ndarray) -> "HeldOut":
        """The same with some of the follows; of split ``since``, the mask is empty."""
        mask = self.mask[kept] if len(self.mask) else self.mask
        times = None if self.times is None else self.times[kept]
        return HeldOut(graph, mask, self.method, times)


def open_data(config: RunConfig) -> DataFiles:
    """List and open the files that an evaluation reads.

    Raises:
        ConfigError, InputError: an input is missing, or not in the expected format.
    """
    test = None
    follows = open_inputs(config.input)
    if config.evaluation.split == "file":
        with _test_file_named():
            # The test file has the same format as the follows.
            path = {"follows": config.evaluation.test}
            test = open_inputs(config.input.model_copy(update=path))
    return DataFiles(follows, test, read_named_filters(config), read_bounds(config))


def read_split(
    config: RunConfig,
    accounts: pa.Array | None,
    data: DataFiles,
    stages: Stages,
    stack: ExitStack,
    runs: Sequence[Run] = (),
) -> Data:
    """Read the follows and hold out a part of them, as ``config.evaluation`` says.

    Args:
        stack: closes Ray, if it is started here.
        runs: published runs, newest first, for split ``since``.

    Raises:
        ConfigError: the split is by time, and the config names no column of times.
        InputError: an input is not in the expected format, or no account can be measured.
    """
    if config.evaluation.split == "time" and config.input.columns.timestamp is None:
        raise ConfigError(
            "evaluation.split: time needs the time of each follow; name its column in "
            "input.columns.timestamp, or set evaluation.split: share"
        )
    with stages.stage("read"):
        engine, why_frames = frame_engine(config, data.follows.sizes, stack)
        stages.progress.say(why_frames)
        hold_out = _HOLD_OUT[config.evaluation.split]
        held_out = hold_out(config, data, engine, () if accounts is None else accounts)

    with stages.stage("split"):
        silent = data.filters.silent(held_out.graph)
        graph, kept = muted(held_out.graph, silent)
        held_out = held_out.only(graph, kept)
        members = audience(graph, accounts, config.audience.min_follows)
        members = members[~silent[members]]
        further = config.evaluation, config.seed
        idle = since = at_random = None
        if config.evaluation.split == "since":
            past, record = _since_a_run(runs, graph, members, config.evaluation)
            split = split_of(past.graph, past.new, past.audience, *further)
            at_random = split_of(*past.at_random(config.seed), past.audience, *further)
            method = SplitMethod(split="since", run=record.run, left_out=record.left_out)
            older = list(dropwhile(lambda run: run.id != record.run, runs))[1:]
            since = since_earlier_run(older, past.graph, past.audience, config.evaluation)
        else:
            split, method = split_follows(graph, held_out.mask, members, *further), held_out.method
        if held_out.times is not None:
            times = held_out.times[~held_out.mask]
            since = since_newest(split.train, times, members, config.evaluation)
        if config.evaluation.split == "share":
            idle = split_of_idle(graph, members, *further)
        filters = filters_of(data.filters, split.train)
        split = replace(split, record=split.record.model_copy(update=dict(method)))
        bounds = data.bounds.of_night(past.graph if config.evaluation.split == "since" else graph)

        def completed(part: Split) -> Split:
            part = replace(part, filters=filters, bounds=bounds)
            path = config.evaluation.rejections
            return part if path is None else _with_rejections(part, path, config)

        split = completed(split)
        idle, at_random = (part and completed(part) for part in (idle, at_random))
    return Data(split, idle, since, at_random, engine, why_frames)


def _since_a_run(
    runs: Sequence[Run], graph: FollowGraph, members: np.ndarray, config: EvaluationConfig
) -> tuple[Past, SinceRecord]:
    """The past of an earlier run that at least one account can be measured by.

    Raises:
        InputError: there is none.
    """
    found = since_earlier_run(runs, graph, members, config)
    if found is None or found.past is None or not found.record.accounts:
        why = found.record.why.partition(";")[0] if found else "no run has been published"
        raise InputError(
            f"evaluation.split: since: {why}; expected an earlier run of the same network, and new "
            "follows; name its folder with --runs-dir, or set evaluation.split: share"
        )
    return found.past, found.record


def digest_of_data(config: RunConfig, accounts: pa.Array | None, data: DataFiles) -> str:
    """Digest of everything that an evaluation depends on besides the config.

    Raises:
        ConfigError, InputError: an input is missing.
    """
    digest = hashlib.sha256(digest_of_inputs(data.follows, accounts).encode())
    if data.test is not None:
        with _test_file_named():
            digest.update(data.test.digest.encode())
    if config.evaluation.rejections is not None:
        digest.update(_file_digest(config.evaluation.rejections))
    digest.update(data.filters.digest() + data.bounds.digest())
    digest.update(digest_of_metrics(config.evaluation.metrics))
    digest.update(digest_of_custom_sources(config.sources))
    return digest.hexdigest()


def _file_digest(path: str) -> bytes:
    try:
        return sha256_file(Path(path)).encode()
    except OSError as error:
        raise MissingInputError(
            f"{path}: cannot be read ({error.strerror}); fix evaluation.rejections"
        ) from None


def _with_rejections(split: Split, path: str, config: RunConfig) -> Split:
    """Add the rejections of a file: a share is held out, the rest is negative feedback."""
    table = read_pairs(path, "rejection", config.input)
    rejected, unknown = pairs_in(table, split.train)
    feedback, held_out = hold_out_rejections(
        rejected, split.train, config.evaluation.share_fraction, config.seed
    )
    counts = RejectionCounts(
        train=len(feedback.rows.codes),
        test=len(held_out.codes),
        of_followed=len(rejected.codes) - len(feedback.rows.codes) - len(held_out.codes),
        of_unknown_accounts=unknown,
        accounts_measured=int(np.count_nonzero(held_out.degrees_of(split.accounts))),
    )
    return replace(
        split,
        record=split.record.model_copy(update={"rejections": counts}),
        rejections=feedback,
        test_rejections=held_out,
    )


def _by_share(config: RunConfig, data: DataFiles, engine: FrameEngine, further: Ids) -> HeldOut:
    graph, _ = build_graph(_read(data.follows, engine, encode), further)
    evaluation = config.evaluation
    mask = hold_out_share(graph, evaluation.share_fraction, evaluation.min_follows, config.seed)
    return HeldOut(graph, mask, SplitMethod(split="share", share=evaluation.share))


def _by_run(config: RunConfig, data: DataFiles, engine: FrameEngine, further: Ids) -> HeldOut:
    graph, _ = build_graph(_read(data.follows, engine, encode), further)
    return HeldOut(graph, np.zeros(0, np.bool_), SplitMethod())


def _by_time(config: RunConfig, data: DataFiles, engine: FrameEngine, further: Ids) -> HeldOut:
    parts = _read(data.follows, engine, encode_timed)
    graph, _ = build_graph([part.follows for part in parts], further)
    times = first_times(graph, parts)
    if not len(times):
        return HeldOut(graph, np.zeros(0, np.bool_), SplitMethod())
    mask, last = hold_out_newest(times, config.evaluation.share_fraction)
    dates = any(part.kind == "dates" for part in parts)
    method = SplitMethod(
        split="time",
        share=config.evaluation.share,
        train_until=str(np.datetime64(round(last * 1e6), "us")) if dates else last,
    )
    return HeldOut(graph, mask, method, times)


def _by_file(config: RunConfig, data: DataFiles, engine: FrameEngine, further: Ids) -> HeldOut:
    path = config.evaluation.test
    train = _read(data.follows, engine, encode)
    with _test_file_named():
        test = _read(cast(InputFiles, data.test), engine, encode)
    graph, _ = build_graph([*train, *test], further)
    in_train, in_test = _mask_of(graph, train), _mask_of(graph, test)
    if not np.any(in_test & ~in_train):
        raise InputError(
            f"{path}: the test set is empty: all of its {np.count_nonzero(in_test):,} follows are "
            "in input.follows too; expected other follows"
        )
    followers = np.repeat(np.arange(graph.accounts), graph.followees.degrees)
    known = np.intersect1d(followers[in_train], followers[in_test])
    if not len(known):
        raise InputError(
            f"{path}: none of its {len(np.unique(followers[in_test])):,} followers has a follow "
            "in input.follows; expected the same form of ids in both files"
        )
    known_before = int(np.sum(in_test & in_train))
    method = SplitMethod(split="file", test=path, already_in_train=known_before)
    return HeldOut(graph, ~in_train, method)


_HOLD_OUT: dict[str, Callable[[RunConfig, DataFiles, FrameEngine, Ids], HeldOut]] = {
    "share": _by_share,
    "time": _by_time,
    "file": _by_file,
    "since": _by_run,
}


@contextmanager
def _test_file_named() -> Iterator[None]:
    """Errors in the test file name the key of the test file."""
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).replace("input.follows", "evaluation.test")) from None


def _read(
    inputs: InputFiles, engine: FrameEngine, encode_part: Callable[[pd.DataFrame], Part]
) -> list[Part]:
    """The encoded parts of the follows; the frame itself is released."""
    frame = read_follows(inputs, engine).frame
    if encode_part is encode_timed:
        check_has_times(frame.columns, inputs.config.transform)
    return engine.map_partitions(encode_part, frame)


def _mask_of(graph: FollowGraph, parts: Sequence[EncodedFollows]) -> np.ndarray:
    """bool[follows]: True for follows of the graph that are in one of the parts."""
    mask = np.zeros(graph.follows, np.bool_)
    for part in parts:
        pairs = Pairs(part.followers, part.followees, graph.codes(part.ids))
        positions = find(graph.followees, pairs)
        mask[positions[positions >= 0]] = True
    return mask
