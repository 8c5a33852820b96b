"""Every attack injects what its definition in docs/attacks.md says."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.attacks.attacks import ATTACKS, PROFILE, Injection, Scene, ring_size
from raypipe.errors import ConfigError
from raypipe.graph.follow_graph import FollowGraph
from tests.strategies import graph_of

PROMOTED, DEMOTED = 399, 0
FAKES = [name for name in ATTACKS if name != "newcomers"]


def network(accounts: int = 400, follows: int = 3000) -> FollowGraph:
    rng = np.random.default_rng(1)
    popular = (accounts * rng.random(follows) ** 2).astype(int)
    rows = zip(rng.integers(0, accounts, follows), popular, strict=True)
    return graph_of([(f"{a:04}", f"{b:04}") for a, b in rows if a != b])


GRAPH = network()


def scene(name: str, budget: int, seed: int = 0, graph: FollowGraph = GRAPH) -> Scene:
    rng = np.random.default_rng(seed)
    promoted = min(PROMOTED, graph.accounts - 1)
    return Scene(name, graph, promoted, DEMOTED, budget, nights=2, seed=seed, rng=rng)


def inject(name: str, budget: int, seed: int = 0, graph: FollowGraph = GRAPH) -> Injection:
    return ATTACKS[name](scene(name, budget, seed, graph))


def profiles(found: Injection, graph: FollowGraph = GRAPH) -> list[set[int]]:
    """The followees of each fake."""
    sets: list[set[int]] = [set() for _ in range(found.fakes)]
    for follower, followee in np.concatenate(found.nights).tolist():
        if follower >= graph.accounts:
            sets[follower - graph.accounts].add(followee)
    return sets


def rejected(found: Injection) -> list[set[int]]:
    sets: list[set[int]] = [set() for _ in range(found.fakes)]
    for account, candidate in found.rejections.tolist():
        sets[account - GRAPH.accounts].add(candidate)
    return sets


@pytest.mark.parametrize("budget", [10, 33, 300, 1000])
@pytest.mark.parametrize("name", FAKES)
def test_a_budget_is_spent_to_the_last_follow_on_different_pairs(name, budget):
    found, n = inject(name, budget), GRAPH.accounts
    follows = np.concatenate(found.nights)
    by_fakes = follows[follows[:, 0] >= n]
    assert len(by_fakes) + len(found.rejections) == budget
    for pairs in (follows, found.rejections):
        assert len(np.unique(pairs, axis=0)) == len(pairs)
        assert (pairs[:, 0] != pairs[:, 1]).all()
        assert pairs.min(initial=0) >= 0
        assert pairs.max(initial=0) < n + found.fakes
    assert (found.rejections[:, 0] >= n).all()
    acting = np.unique(np.append(by_fakes[:, 0], found.rejections[:, 0]))
    assert acting.tolist() == list(range(n, n + found.fakes))
    if name != "sleeper":
        assert len(by_fakes) == len(follows)
        assert len(found.nights) == 1
    assert found.demotes == (name in ("reverse_bandwagon", "rejection_brigade"))


@pytest.mark.parametrize("name", ATTACKS)
def test_equal_seeds_inject_the_same_and_other_seeds_do_not(name):
    def bytes_of(seed):
        found = inject(name, 200, seed)
        arrays = (*found.nights, found.rejections, found.newcomers)
        return [array.tobytes() for array in arrays]

    assert bytes_of(0) == bytes_of(0)
    if name not in ("follow_farm", "reverse_bandwagon"):  # nothing is drawn there
        assert bytes_of(0) != bytes_of(1)


ACCOUNTS = {
    "random": (1, 3, 30),
    "average": (1, 3, 30),
    "bandwagon": (1, 3, 30),
    "reverse_bandwagon": (1, 3, 30),
    "follow_farm": (10, 30, 300),
    "follow_spam": (2, 2, 2),
    "ring": (3, 3, 3),
    "sleeper": (1, 2, 15),
}


@pytest.mark.parametrize(("name", "counts"), ACCOUNTS.items())
def test_number_of_accounts_per_budget(name, counts):
    assert tuple(inject(name, budget).fakes for budget in (10, 30, 300)) == counts


@pytest.mark.parametrize("name", ["random", "average", "bandwagon"])
def test_a_profile_holds_the_target_and_nine_others(name):
    for profile in profiles(inject(name, 300)):
        assert PROMOTED in profile
        assert len(profile) == PROFILE


def test_fillers_of_average_are_as_popular_as_followees_are():
    followers = GRAPH.followers.degrees
    drawn = {
        name: np.mean([followers[list(one - {PROMOTED})].mean() for one in profiles(found)])
        for name in ("random", "average")
        for found in [inject(name, 3000)]
    }
    assert drawn["random"] == pytest.approx(followers.mean(), rel=0.1)
    followed = (followers**2).sum() / followers.sum()  # of a followee, on average
    assert drawn["average"] == pytest.approx(followed, rel=0.1)


def test_half_of_the_fillers_of_a_bandwagon_are_the_most_followed():
    top = np.argsort(-GRAPH.followers.degrees, kind="stable")[:4].tolist()
    found = profiles(inject("bandwagon", 300))
    assert all(set(top) <= profile for profile in found)
    assert len(set.intersection(*found)) == 4 + 1  # and the target


def test_a_reverse_bandwagon_rejects_the_target_with_the_least_followed():
    found = inject("reverse_bandwagon", 30)
    order = [c for c in np.argsort(-GRAPH.followers.degrees, kind="stable") if c != DEMOTED]
    assert profiles(found) == [set(order[:4])] * 3
    assert rejected(found) == [{DEMOTED, *order[-5:]}] * 3


def test_a_farm_follows_nothing_but_the_target():
    assert profiles(inject("follow_farm", 30)) == [{PROMOTED}] * 30


def test_spam_follows_three_hundred_each_one_of_them_the_next_spammer():
    found, n = inject("follow_spam", 900), GRAPH.accounts
    assert [len(profile) for profile in profiles(found)] == [300] * 3
    assert [profile - set(range(n)) for profile in profiles(found)] == [{n + 1}, {n + 2}, {n}]
    assert found.target is None


@pytest.mark.parametrize(("budget", "accounts"), [(10, 3), (309, 3), (1000, 9), (3870, 30)])
def test_a_ring_follows_each_other_and_others(budget, accounts):
    found, n = inject("ring", budget), GRAPH.accounts
    assert (found.fakes, ring_size(budget)) == (accounts, accounts)
    members = set(range(n, n + accounts))
    for member, profile in enumerate(profiles(found), n):
        assert profile & members == members - {member}
    outside = [len(profile - members) for profile in profiles(found)]
    assert max(outside) - min(outside) <= 1
    assert outside == [100] * 30 or budget != 3870


def test_a_copycat_follows_the_followees_of_one_account_and_the_next_copy():
    rows = [set(GRAPH.followees.row(code).tolist()) for code in range(GRAPH.accounts)]
    found, n = inject("copycat", 300), GRAPH.accounts
    *whole, last = [
        profile - {n + (i + 1) % found.fakes} for i, profile in enumerate(profiles(found))
    ]
    assert all(profile in rows for profile in whole)
    assert any(last <= row for row in rows)
    assert found.target is None
    assert inject("copycat", 10).fakes >= 2


def test_a_brigade_follows_as_followers_of_the_target_do_and_rejects_it():
    found = inject("rejection_brigade", 200)
    followers = GRAPH.followers.row(DEMOTED)
    rows = [set(GRAPH.followees.row(code).tolist()) - {DEMOTED} for code in followers]
    assert rejected(found) == [{DEMOTED}] * found.fakes
    assert all(any(profile <= row for row in rows) for profile in profiles(found))
    assert max(map(len, profiles(found))) == PROFILE - 1


def test_a_brigade_against_an_account_without_followers_still_rejects_it():
    graph = graph_of([("b", "c"), ("a", "b"), ("a", "c")])
    found = inject("rejection_brigade", 10, graph=graph)
    assert set(found.rejections[:, 1].tolist()) == {0}
    assert len(found.rejections) + len(found.nights[0]) == 10


def test_a_sleeper_is_honest_for_its_nights_and_only_then_follows_the_target():
    found, n = inject("sleeper", 300), GRAPH.accounts
    first, second, last = found.nights
    assert found.fakes == 15
    assert (first[:, 0] >= n).all()
    for night in (first, second):
        assert PROMOTED not in night[:, 1]
    honest = {tuple(row) for row in np.concatenate([first, second]).tolist() if row[0] >= n}
    assert len(honest) == 150
    assert {fake for fake, other in last.tolist() if other == PROMOTED} == set(range(n, n + 15))
    back = [tuple(row) for row in np.concatenate([second, last]).tolist() if row[0] < n]
    assert all((fake, real) in honest for real, fake in back)


def test_honest_follows_of_a_sleeper_are_returned_as_often_as_real_ones():
    names = "abcdefghijklmnopqrstuvwxyz"
    mutual = graph_of([(a, b) for a in names for b in names if a != b])
    found = ATTACKS["sleeper"](scene("sleeper", 20, graph=mutual))
    back = sum(int((night[:, 0] < mutual.accounts).sum()) for night in found.nights)
    assert back == 10  # all of its honest follows: here each follow is returned
    one_way = graph_of([(a, b) for a in names for b in names if a < b])
    found = ATTACKS["sleeper"](scene("sleeper", 20, graph=one_way))
    assert (np.concatenate(found.nights)[:, 0] >= one_way.accounts).all()


def test_a_mixed_attack_is_seven_attacks_of_a_seventh():
    found = inject("mixed", 700)
    parts = "random", "average", "bandwagon", "follow_farm", "follow_spam", "ring"
    fakes = sum(inject(name, 100).fakes for name in parts)
    assert found.fakes > fakes + 5  # and the copies
    assert [len(profile) for profile in profiles(found)][:10] == [PROFILE] * 10


def test_newcomers_are_real_accounts_with_one_of_their_followers():
    found = inject("newcomers", 300)
    assert (found.fakes, found.target) == (0, None)
    assert GRAPH.followees.degrees[found.newcomers].sum() == 300
    assert found.nights[0][:, 1].tolist() == found.newcomers.tolist()
    assert len(np.unique(found.newcomers)) == len(found.newcomers)
    assert all(code in GRAPH.followers.row(of) for code, of in found.nights[0])


BEYOND = [
    ("random", 10, "random with 10 follows needs 9 accounts to follow, found 3"),
    ("average", 10, "average with 10 follows needs 9 accounts to follow, found 3"),
    ("bandwagon", 10, "bandwagon with 10 follows needs 5 accounts to follow, found 0"),
    ("reverse_bandwagon", 10, "reverse_bandwagon with 10 follows needs 9 accounts"),
    ("follow_spam", 10, "follow_spam with 10 follows needs 5 accounts to follow, found 4"),
    ("ring", 30, "ring with 30 follows needs 8 accounts to follow, found 4"),
    ("copycat", 30, "copycat with 30 follows copies more than all 4 follows"),
    ("sleeper", 20, "sleeper with 20 follows needs 10 accounts to follow"),
    ("newcomers", 10, "newcomers with 10 follows are more than half of the 4 follows"),
]


@pytest.mark.parametrize(("name", "budget", "said"), BEYOND)
def test_a_budget_beyond_the_accounts_there_are_is_refused(name, budget, said):
    graph = graph_of([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")])
    with pytest.raises(ConfigError) as error:
        inject(name, budget, graph=graph)
    assert str(error.value).startswith(f"attack.budgets: {said}")
    assert str(error.value).endswith("; set smaller attack.budgets")


def test_newcomers_with_fewer_follows_than_any_account_are_refused():
    names = [f"{number:02}" for number in range(12)]
    graph = graph_of([(a, b) for a in names for b in names if a != b])
    with pytest.raises(ConfigError, match="newcomers with 10 follows are fewer than any account"):
        inject("newcomers", 10, graph=graph)
