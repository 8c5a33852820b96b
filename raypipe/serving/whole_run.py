"""A run with the files that lists are made of, each loaded when it is first used."""

from functools import cached_property

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph, load_graph
from raypipe.integrity.votes import Votes, load_votes
from raypipe.kernels.csr import Adjacency
from raypipe.recommend.blend.ranker import Ranker, load_ranker
from raypipe.recommend.ladder import Tier, ladder_of, tiers_of
from raypipe.recommend.models.model import FactorModel, load_model
from raypipe.storage.files import is_file, is_folder
from raypipe.storage.runs.filter_arrays import FilterArrays, load_filters
from raypipe.storage.runs.run import Run


class WholeRun:
    """A run and its files; all arrays are memory-mapped.

    Each attribute raises RunError where its file is missing or damaged.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.path = run, run.path

    @cached_property
    def config(self) -> RunConfig:
        return self.run.config()

    @cached_property
    def graph(self) -> FollowGraph:
        return load_graph(self.path / "graph")

    @cached_property
    def votes(self) -> Votes:
        return load_votes(self.graph, self.path / "graph")

    @cached_property
    def filters(self) -> FilterArrays:
        return load_filters(self.run)

    @property
    def excluded(self) -> Adjacency:
        """A row for each account: the candidates that filters about pairs exclude."""
        return Adjacency(*self.filters[:2])

    @cached_property
    def model(self) -> FactorModel | None:
        return load_model(self.path / "model") if is_folder(self.path / "model") else None

    @cached_property
    def ranker(self) -> Ranker | None:
        path = self.path / "ranker.json"
        return load_ranker(path) if is_file(path) else None

    @cached_property
    def ladder(self) -> tuple[Tier, ...]:
        return ladder_of(self.run.manifest.ladder.tiers)

    def tier_of(self, graph: FollowGraph, account: int) -> Tier:
        """The tier of an account, by the number of its follows in a graph."""
        follows = np.array(len(graph.followees.row(account)))
        return self.ladder[int(tiers_of(self.ladder, follows))]
