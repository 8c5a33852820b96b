"""The shard context: the values that every shard of a night needs, made once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.follow_graph import FollowGraph
from raypipe.integrity.votes import Votes
from raypipe.kernels.csr import Adjacency
from raypipe.kernels.pair_features import GraphFeatures
from raypipe.kernels.read_only import freeze
from raypipe.kernels.topk import TieRule
from raypipe.recommend.blend.ranker import Ranker
from raypipe.recommend.filters.eligibility import Exclusions
from raypipe.recommend.ladder import LEARNED_RANKER, Tier, blend
from raypipe.recommend.memory import blend_length
from raypipe.recommend.models.model import FactorModel
from raypipe.recommend.negative_feedback import Rejections
from raypipe.recommend.search import NeighbourSearch
from raypipe.recommend.sources import Scorer, Source, SourceInputs
from raypipe.recommend.sources.factors import SPEC as FACTORS
from raypipe.recommend.sources.factors import retrieval_of
from raypipe.recommend.sources.popular import popular_of
from raypipe.recommend.sources.registry import sources_of, walk_limits


class FollowSides(NamedTuple):
    """The follows, without the ids."""

    followees: Adjacency
    followers: Adjacency
    tie_rule: TieRule

    @property
    def follower_counts(self) -> np.ndarray:
        """int32[n], the number of followers of every account."""
        return self.tie_rule.follower_counts


@dataclass(frozen=True)
class PreparedSource:
    """A source after its first step, ready for shards.

    Attributes:
        index: its position among the sources of the config; tables of shards refer to it.
        scores: names of the sources whose candidates it scores; empty: it retrieves.
    """

    index: int
    needs_neighbours: bool
    source: Source | Scorer
    scores: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlendRules:
    """How the candidates of several sources become one list.

    Attributes:
        weights: weight of each source in rank fusion, by name.
        max_share: largest share of a list that one source may fill (numerator, denominator).
    """

    weights: Mapping[str, float]
    candidates_per_source: int
    max_share: tuple[int, int]
    graph_features: GraphFeatures | None = None
    ranker: Ranker | None = None

    def limit(self, length: int) -> int:
        """Maximum number of candidates from one source in a list of this length."""
        numerator, denominator = self.max_share
        return max(1, length * numerator // denominator)


@dataclass(frozen=True)
class ListRules:
    """The rules by which lists are made.

    Attributes:
        neighbours: maximum number of neighbours that are published.
        reserve: maximum number of candidates after a list of full length; they are not published.
    """

    ladder: tuple[Tier, ...]
    per_account: int
    min_followers: int
    blend: BlendRules
    neighbours: int
    reserve: int = 0


@dataclass(frozen=True)
class ShardContext:
    """The values that every shard needs, put into the object store once; arrays are read-only.

    Attributes:
        accounts: int32, the audience, ascending; a shard is a range of positions in it.
        search: finds neighbours; None: no source on the ladder needs them.
    """

    follows: FollowSides
    accounts: np.ndarray
    exclusions: Exclusions
    search: NeighbourSearch | None
    sources: Mapping[str, PreparedSource]
    lists: ListRules

    def __post_init__(self) -> None:
        freeze(self)

    def with_ladder(self, *ladder: Tier) -> ShardContext:
        """The same context with another ladder and without a reserve."""
        return replace(self, lists=replace(self.lists, ladder=ladder, reserve=0))

    def with_ranker(self, ranker: Ranker) -> ShardContext:
        """The same context with another ranker."""
        blend = replace(self.lists.blend, ranker=ranker)
        return replace(self, lists=replace(self.lists, blend=blend))


class NightInputs(NamedTuple):
    """The inputs of a night from which its shard context is made.

    Attributes:
        accounts: int32, the audience, ascending.
        model: of the votes; None: no source on the ladder needs one.
        votes: the follows that count for others than the follower; None: all.
    """

    graph: FollowGraph
    accounts: np.ndarray
    exclusions: Exclusions
    rejections: Rejections | None = None
    model: FactorModel | None = None
    votes: Votes | None = None

    @property
    def counted(self) -> FollowGraph:
        """The follows that count for others than the follower."""
        return self.votes.graph if self.votes else self.graph

    @property
    def model_bytes(self) -> int:
        """Bytes of the copy of the model's factors that the source retrieves from."""
        return 0 if self.model is None else self.model.factors.followee_factors.nbytes


def shard_context(
    inputs: NightInputs, config: RunConfig, lists: ListRules, search: NeighbourSearch | None
) -> ShardContext:
    """The context of the shards of a night, all its sources prepared; holds the graph's arrays."""
    graph = inputs.graph
    return ShardContext(
        FollowSides(graph.followees, graph.followers, inputs.counted.tie_rule),
        inputs.accounts,
        inputs.exclusions,
        search,
        prepare_sources(inputs, config),
        lists,
    )


def prepare_sources(inputs: NightInputs, config: RunConfig) -> dict[str, PreparedSource]:
    """Run the first step of every source that these inputs suffice for; by name."""
    rejections = inputs.rejections
    if rejections and inputs.votes:
        rejections = rejections.heard_from(inputs.votes.heard)
    source_inputs = SourceInputs(
        config.candidates.min_followers,
        inputs.exclusions.globally_excluded,
        rejections,
        config.feedback.negative,
        inputs.model,
        inputs.graph.followees,
    )
    known = sources_of(config)
    prepared = {}
    for name, source in known.items():
        if inputs.model is not None if source.spec.needs_model else source.ready:
            made = source.spec.prepare(inputs.counted, source.section, source_inputs)
            scores = retrieving_sources(config) if isinstance(made, Scorer) else ()
            near = any(known[part].spec.needs_neighbours for part in (name, *scores))
            prepared[name] = PreparedSource(source.index, near, made, scores)
    return prepared


def called_sources(names: Iterable[str], graph: FollowGraph, config: RunConfig) -> set[str]:
    """These sources, and those that retrieve for the scorers among them."""
    called = set(names)
    if FACTORS.name in called and not retrieval_of(graph.followees, config.sources.factors).exact:
        called.update(retrieving_sources(config))
    return called


def retrieving_sources(config: RunConfig) -> tuple[str, ...]:
    """The sources whose candidates a scorer ranks: those of the blend that need no model.

    If there is none, all that need no model.

    Example:
        >>> retrieving_sources(RunConfig())
        ('follow_back', 'two_hop', 'co_followed', 'pagerank', 'similar', 'popular')
    """
    known = sources_of(config).items()
    ready = (name for name, source in known if source.ready and not source.spec.needs_model)
    return blend(config, config.blend.method).sources or tuple(ready)


def with_silent_sources(context: ShardContext, config: RunConfig) -> ShardContext:
    """The context with a source that retrieves nothing for each source that is not prepared."""
    nobody = popular_of(np.empty(0, np.int32), np.empty(0), context.follows.tie_rule)
    silent = {
        name: PreparedSource(source.index, False, nobody)
        for name, source in sources_of(config).items()
        if name not in context.sources
    }
    return replace(context, sources={**context.sources, **silent})


def list_rules(
    config: RunConfig,
    ladder: tuple[Tier, ...],
    inputs: NightInputs | None = None,
    ranker: Ranker | None = None,
) -> ListRules:
    """The rules by which this config makes lists.

    Args:
        inputs: of the night; needed for a learned blend only.
    """
    learns = config.blend.method == LEARNED_RANKER
    blend = BlendRules(
        {name: source.section.weight for name, source in sources_of(config).items()},
        blend_length(config),
        config.blend.most_fraction,
        _graph_features(inputs, config) if inputs is not None and learns else None,
        ranker,
    )
    return ListRules(
        ladder,
        config.recommendations.per_account,
        config.candidates.min_followers,
        blend,
        config.sources.similar.published,
    )


def _graph_features(inputs: NightInputs, config: RunConfig) -> GraphFeatures:
    """Features of the graph, with the intermediary limits of the sources that walk two steps."""
    limits = dict(walk_limits(config).values())
    sides = inputs.counted.followees, inputs.counted.followers
    most = limits.get("followees"), limits.get("followers")
    return GraphFeatures.of(*sides, *most, inputs.graph.followees)
