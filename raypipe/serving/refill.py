"""The reserve of one account, from which its list is refilled."""

from functools import lru_cache
from math import inf
from pathlib import Path

import numpy as np

from raypipe.columns import NEIGHBOUR, SCORE
from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.ties import Asked
from raypipe.recommend.context import list_rules
from raypipe.recommend.ladder import FILL_UP
from raypipe.recommend.reasons import Reason, reasons_of, sentences
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.sources.registry import sources_of
from raypipe.serving.whole_run import WholeRun
from raypipe.storage.files import disk_errors, stat
from raypipe.storage.runs.reserve import Reserve, load_reserve
from raypipe.storage.runs.run import MANIFEST, Run, load_run


@lru_cache(maxsize=4)
def _run_in(path: Path, changed: int) -> tuple[WholeRun, Reserve]:
    """The run in a folder, and its reserve; ``changed`` is when its manifest was written."""
    return WholeRun(load_run(path)), load_reserve(path)


def further_rows(
    run: Run, account: str, search: bool = True
) -> tuple[list[tuple[str, float, str, str]], int]:
    """The candidates that follow the published list of an account in a run with a reserve.

    Args:
        search: search the neighbours again, if the run has published some of them only. Else a
            reason may be less exact than the night's; it is true all the same.

    Returns:
        Candidate, score, source and reason of each, as the night would have published them; and the
        maximum number of candidates from one source in the list.

    Raises:
        RunError: files of the run are missing or damaged.
    """
    with disk_errors(f"{run.path}: cannot be read"):
        changed = stat(run.path / MANIFEST).modified_ns
    rows, limit = _rows_of(run.path, changed, account, search)
    return [*rows], limit


@lru_cache(maxsize=1024)  # whoever dismisses one row dismisses others
def _rows_of(
    path: Path, changed: int, account: str, search: bool
) -> tuple[tuple[tuple[str, float, str, str], ...], int]:
    whole, reserve = _run_in(path, changed)
    run, config, graph = whole.run, whole.config, whole.graph
    accounts = graph.codes([account]).astype(np.int32)
    own = slice(*reserve.indptr[accounts[0] : accounts[0] + 2])
    codes, sources, scores = (np.array(array[own]) for array in reserve[1:])
    names = [*sources_of(config)]
    by_name = [names[source] for source in sources]
    near = (neighbours_of if search else published_neighbours)(run, graph, config, account)
    reasons = reasons_of(
        Asked(accounts, accounts, graph.followees, whole.excluded),
        np.array([len(codes)], np.int32),
        codes[None],
        near,
        graph.followees,
        graph.followers,
        whole.filters.globally_excluded,
    )
    # Similar accounts follow what `similar` has found, also where they are not published.
    by_similar = (reasons.kinds > Reason.FOLLOWED_BY_SIMILAR) & (np.array(by_name) == "similar")
    reasons.kinds[by_similar] = Reason.FOLLOWED_BY_SIMILAR
    texts = sentences(reasons, graph.ids).to_pylist()
    candidates = graph.ids.take(codes).to_pylist()
    limit = config.recommendations.per_account
    if whole.tier_of(graph, int(accounts[0])).how != FILL_UP:
        limit = list_rules(config, whole.ladder).blend.limit(limit)
    return tuple(zip(candidates, scores.tolist(), by_name, texts, strict=True)), limit


def neighbours_of(run: Run, graph: FollowGraph, config: RunConfig, account: str) -> Neighbours:
    """The neighbours of one account, as the search of the night found them.

    If the run may have published some of them only, they are searched again.
    """
    found, similar = published_neighbours(run, graph, config, account), config.sources.similar
    if found.codes.shape[1] == similar.published < similar.neighbours:
        search = neighbour_search(searched_graph(graph, 1, config, inf), config)
        return search.nearest(graph.followees, graph.codes([account]))
    return found


def published_neighbours(
    run: Run, graph: FollowGraph, config: RunConfig, account: str
) -> Neighbours:
    """The neighbours of one account that the run has published."""
    table = run.neighbours(account)
    codes = graph.codes(table[NEIGHBOUR].combine_chunks()).astype(np.int32)[None]
    scores = table[SCORE].to_numpy()[None]
    return Neighbours(np.array([len(table)], np.int32), codes, np.zeros_like(codes), scores)
