"""How the candidates of the factor model are retrieved, and the recall against exact retrieval."""

from dataclasses import replace

import numpy as np

from raypipe.config import RunConfig, with_settings
from raypipe.evaluation.neighbour_recall import recall_of
from raypipe.recommend.context import NightInputs, ShardContext, prepare_sources
from raypipe.recommend.ladder import Tier
from raypipe.recommend.shard import nearest, recommend_to
from raypipe.recommend.sources.factors import SPEC, retrieval_of
from raypipe.storage.records import EXACT, NOT_MEASURED, FactorRecord, RecallRecord

#: Maximum and minimum size of a sample: they give the recall to within .02 and .10.
_MAX_SAMPLE, _MIN_SAMPLE = 2000, 100
#: Nanoseconds of exact retrieval for the sample, between these sizes.
_SAMPLE_NS = 2e9


def factor_facts(
    inputs: NightInputs, context: ShardContext, config: RunConfig
) -> FactorRecord | None:
    """How the model's candidates are retrieved; the recall is measured on a sample of the audience.

    Exact retrieval has the recall 1, without a sample.

    Returns:
        None where there is no model.
    """
    if SPEC.name not in context.sources:
        return None
    exact, why = retrieval_of(inputs.graph.followees, config.sources.factors)
    measured = EXACT if exact else measure_factor_recall(inputs, context, config)
    return FactorRecord(retrieval="exact" if exact else "candidates", why=why, **dict(measured))


def measure_factor_recall(
    inputs: NightInputs, context: ShardContext, config: RunConfig
) -> RecallRecord:
    """Compare the lists of the model for a sample of the audience with those of all accounts.

    A list has the length of a published one, and passes the same filters. The sample depends on the
    follows, the audience and the seed only.
    """
    following = context.accounts[context.follows.followees.degrees_of(context.accounts) > 0]
    if not len(following):
        return NOT_MEASURED
    every = prepare_sources(inputs, with_settings(config, {"sources.factors.retrieval": "exact"}))
    ns = float(every[SPEC.name].source.estimated_ns(following[:1])[0])
    size = int(np.clip(_SAMPLE_NS / ns, _MIN_SAMPLE, _MAX_SAMPLE))
    sample = np.sort(np.random.default_rng(config.seed).permutation(following)[:size])
    near = nearest(context, sample)
    alone = context.with_ladder(Tier(0, (SPEC.name,)))
    (exact, _), (found, _) = (
        recommend_to(each, sample, near) for each in (replace(alone, sources=every), alone)
    )
    has = exact.counts > 0
    if not has.any():
        return NOT_MEASURED
    in_both = (exact.codes[:, :, None] == found.codes[:, None, :]) & (exact.codes >= 0)[:, :, None]
    shares = in_both.sum(axis=(1, 2))[has] / exact.counts[has]
    return recall_of(shares, len(sample) / len(following))
