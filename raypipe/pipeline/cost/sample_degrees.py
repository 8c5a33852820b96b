"""What each account will cost, from degrees alone: a part of such a network is drawn and timed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raypipe.config import RunConfig
from raypipe.graph.degree_table import Degrees, without_hubs
from raypipe.kernels.csr import Adjacency, transpose
from raypipe.kernels.random_network import DrawnPart, draw_part
from raypipe.kernels.search_cost import WRITE, expected_ns
from raypipe.kernels.similarity_index import HUBS
from raypipe.pipeline.cost.sample import CLASSES, ENOUGH_SECONDS, seconds_of
from raypipe.recommend.context import FollowSides, PreparedSource, ShardContext, list_rules
from raypipe.recommend.filters.eligibility import no_exclusions
from raypipe.recommend.ladder import fixed_ladder, tiers_of
from raypipe.recommend.search import NeighbourSearch
from raypipe.recommend.sources import Source
from raypipe.recommend.sources.popular import Popular
from raypipe.recommend.sources.registry import sources_of
from raypipe.recommend.sources.similar import Similar
from raypipe.recommend.work_estimate import list_ns

#: Six graphs had 3.3 to 9.5 neighbours per account where 10 were wanted, and 6 to 46 of 100.
_NEIGHBOURS_PER_TWIN = 4
#: Accounts of a class, at most.
_SAMPLE = 4096
#: A network with more accounts is thinned: a part of it takes some 40 bytes for each of them.
_ACCOUNTS = 1 << 25
#: Entries of the lists of hubs, and again of all other lists, at 4 bytes each.
_ENTRIES = 100_000_000
#: Follows drawn for accounts and their twins.
_FOLLOWS = 4_000_000


class Sample(NamedTuple):
    """Accounts to search for, in the part of a network that their searches look at.

    Attributes:
        context: of that part; its accounts are those of the sample.
        rows: int64[accounts], the row of ``degrees.of_follows`` that each account is of.
        share: of the network's accounts, those that have a place in the part.
    """

    context: ShardContext
    rows: np.ndarray
    share: float


def measure_degrees(degrees: Degrees, config: RunConfig) -> np.ndarray:
    """Seconds of one CPU that an account with each number of follows will take.

    Numbers of follows are put into classes of equal expected work; the seconds per unit of expected
    work of each class are measured, as in :func:`raypipe.pipeline.cost.sample.measure_cost`, on
    accounts of a random network, as far as they look at it. Who is alike is not in the numbers:
    every account is given a quarter of the neighbours that the config asks for.

    Returns:
        float64, of the length of ``degrees.of_follows``; 0 for those that are not in the audience.
    """
    is_asked = degrees.of_follows.numbers >= config.audience.min_follows
    searched = without_hubs(degrees, config.sources.similar.max_followers)
    if not is_asked.any() or not searched.follows:
        return np.where(is_asked, WRITE * 1e-9, 0.0)
    expected = expected_cost(searched, config)
    classes = _classes(expected * searched.of_follows.accounts * is_asked)
    # With hubs left out, a search checks its candidates.
    hubs = int(searched is not degrees)
    sample = draw_sample(searched, np.where(is_asked, classes, -1), config, hubs)
    # The first call compiles, or loads what was compiled; what every call takes is no account's.
    _, *calls = (seconds_of(sample.context, np.zeros(1, np.int64)) for _ in range(4))
    of_sample = expected_cost(searched, config, sample.share)[sample.rows]
    rates = {}
    for number in np.unique(classes[sample.rows]):
        those = np.flatnonzero(classes[sample.rows] == number)
        seconds = seconds_of(sample.context, those)
        rates[number] = max(seconds - min(calls), 0.1 * seconds) / of_sample[those].sum()
    # The heaviest may be too heavy to be drawn: the next lighter class stands for them.
    timed = np.array(sorted(rates))
    stands_for = np.maximum(np.searchsorted(timed, classes, side="right") - 1, 0)
    rate = np.array([rates[number] for number in timed])[stands_for]
    return np.asarray(expected * rate * is_asked)


def expected_cost(degrees: Degrees, config: RunConfig, share: float = 1.0) -> np.ndarray:
    """Nanoseconds of an account with each number of follows, on a machine that may not be this one.

    Args:
        share: of the network's accounts, those that are there at all.

    Returns:
        float64, of the length of ``degrees.of_follows``.
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
    """Seconds of one CPU that the sources of an account with each number of follows take.

    At rates that were measured elsewhere, for the source that leads with ``ladder: fixed``. The
    search, and the training of a model, are not included.
    """
    numbers = degrees.of_follows.numbers
    ladder = fixed_ladder(config, config.sources.factors.trained)
    tiers = tiers_of(ladder, numbers)
    estimate = np.zeros(len(numbers))
    for index, tier in enumerate(ladder):
        spec = sources_of(config)[tier.sources[0]].spec
        if spec.estimate_from_degrees:
            leads = (tiers == index) & (numbers >= config.audience.min_follows)
            estimate += np.where(leads, spec.estimate_from_degrees(degrees, config), 0.0)
    return 1e-9 * estimate


def draw_sample(
    degrees: Degrees, classes: np.ndarray, config: RunConfig, hubs_left_out: int = 0
) -> Sample:
    """Draw accounts of each class, and the part of a network that their searches look at.

    Equal degrees, configs and seeds give equal networks, on every machine.

    Args:
        classes: of each number of follows; -1 for those that are not to be drawn.
        hubs_left_out: number of hubs that the search leaves out.
    """
    rng = np.random.default_rng(config.seed)
    sizes, accounts = degrees.of_follows
    followers, followees = _hubs_first(degrees)
    hubs = np.clip(HUBS - np.cumsum(followees) + followees, 0, followees)
    # Hubs are searched by their bits; a follow of another account adds this number of entries.
    brings = followers**2.0 @ (followees - hubs) / degrees.follows
    following = accounts[sizes > 0].sum()
    share = min(
        1.0,
        _ACCOUNTS / following,
        _ENTRIES / (followers @ hubs),
        _ENTRIES / CLASSES * following / max(1.0, brings * degrees.follows),
    )
    accounts = _thinned(accounts, share)
    idle = int(accounts[sizes == 0].sum())
    twins = min(
        -(-config.sources.similar.neighbours // _NEIGHBOURS_PER_TWIN),
        int(accounts.sum()) - idle - 1,
        int(_FOLLOWS / CLASSES * following / degrees.follows),
    )
    most = np.minimum.reduce(
        [
            np.full(len(sizes), float(_SAMPLE)),
            np.maximum(4, ENOUGH_SECONDS * 1e9 / CLASSES / expected_cost(degrees, config, share)),
            _ENTRIES / CLASSES / np.maximum(1, brings * share * sizes),
            _FOLLOWS / CLASSES / np.maximum(1, (twins + 1) * sizes),
        ]
    )
    places = _choose(accounts, classes, most, twins + 1, rng)
    rows = np.searchsorted(np.cumsum(accounts), places, side="right")
    # In the part, accounts without follows come last, and only those of the sample are there.
    of_sizes = np.repeat(sizes.astype(np.int32), accounts)[idle:]
    leaders = places[places >= idle] - idle
    asked_idle = len(places) - len(leaders)
    part = draw_part(of_sizes, asked_idle, followers, followees, share, leaders, twins, rng)
    codes = np.concatenate([leaders, len(of_sizes) + np.arange(asked_idle)])
    context = _context_of(part, codes, config, hubs_left_out)
    return Sample(context, np.roll(rows, -asked_idle), share)


def _context_of(
    part: DrawnPart, accounts: np.ndarray, config: RunConfig, hubs_left_out: int
) -> ShardContext:
    """The context of the drawn part; ranks stand for the indices of followees."""
    followers = part.followers.astype(np.int32)
    n = max(len(followers), len(part.rows.degrees))
    indptr, codes = part.rows
    rows = Adjacency(np.append(indptr, np.full(n + 1 - len(indptr), indptr[-1])), codes)
    order = np.arange(len(followers), dtype=np.int32)
    sources: dict[str, Source] = {
        "popular": Popular(order, followers * 1.0),
        "similar": Similar(rows),
    }
    registered = sources_of(config)
    similar = config.sources.similar
    return ShardContext(
        follows=FollowSides(rows, transpose(rows), followers),
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
    most: np.ndarray,
    apart: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Places of accounts of each class, in order of size, ascending; the last account is the first
    that can be chosen, and all others are so far ``apart`` that twins have room.

    Args:
        accounts: of each row. classes: of each row, -1 for none.
        most: accounts of that row that would be enough, or too many, for the whole class.
    """
    ends = np.cumsum(accounts)
    chosen = [np.empty(0, np.int64)]
    for number in range(CLASSES):
        rows = np.flatnonzero((classes == number) & (accounts > 0) & (most >= 1))
        if not len(rows):
            continue
        start, stop = ends[rows[0]] - accounts[rows[0]], ends[rows[-1]]
        first = start + (ends[-1] - 1 - start) % apart
        there = max(0, -(-(stop - first) // apart))
        enough = int(accounts[rows].sum() / (accounts[rows] / most[rows]).sum())
        chosen.append(first + apart * rng.choice(there, min(there, enough), replace=False))
    return np.sort(np.concatenate(chosen))


def _classes(estimate: np.ndarray) -> np.ndarray:
    """The class of each row, by where the middle of its work is in the work of all."""
    done = np.cumsum(estimate)
    middle = (done - estimate / 2) / done[-1]
    return np.asarray(np.minimum(middle * CLASSES, CLASSES - 1), np.float64).astype(np.int64)


def _hubs_first(degrees: Degrees) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of followers above 0, descending, and how many accounts have each."""
    numbers, accounts = degrees.of_followers
    return numbers[numbers > 0][::-1], accounts[numbers > 0][::-1]


def _thinned(accounts: np.ndarray, share: float) -> np.ndarray:
    """That share of the accounts, at equal distances."""
    return np.diff(np.floor(np.cumsum(accounts) * share), prepend=0).astype(np.int64)
