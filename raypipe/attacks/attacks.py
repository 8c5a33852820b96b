"""The attacks: what fake accounts do, how many they are, and whom they promote or demote.

docs/attacks.md has the definitions as a table. Sources: Lam and Riedl (2004), "Shilling recommender
systems for fun and profit"; Mobasher et al. (2007), "Toward trustworthy recommender systems"; Cao
et al. (2012), SybilRank; Jiang et al. (2014), CatchSync; Hooi et al. (2016), FRAUDAR.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from math import isqrt
from typing import NamedTuple

import numpy as np

from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.kernels.reciprocity import returned_follows
from raypipe.storage.attacks import NEWCOMERS

#: Follows and rejections of a fake account with a profile.
PROFILE = 10
#: Follows of an account that spams.
SPAM = 300
#: Follows of a ring's account to the outside, and the fewest accounts of a ring.
RING_FOLLOWS, RING_ACCOUNTS = 100, 3
_NONE = np.empty((0, 2), np.int64)


class Scene(NamedTuple):
    """What an attack is planned on.

    Attributes:
        name: of the attack, for messages.
        graph: the real follows, of n accounts.
        promoted, demoted: the targets of attacks that promote, and of those that demote.
        budget: number of fake follows and rejections.
        nights: honest nights of a sleeper.
        seed: of this repetition.
        rng: draws accounts.
    """

    name: str
    graph: FollowGraph
    promoted: int
    demoted: int
    budget: int
    nights: int
    seed: int
    rng: np.random.Generator

    def others(self, *without: int) -> np.ndarray:
        """int64: the real accounts, most followed first; of equals the lower code."""
        order = np.argsort(-self.graph.followers.degrees, kind="stable")
        return order[~np.isin(order, without)]

    def draw(self, size: int, pool: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Draw different accounts from a pool.

        Args:
            weights: [n], of each account; None: equal ones.

        Raises:
            ConfigError: the pool is too small.
        """
        shares = None
        if weights is not None:
            pool = pool[weights[pool] > 0]
            shares = weights[pool] / max(weights[pool].sum(), 1)
        if size > len(pool):
            raise ConfigError(
                f"attack.budgets: {self.name} with {self.budget:,} follows needs {size:,} accounts "
                f"to follow, found {len(pool):,}; set smaller attack.budgets"
            )
        return self.rng.choice(pool, size, replace=False, p=shares)


class Injection(NamedTuple):
    """What an attack adds to the follows of n accounts.

    Attributes:
        fakes: number of new accounts; their codes are n, n + 1, ...
        nights: int64[k, 2] for each night: (follower, followee) of the follows that are new in it.
            All but the last are honest nights of a sleeper.
        rejections: int64[r, 2]: (account, candidate).
        target: code of the promoted or demoted account; None: the fakes promote themselves.
        demotes: True if the target is to be shown less.
        newcomers: real accounts that lose their followers, as on their first day; those that
            remain are among the new follows.
    """

    fakes: int
    nights: tuple[np.ndarray, ...]
    rejections: np.ndarray = _NONE
    target: int | None = None
    demotes: bool = False
    newcomers: np.ndarray = np.empty(0, np.int64)


def _random(scene: Scene) -> Injection:
    pool = scene.others(scene.promoted)
    return _promoting(scene, lambda size: scene.draw(size, pool))


def _average(scene: Scene) -> Injection:
    pool = scene.others(scene.promoted)
    followers = scene.graph.followers.degrees.astype(np.float64)
    return _promoting(scene, lambda size: scene.draw(size, pool, followers))


def _bandwagon(scene: Scene) -> Injection:
    pool = scene.others(scene.promoted)

    def fill(size: int) -> np.ndarray:
        popular = pool[: size // 2]
        return np.concatenate([popular, scene.draw(size - size // 2, pool[len(popular) :])])

    return _promoting(scene, fill)


def _reverse_bandwagon(scene: Scene) -> Injection:
    pool, follows, rejections = scene.others(scene.demoted), [], []
    for size in _sizes(scene.budget, PROFILE):
        popular = (size - 1) // 2
        scene.draw(size - 1, pool)  # raises if there are too few accounts
        follows.append(pool[:popular])
        rejections.append(np.append(scene.demoted, pool[len(pool) - (size - 1 - popular) :]))
    return _demoting(scene, follows, rejections)


def _follow_farm(scene: Scene) -> Injection:
    return _injection(scene, [np.array([scene.promoted])] * scene.budget, scene.promoted)


def _follow_spam(scene: Scene) -> Injection:
    pool = scene.others()
    parts = min(scene.budget, max(2, -(-scene.budget // SPAM)))
    sizes = _sizes(scene.budget, parts=parts)
    return _injection(scene, _chained(scene, [scene.draw(size, pool) for size in sizes]))


def _ring(scene: Scene) -> Injection:
    m, pool = ring_size(scene.budget), scene.others()
    members = len(pool) + np.arange(m)
    outside = _sizes(scene.budget - m * (m - 1), parts=m)
    profiles = [
        np.concatenate([members[members != member], scene.draw(size, pool)])
        for member, size in zip(members, outside, strict=True)
    ]
    return _injection(scene, profiles)


def ring_size(budget: int) -> int:
    """Accounts of a ring: all follow each other, and each follows RING_FOLLOWS others.

    At least RING_ACCOUNTS, or as many as can follow each other; the rest of the budget is spread.

    Example:
        >>> [ring_size(budget) for budget in (1, 10, 300, 3000, 3870)]
        [1, 3, 3, 24, 30]
    """
    each = RING_FOLLOWS - 1  # m (m - 1) + 100 m = m^2 + 99 m
    largest = (isqrt(each * each + 4 * budget) - each) // 2
    return max(largest, min(RING_ACCOUNTS, (isqrt(4 * budget + 1) + 1) // 2))


def _copycat(scene: Scene) -> Injection:
    rows, left, profiles = scene.graph.followees, scene.budget, []
    for account in scene.rng.permutation(np.flatnonzero(rows.degrees)):
        # One follow more than the original, for the next copy; there are at least two copies.
        profile = np.append(rows.row(account), -1)[: min(left, (scene.budget + 1) // 2)]
        profiles.append(profile)
        left -= len(profile)
        if not left:
            return _injection(scene, _chained(scene, profiles))
    raise ConfigError(
        f"attack.budgets: {scene.name} with {scene.budget:,} follows copies more than all "
        f"{len(rows.codes):,} follows; set smaller attack.budgets"
    )


def _rejection_brigade(scene: Scene) -> Injection:
    target, left = scene.demoted, scene.budget
    followers = scene.graph.followers.row(target)
    twins = scene.rng.permutation(followers if len(followers) else [target])
    follows, rejections = [], []
    for twin in cycle(twins):
        own = scene.graph.followees.row(twin)
        own = own[own != target]
        size = min(PROFILE - 1, len(own), left - 1)
        follows.append(scene.draw(size, own))
        rejections.append(np.array([target]))
        left -= size + 1
        if not left:
            break
    return _demoting(scene, follows, rejections)


def _sleeper(scene: Scene) -> Injection:
    n, pool = scene.graph.accounts, scene.others(scene.promoted)
    popularity = scene.graph.followers.degrees.astype(np.float64)
    returned = returned_follows(scene.graph.followees, scene.graph.followers).sum()
    returned = returned / max(scene.graph.follows, 1)
    nights: list[list[np.ndarray]] = [[] for _ in range(scene.nights + 1)]
    sizes = _sizes(scene.budget, 2 * PROFILE)
    for fake, size in enumerate(sizes, n):
        honest = scene.draw(size // 2, pool, popularity)
        for night, some in enumerate(np.array_split(honest, scene.nights)):
            nights[night].append(_pairs(fake, some))
            back = some[scene.rng.random(len(some)) < returned]
            nights[night + 1].append(_pairs(fake, back)[:, ::-1])
        rest = scene.draw(size - len(honest) - 1, np.setdiff1d(pool, honest))
        nights[-1].append(_pairs(fake, np.append(scene.promoted, rest)))
    return Injection(len(sizes), tuple(map(np.concatenate, nights)), target=scene.promoted)


def _mixed(scene: Scene) -> Injection:
    n, fakes, follows = scene.graph.accounts, 0, []
    parts = _random, _average, _bandwagon, _follow_farm, _follow_spam, _ring, _copycat
    for attack, budget in zip(parts, _sizes(scene.budget, parts=len(parts)), strict=True):
        if budget:
            part = attack(scene._replace(budget=budget))
            follows.append(np.where(part.nights[0] < n, 0, fakes) + part.nights[0])
            fakes += part.fakes
    return Injection(fakes, (np.concatenate(follows),), target=scene.promoted)


def _newcomers(scene: Scene) -> Injection:
    degrees, left, chosen = scene.graph.followees.degrees, scene.budget, []
    if 2 * left > scene.graph.follows:
        raise ConfigError(
            f"attack.budgets: {scene.name} with {left:,} follows are more than half of the "
            f"{scene.graph.follows:,} follows; set smaller attack.budgets"
        )
    followers = scene.graph.followers
    for account in scene.rng.permutation(np.flatnonzero((degrees > 0) & (followers.degrees > 0))):
        if degrees[account] <= left:
            chosen.append(account)
            left -= degrees[account]
    if not chosen:
        raise ConfigError(
            f"attack.budgets: {scene.name} with {left:,} follows are fewer than any account with "
            "a follower has; set larger attack.budgets"
        )
    newcomers = np.sort(np.array(chosen, np.int64))
    first = [scene.rng.choice(followers.row(account)) for account in newcomers]
    follows = np.column_stack([np.array(first, np.int64), newcomers])
    return Injection(0, (follows, follows[:0]), newcomers=newcomers)


#: Every attack by name; the last is none: it shows what honest newcomers get.
ATTACKS: dict[str, Callable[[Scene], Injection]] = {
    "random": _random,
    "average": _average,
    "bandwagon": _bandwagon,
    "reverse_bandwagon": _reverse_bandwagon,
    "follow_farm": _follow_farm,
    "follow_spam": _follow_spam,
    "ring": _ring,
    "copycat": _copycat,
    "rejection_brigade": _rejection_brigade,
    "sleeper": _sleeper,
    "mixed": _mixed,
    NEWCOMERS: _newcomers,
}


def _promoting(scene: Scene, fill: Callable[[int], np.ndarray]) -> Injection:
    """Profiles of the target and of followees that ``fill`` returns for a number."""
    profiles = [np.append(scene.promoted, fill(size - 1)) for size in _sizes(scene.budget, PROFILE)]
    return _injection(scene, profiles, scene.promoted)


def _demoting(
    scene: Scene, follows: Sequence[np.ndarray], rejections: Sequence[np.ndarray]
) -> Injection:
    found = _injection(scene, follows, scene.demoted)
    return found._replace(rejections=_rows(scene, rejections), demotes=True)


def _injection(
    scene: Scene, profiles: Sequence[np.ndarray], target: int | None = None
) -> Injection:
    return Injection(len(profiles), (_rows(scene, profiles),), target=target)


def _chained(scene: Scene, profiles: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """The last follow of each fake goes to the next fake: who has no follower is shown to nobody.

    See ``candidates.min_followers``. One fake alone keeps its profile.
    """
    if len(profiles) == 1:
        return profiles
    n = scene.graph.accounts
    after = [*range(n + 1, n + len(profiles)), n]
    return [np.append(row[:-1], fake) for row, fake in zip(profiles, after, strict=True)]


def _rows(scene: Scene, profiles: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(
        [_pairs(fake, row) for fake, row in enumerate(profiles, scene.graph.accounts)]
    )


def _pairs(fake: int, others: np.ndarray) -> np.ndarray:
    """int64[k, 2]: the account with each of the others."""
    return np.column_stack([np.full(len(others), fake), others]).astype(np.int64)


def _sizes(budget: int, most: int = 0, parts: int = 0) -> list[int]:
    """Cut a budget into ``parts``, or into the fewest of at most ``most``; they differ by 1."""
    parts = parts or -(-budget // most)
    return [budget // parts + (part < budget % parts) for part in range(parts)]
