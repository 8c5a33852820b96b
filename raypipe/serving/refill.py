"""The reserve of one account, from which its list is refilled."""

from math import inf

import numpy as np

from raypipe.columns import NEIGHBOUR, SCORE
from raypipe.config import RunConfig, load_config
from raypipe.graph.follow_graph import FollowGraph, load_graph
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.tanimoto import Neighbours
from raypipe.kernels.ties import Asked
from raypipe.recommend.context import list_rules
from raypipe.recommend.ladder import FILL_UP, ladder_of, tiers_of
from raypipe.recommend.reasons import reasons_of, sentences
from raypipe.recommend.search import neighbour_search, searched_graph
from raypipe.recommend.sources.registry import sources_of
from raypipe.storage.runs.filter_arrays import load_filters
from raypipe.storage.runs.reserve import load_reserve
from raypipe.storage.runs.run import Run


def further_rows(run: Run, account: str) -> tuple[list[tuple[str, float, str, str]], int]:
    """The candidates that follow the published list of an account in a run with a reserve.

    Returns:
        Candidate, score, source and reason of each, as the night would have published them; and the
        maximum number of candidates from one source in the list.

    Raises:
        RunError: files of the run are missing or damaged.
    """
    reserve, filters = load_reserve(run.path), load_filters(run)
    config, graph = load_config(run.path / "config.yaml"), load_graph(run.path / "graph")
    accounts = graph.codes([account]).astype(np.int32)
    own = slice(*reserve.indptr[accounts[0] : accounts[0] + 2])
    codes, sources, scores = (np.array(array[own]) for array in reserve[1:])
    reasons = reasons_of(
        Asked(accounts, accounts, graph.followees, Adjacency(*filters[:2])),
        np.array([len(codes)], np.int32),
        codes[None],
        neighbours_of(run, graph, config, account),
        graph.followees,
        graph.followers,
        filters.globally_excluded,
    )
    texts, names = sentences(reasons, graph.ids).to_pylist(), [*sources_of(config)]
    by_name = (names[source] for source in sources)
    candidates = graph.ids.take(codes).to_pylist()
    ladder, limit = ladder_of(run.manifest.ladder.tiers), config.recommendations.per_account
    if ladder[int(tiers_of(ladder, graph.followees.degrees_of(accounts))[0])].how != FILL_UP:
        limit = list_rules(config, ladder).blend.limit(limit)
    return list(zip(candidates, scores.tolist(), by_name, texts, strict=True)), limit


def neighbours_of(run: Run, graph: FollowGraph, config: RunConfig, account: str) -> Neighbours:
    """The neighbours of one account, as the search of the night found them.

    If the run may have published some of them only, they are searched again.
    """
    table, similar = run.neighbours(account), config.sources.similar
    if len(table) == similar.published < similar.neighbours:
        search = neighbour_search(searched_graph(graph, 1, config, inf), config)
        return search.nearest(graph.followees, graph.codes([account]))
    codes = graph.codes(table[NEIGHBOUR].combine_chunks()).astype(np.int32)[None]
    scores = table[SCORE].to_numpy()[None]
    return Neighbours(np.array([len(table)], np.int32), codes, np.zeros_like(codes), scores)
