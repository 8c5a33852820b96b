"""Those that join: pairs of accounts by a common followee, grouped and counted."""

from __future__ import annotations

import tempfile
from array import array
from typing import Any

import numpy as np
import pyarrow as pa

from raypipe.kernels.tanimoto import Neighbours
from tests.benchmarks.similarity.graphs import Graph
from tests.benchmarks.similarity.peers.peer import EXACT, Peer, Question
from tests.benchmarks.similarity.scores import best_of_pairs

#: Each pair is joined once, each account with those of larger codes, and then turned around.
SELF_JOIN = """
WITH pairs AS (
    SELECT a.follower AS x, b.follower AS y, count(*)::INTEGER AS overlap
    FROM follows a JOIN follows b ON a.followee = b.followee AND a.follower < b.follower
    GROUP BY ALL
), scored AS (
    SELECT x, y, overlap, overlap / (of_x.size + of_y.size - overlap) AS score
    FROM pairs JOIN sizes of_x ON of_x.account = x JOIN sizes of_y ON of_y.account = y
    WHERE overlap * {q} > {p} * (of_x.size + of_y.size - overlap)
), both_ways AS (
    SELECT x, y, overlap, score FROM scored
    UNION ALL SELECT y, x, overlap, score FROM scored
)
SELECT x, y, overlap FROM both_ways
QUALIFY row_number() OVER (PARTITION BY x ORDER BY score DESC, y) <= {k}
"""


def duckdb(graph: Graph, question: Question) -> pa.Table:
    import duckdb

    followers = np.repeat(np.arange(graph.accounts, dtype=np.int32), graph.followees.degrees)
    table = pa.table({"follower": followers, "followee": graph.followees.codes})
    with (
        tempfile.TemporaryDirectory(prefix="duckdb-") as spilled,
        duckdb.connect(config={"threads": question.threads}) as connection,
    ):
        connection.execute("SET memory_limit = '14GB'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"SET temp_directory = '{spilled}'")
        connection.register("arrays", table)
        connection.execute("CREATE TABLE follows AS SELECT * FROM arrays")
        connection.execute(
            "CREATE TABLE sizes AS SELECT follower AS account, count(*)::BIGINT AS size "
            "FROM follows GROUP BY ALL"
        )
        p, q = question.threshold
        return connection.execute(SELF_JOIN.format(p=p, q=q, k=question.k)).to_arrow_table()


def pairs_of_table(graph: Graph, table: pa.Table, question: Question) -> Neighbours:
    x, y, overlap = (table[name].to_numpy() for name in ("x", "y", "overlap"))
    return best_of_pairs(graph, x, y, question.k, question.threshold, overlap)


def set_similarity_search(graph: Graph, question: Question) -> tuple[Any, ...]:
    from SetSimilaritySearch import all_pairs

    accounts = np.flatnonzero(graph.followees.degrees)
    sets = [graph.followees.row(account).tolist() for account in accounts]
    p, q = question.threshold
    x, y, score = array("i"), array("i"), array("d")
    for one, other, similarity in all_pairs(sets, "jaccard", p / q):
        x.append(one)
        y.append(other)
        score.append(similarity)
    return accounts[np.frombuffer(x, np.int32)], accounts[np.frombuffer(y, np.int32)], score


def pairs_both_ways(graph: Graph, pairs: tuple[Any, ...], question: Question) -> Neighbours:
    x, y, score = pairs
    score = np.frombuffer(score)
    sizes = graph.followees.degrees
    overlap = np.rint(score * (sizes[x] + sizes[y]) / (1 + score)).astype(np.int64)
    return best_of_pairs(
        graph,
        np.concatenate([x, y]),
        np.concatenate([y, x]),
        question.k,
        question.threshold,
        np.concatenate([overlap, overlap]),
    )


def each_pair_once(graph: Graph, _: Question) -> dict[str, int]:
    followers = graph.followers.degrees
    return {"entries": int((followers * (followers - 1) // 2).sum())}


PEERS = {
    "duckdb": Peer(
        "DuckDB self-join",
        "duckdb",
        EXACT,
        duckdb,
        collect=pairs_of_table,
        looked_at=each_pair_once,
    ),
    "SetSimilaritySearch": Peer(
        "SetSimilaritySearch",
        "SetSimilaritySearch",
        EXACT,
        set_similarity_search,
        collect=pairs_both_ways,
        has_threads=False,
        most_co_follow_pairs=0.2e9,
    ),
}
