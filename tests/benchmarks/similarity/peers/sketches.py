"""Those that find most neighbours, not all: by MinHash, and by a graph of neighbours."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import numpy as np

from raypipe.kernels.tanimoto import Neighbours
from tests.benchmarks.similarity.graphs import Graph
from tests.benchmarks.similarity.peers.peer import APPROXIMATE, Peer, Question
from tests.benchmarks.similarity.peers.products import matrix
from tests.benchmarks.similarity.scores import best_of_pairs

PERMUTATIONS = 128
#: Candidates a query of the forest, times k: they are scored by their true similarity.
CANDIDATES = 10
HASH_TABLES = 5


def datasketch(graph: Graph, question: Question) -> Neighbours:
    """The forest's documentation advises to ask for more than k and to score those truly."""
    from datasketch import MinHash, MinHashLSHForest

    accounts = np.flatnonzero(graph.followees.degrees)
    sets = (graph.followees.row(account).tolist() for account in accounts)
    # Codes serve as their own hashes: MinHash mixes them before it permutes.
    sketches = MinHash.bulk(sets, num_perm=PERMUTATIONS, hashfunc=int)
    forest = MinHashLSHForest(num_perm=PERMUTATIONS)
    for account, sketch in zip(accounts.tolist(), sketches, strict=True):
        forest.add(account, sketch)
    forest.index()
    others = [forest.query(sketch, CANDIDATES * question.k) for sketch in sketches]
    return best_of_pairs(
        graph,
        np.repeat(accounts, [len(found) for found in others]),
        np.array([other for found in others for other in found]),
        question.k,
        question.threshold,
    )


def pynndescent(graph: Graph, question: Question) -> tuple[np.ndarray, np.ndarray]:
    from pynndescent import NNDescent

    warnings.simplefilter("ignore")
    accounts = np.flatnonzero(graph.followees.degrees)
    index = NNDescent(
        matrix(graph.followees)[accounts],
        metric="jaccard",
        n_jobs=question.threads,
        random_state=0,
    )
    return accounts, index.neighbor_graph[0]


def of_neighbour_graph(graph: Graph, answer: tuple[Any, ...], question: Question) -> Neighbours:
    accounts, others = answer
    asked = np.repeat(accounts, others.shape[1])
    others = others.ravel()
    found = others >= 0
    return best_of_pairs(
        graph, asked[found], accounts[others[found]], question.k, question.threshold
    )


def spark_session(threads: int) -> Any:
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", "12g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", tempfile.gettempdir())
        .config("spark.sql.shuffle.partitions", str(8 * threads))
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )


def pyspark(graph: Graph, question: Question) -> Any:
    from pyspark.ml.feature import MinHashLSH
    from pyspark.ml.linalg import Vectors
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    spark = spark_session(question.threads)
    accounts = np.flatnonzero(graph.followees.degrees).tolist()
    sets = (graph.followees.row(account).tolist() for account in accounts)
    rows = [
        (account, Vectors.sparse(graph.accounts, followees, [1.0] * len(followees)))
        for account, followees in zip(accounts, sets, strict=True)
    ]
    frame = spark.createDataFrame(rows, ["account", "follows"]).cache()
    lsh = MinHashLSH(inputCol="follows", outputCol="hashes", seed=1, numHashTables=HASH_TABLES)
    model = lsh.fit(frame)
    p, q = question.threshold
    pairs = model.approxSimilarityJoin(frame, frame, 1 - p / q, "distance").select(
        f.col("datasetA.account").alias("x"), f.col("datasetB.account").alias("y"), "distance"
    )
    best = Window.partitionBy("x").orderBy("distance", "y")
    ranked = pairs.where("x <> y").withColumn("place", f.row_number().over(best))
    answer = ranked.where(f.col("place") <= question.k).select("x", "y").toPandas()
    frame.unpersist()
    return answer


def of_spark_frame(graph: Graph, frame: Any, question: Question) -> Neighbours:
    x, y = frame["x"].to_numpy(), frame["y"].to_numpy()
    return best_of_pairs(graph, x, y, question.k, question.threshold)


PEERS = {
    "datasketch": Peer(
        "datasketch LSH forest", "datasketch", APPROXIMATE, datasketch, has_threads=False
    ),
    "pynndescent": Peer(
        "pynndescent", "pynndescent", APPROXIMATE, pynndescent, collect=of_neighbour_graph
    ),
    "pyspark": Peer("PySpark MinHashLSH", "pyspark", APPROXIMATE, pyspark, collect=of_spark_frame),
}
