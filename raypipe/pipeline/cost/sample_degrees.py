"""Predicted cost of each account from degrees alone, timed on a part of a random network."""

from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig, with_settings
from raypipe.evaluation import leading
from raypipe.evaluation.holdout_selection import (
    MAX_ACCOUNTS,
    MAX_ACCOUNTS_LEARNED,
)
from raypipe.evaluation.splits import segments_if_measured
from raypipe.graph.degree_table import Degrees, without_hubs
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.random_network import DrawnPart, draw_part
from raypipe.kernels.search_cost import WRITE, expected_ns
from raypipe.kernels.similarity_index import HUBS
from raypipe.kernels.topk import TieRule
from raypipe.pipeline.cost.sample import CLASSES, ENOUGH_SECONDS, seconds_of
from raypipe.recommend.context import (
    FollowSides,
    PreparedSource,
    ShardContext,
    list_rules,
    retrieving_sources,
)
from raypipe.recommend.filters.eligibility import no_exclusions
from raypipe.recommend.ladder import FILL_UP, LEARNED_RANKER, Tier, blend, fixed_ladder, tiers_of
from raypipe.recommend.memory import blend_length
from raypipe.recommend.models.algorithms import training_seconds
from raypipe.recommend.search import NeighbourSearch
from raypipe.recommend.sources import Source
from raypipe.recommend.sources.factors import retrieval_from
from raypipe.recommend.sources.popular import popular_of
from raypipe.recommend.sources.registry import sources_of
from raypipe.recommend.sources.similar import Similar
from raypipe.recommend.work_estimate import blend_ns, list_ns

#: Each account gets one twin for this number of requested neighbours. Six real graphs had 3.3 to
#: 9.5 neighbours per account if 10 were requested, and 6 to 46 if 100 were.
_NEIGHBOURS_PER_TWIN = 4
#: Maximum number of accounts drawn of a class.
_SAMPLE = 4096
#: A network with more accounts is thinned; the drawn part takes about 40 bytes per account.
_ACCOUNTS = 1 << 25
#: Maximum number of entries in the lists of hubs, and in all other lists, at 4 bytes each.
_ENTRIES = 100_000_000
#: Maximum number of follows drawn for accounts and their twins.
_FOLLOWS = 4_000_000
#: Seconds of one CPU per follow, measured as :data:`raypipe.pipeline.plan.READ_SECONDS`: add it to
#: the index; hold out a share of the follows, and build a graph of the others.
PREPARE_SECONDS, HOLD_OUT_SECONDS = 0.15e-6, 0.2e-6
#: Seconds to train the rankers of a night, whose examples do not grow with the network.
RANKER_SECONDS = 20.0
#: How often lists are made of a measured account: of the sources alone and of each blend; for a
#: ranker, its examples too.
_TIMES_MEASURED = {"none": 1, "rank_fusion": 2, LEARNED_RANKER: 4}


class Sample(NamedTuple):
    """A sample of accounts, and the part of a random network that their searches read.

    Attributes:
        context: of that part; its audience is the sample.
        rows: int64[accounts], the row of ``degrees.of_follows`` of each account.
        share: share of the network's accounts that are in the part.
    """

    context: ShardContext
    rows: np.ndarray
    share: float


def measure_degrees(degrees: Degrees, config: RunConfig) -> np.ndarray:
    """Predicted CPU seconds of an account, by number of follows.

    Numbers of follows are grouped into classes of equal expected work. The seconds per unit of
    expected work of each class are measured, as in
    :func:`raypipe.pipeline.cost.sample.measure_cost`, on accounts of the part of a random network
    that their searches read. Degrees do not tell which accounts are similar, so every account gets
    a quarter of the neighbours that the config asks for. Blends are not measured:
    :func:`seconds_of_sources` estimates them.

    Returns:
        float64, as long as ``degrees.of_follows``; 0 for accounts outside the audience.
    """
    config = with_settings(config, {"blend.method": "none"})
    in_audience = degrees.of_follows.numbers >= config.audience.min_follows
    searched = without_hubs(degrees, config.sources.similar.max_followers)
    if not in_audience.any() or not searched.follows:
        return np.where(in_audience, WRITE * 1e-9, 0.0)
    expected = expected_cost(searched, config)
    classes = _classes(expected * searched.of_follows.accounts * in_audience)
    # With hubs left out, a search checks its candidates.
    hubs = int(searched is not degrees)
    sample = draw_sample(searched, np.where(in_audience, classes, -1), config, hubs)
    # The first call compiles the kernels or loads them. The fixed time of a call is subtracted.
    _, *calls = (seconds_of(sample.context, np.zeros(1, np.int64)) for _ in range(4))
    of_sample = expected_cost(searched, config, sample.share)[sample.rows]
    rates = {}
    for number in np.unique(classes[sample.rows]):
        positions = np.flatnonzero(classes[sample.rows] == number)
        seconds = seconds_of(sample.context, positions)
        rates[number] = max(seconds - min(calls), 0.1 * seconds) / of_sample[positions].sum()
    # The most expensive accounts may be too large to draw; they get the rate of a lighter class.
    timed = np.array(sorted(rates))
    nearest_timed = np.maximum(np.searchsorted(timed, classes, side="right") - 1, 0)
    rate = np.array([rates[number] for number in timed])[nearest_timed]
    return np.asarray(expected * rate * in_audience)


def expected_cost(degrees: Degrees, config: RunConfig, share: float = 1.0) -> np.ndarray:
    """Estimated nanoseconds of an account by number of follows, from rates of another machine.

    Args:
        share: share of the network's accounts that are in the drawn part.

    Returns:
        float64, as long as ``degrees.of_follows``.
    """
    followers, followees = _hubs_first(degrees)
    estimate = expected_ns(
        degrees.of_follows.numbers,
        _thinned(degrees.of_follows.accounts, share),
        followers * share,
        followees,
        config.sources.similar.threshold_fraction,
    )
    return estimate + list_ns(config.recommendations.per_account)


def seconds_of_sources(degrees: Degrees, config: RunConfig) -> np.ndarray:
    """Estimated CPU seconds of the sources of an account, by number of follows.

    The rates were measured on another machine, and the estimate is for the source that leads with
    ``ladder: fixed``; for the blend, where the config blends. The neighbour search and the training
    of a model are not included.
    """
    numbers = degrees.of_follows.numbers
    ladder = fixed_ladder(config, config.sources.factors.trained)
    tiers = tiers_of(ladder, numbers)
    estimate = np.zeros(len(numbers))
    for index, tier in enumerate(ladder):
        if tier.how != FILL_UP:  # a ranker costs more than rank fusion, and may lead
            tier = blend(config, config.blend.method, config.sources.factors.trained)
        ns = blend_ns(tier, blend_length(config)) + np.zeros(len(numbers))
        for name in _called_by(tier, degrees, config):
            spec = sources_of(config)[name].spec
            if spec.estimate_from_degrees:
                ns += spec.estimate_from_degrees(degrees, config)
        in_tier = (tiers == index) & (numbers >= config.audience.min_follows)
        estimate += np.where(in_tier, ns, 0.0)
    return 1e-9 * estimate


def _called_by(tier: Tier, degrees: Degrees, config: RunConfig) -> tuple[str, ...]:
    """The sources that a tier calls for every account."""
    if tier.how != FILL_UP:
        return tier.sources
    lead = tier.sources[0]
    if not sources_of(config)[lead].spec.needs_model or retrieval_from(degrees, config).exact:
        return (lead,)
    return (lead, *retrieving_sources(config))


def holdout_of_degrees(
    degrees: Degrees, cost: np.ndarray, config: RunConfig, cpus: int
) -> float | None:
    """Seconds of the hold-out selection of the ladder; None if the ladder is fixed.

    Args:
        cost: float64, as long as ``degrees.of_follows``, seconds per account.
    """
    numbers, accounts = degrees.of_follows
    segments = segments_if_measured(numbers, config)
    segments[numbers < config.audience.min_follows] = -1
    totals = np.bincount(segments[segments >= 0], accounts[segments >= 0])
    enough = np.flatnonzero(totals >= leading.MIN_ACCOUNTS)
    if config.ladder == "fixed" or not len(enough):
        return None
    most = MAX_ACCOUNTS_LEARNED if config.blend.method == LEARNED_RANKER else MAX_ACCOUNTS
    lists = sum(
        min(1.0, most / totals[segment])
        * float(cost[segments == segment] @ accounts[segments == segment])
        for segment in enough
    )
    left = 1 - config.evaluation.share
    # Accounts without follows have a split of their own; its lists need no index and cost little.
    splits = 2 if np.any((numbers == 0) & (config.audience.min_follows == 0)) else 1
    before = degrees.follows * (splits * HOLD_OUT_SECONDS + left * PREPARE_SECONDS)
    before += training_seconds(config, degrees.accounts, int(left * degrees.follows))
    if config.blend.method == LEARNED_RANKER:
        before += RANKER_SECONDS
    return float(before + _TIMES_MEASURED[config.blend.method] * lists / cpus)


def draw_sample(
    degrees: Degrees, classes: np.ndarray, config: RunConfig, hubs_left_out: int = 0
) -> Sample:
    """Draw accounts of each class, and the part of a random network that their searches read.

    Equal degrees, configs and seeds give equal networks, on every machine.

    Args:
        classes: class of each number of follows; -1: none of these accounts is drawn.
        hubs_left_out: number of hubs that the search leaves out.
    """
    rng = np.random.default_rng(config.seed)
    sizes, accounts = degrees.of_follows
    followers, followees = _hubs_first(degrees)
    hubs = np.clip(HUBS - np.cumsum(followees) + followees, 0, followees)
    # Hubs are searched by bits. A follow of any other account adds this mean number of entries.
    entries_per_follow = followers**2.0 @ (followees - hubs) / degrees.follows
    following = accounts[sizes > 0].sum()
    share = min(
        1.0,
        _ACCOUNTS / following,
        _ENTRIES / (followers @ hubs),
        _ENTRIES / CLASSES * following / max(1.0, entries_per_follow * degrees.follows),
    )
    accounts = _thinned(accounts, share)
    idle = int(accounts[sizes == 0].sum())
    twins = min(
        -(-config.sources.similar.neighbours // _NEIGHBOURS_PER_TWIN),
        int(accounts.sum()) - idle - 1,
        int(_FOLLOWS / CLASSES * following / degrees.follows),
    )
    limits = np.minimum.reduce(
        [
            np.full(len(sizes), float(_SAMPLE)),
            np.maximum(4, ENOUGH_SECONDS * 1e9 / CLASSES / expected_cost(degrees, config, share)),
            _ENTRIES / CLASSES / np.maximum(1, entries_per_follow * share * sizes),
            _FOLLOWS / CLASSES / np.maximum(1, (twins + 1) * sizes),
        ]
    )
    positions = _choose(accounts, classes, limits, twins + 1, rng)
    rows = np.searchsorted(np.cumsum(accounts), positions, side="right")
    # In the part, accounts without follows come last, and only those in the sample are included.
    of_sizes = np.repeat(sizes.astype(np.int32), accounts)[idle:]
    leaders = positions[positions >= idle] - idle
    sampled_idle = len(positions) - len(leaders)
    part = draw_part(of_sizes, sampled_idle, followers, followees, share, leaders, twins, rng)
    codes = np.concatenate([leaders, len(of_sizes) + np.arange(sampled_idle)])
    context = _context_of(part, codes, config, hubs_left_out)
    return Sample(context, np.roll(rows, -sampled_idle), share)


def _context_of(
    part: DrawnPart, accounts: np.ndarray, config: RunConfig, hubs_left_out: int
) -> ShardContext:
    """The context of the drawn part; ranks stand for the indices of followees."""
    followers = part.followers.astype(np.int32)
    n = max(len(followers), len(part.rows.degrees))
    indptr, codes = part.rows
    rows = Adjacency(np.append(indptr, np.full(n + 1 - len(indptr), indptr[-1])), codes)
    order = np.arange(len(followers), dtype=np.int32)
    rule = TieRule(followers, np.arange(n, dtype=np.uint32))
    sources: dict[str, Source] = {
        "popular": popular_of(order, followers * 1.0, rule),
        "similar": Similar(rows),
    }
    registered = sources_of(config)
    similar = config.sources.similar
    return ShardContext(
        follows=FollowSides(rows, transpose(rows), rule),
        accounts=accounts.astype(np.int32),
        exclusions=no_exclusions(n),
        search=NeighbourSearch(
            part.searched, hubs_left_out, similar.neighbours, similar.threshold_fraction
        ),
        sources={
            name: PreparedSource(registered[name].index, name == "similar", source)
            for name, source in sources.items()
        },
        lists=list_rules(config, fixed_ladder(config)),
    )


def _choose(
    accounts: np.ndarray,
    classes: np.ndarray,
    limits: np.ndarray,
    distance: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Positions of sampled accounts of each class, ascending, among all accounts by size.

    The last account may be chosen; all others are multiples of ``distance`` before it, so that
    there is room for their twins.

    Args:
        accounts: number of accounts of each row.
        classes: class of each row; -1: none.
        limits: sample size for the whole class, if all its accounts were of this row.
    """
    ends = np.cumsum(accounts)
    chosen = [np.empty(0, np.int64)]
    for number in range(CLASSES):
        rows = np.flatnonzero((classes == number) & (accounts > 0) & (limits >= 1))
        if not len(rows):
            continue
        start, stop = ends[rows[0]] - accounts[rows[0]], ends[rows[-1]]
        first = start + (ends[-1] - 1 - start) % distance
        available = max(0, -(-(stop - first) // distance))
        enough = int(accounts[rows].sum() / (accounts[rows] / limits[rows]).sum())
        chosen.append(
            first + distance * rng.choice(available, min(available, enough), replace=False)
        )
    return np.sort(np.concatenate(chosen))


def _classes(estimate: np.ndarray) -> np.ndarray:
    """int64: the class of each row, by the position of its middle in the cumulative work."""
    done = np.cumsum(estimate)
    middle = (done - estimate / 2) / done[-1]
    return np.asarray(np.minimum(middle * CLASSES, CLASSES - 1), np.float64).astype(np.int64)


def _hubs_first(degrees: Degrees) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of followers above 0, descending, and the number of accounts with each."""
    numbers, accounts = degrees.of_followers
    return numbers[numbers > 0][::-1], accounts[numbers > 0][::-1]


def _thinned(accounts: np.ndarray, share: float) -> np.ndarray:
    """int64: numbers of accounts by row, if this share of all accounts is kept evenly."""
    return np.diff(np.floor(np.cumsum(accounts) * share), prepend=0).astype(np.int64)
