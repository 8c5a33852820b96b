"""The oracle: the whole recommender in Python sets, slow and obvious.

Kernels, frame engines and the Ray face are all compared with this file. Follows are a list of
(follower, followee) pairs of strings; scores are exact fractions until the last moment.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from fractions import Fraction


def follow_sets(pairs):
    """Account -> set of accounts it follows; every account seen has an entry."""
    follows = defaultdict(set)
    for follower, followee in pairs:
        follows[follower]
        follows[followee]
        if follower != followee:
            follows[follower].add(followee)
    return dict(follows)


def tanimoto(a, b):
    """Tanimoto similarity of two lists taken as sets, as an exact fraction."""
    a, b = set(a), set(b)
    union = len(a | b)
    return Fraction(len(a & b), union) if union else Fraction(0)


def best(scored, k):
    """The tie rule of neighbours: score descending, then id ascending."""
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]


def best_candidates(followers, account, scored, k):
    """The tie rule of candidates: score and followers descending, then by distance.

    ``followers`` is a dict: the number of followers of whoever has some.
    """

    def key(pair):
        candidate, score = pair
        return -score, -followers.get(candidate, 0), distance(account, candidate), candidate

    return sorted(scored, key=key)[:k]


def distance(account, candidate):
    """How far the candidate is behind the account on a circle of 2^32 positions."""
    return (position(candidate) - position(account) - 1) % 2**32


def position(text):
    """The upper half of FNV-1a over the UTF-8 bytes, mixed."""
    word = 0xCBF29CE484222325
    for byte in text.encode():
        word = (word ^ byte) * 0x100000001B3 % 2**64
    return mix(word) >> 32


def mix(word):
    """The finalizer of SplitMix64."""
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


def neighbours(follows, account, k=10, threshold=Fraction(1, 10), cap=None):
    """The k accounts most similar to ``account``: [(neighbour, score)], score > threshold.

    With a cap: the k most similar of the 2 k that are most similar without the accounts that have
    more than ``cap`` followers.
    """
    others = follows.keys() - {account}
    if cap is not None:
        found = neighbours(without_hubs(follows, cap), account, 2 * k, threshold)
        others = {other for other, _ in found}
    scored = [(other, tanimoto(follows[account], follows[other])) for other in others]
    return best([(other, score) for other, score in scored if score > threshold], k)


def without_hubs(follows, cap):
    """The same follows, without those of accounts with more than ``cap`` followers."""
    hubs = {account for account, followers in popularity(follows) if followers > cap}
    return {account: followees - hubs for account, followees in follows.items()}


def recall(exact, found):
    """Share of the exact neighbours that are found; one as similar as the last of them is right."""
    least = exact[-1][1]
    return Fraction(sum(score >= least for _, score in found), len(exact))


def popularity(follows):
    """Every account that somebody follows, with its number of followers, best first."""
    followers = defaultdict(int)
    for followees in follows.values():
        for followee in followees:
            followers[followee] += 1
    return best(followers.items(), len(followers))


def similar(follows, account, k=10, threshold=Fraction(1, 10), cap=None):
    """Whom the neighbours follow, scored by summed similarity: {candidate: score}.

    Sums run over the neighbours from best to worst, in floats, as the kernel does.
    """
    scores = defaultdict(float)
    for neighbour, score in neighbours(follows, account, k, threshold, cap):
        for followee in follows[neighbour]:
            scores[followee] += float(score)
    return dict(scores)


def that_teach(follows, rejected):
    """Account -> set of accounts that it has rejected and does not follow, of those that are known.

    ``rejected`` are pairs (account, candidate).
    """
    found = {account: set() for account in follows}
    for account, other in rejected:
        if account in follows and other in follows and other not in follows[account] | {account}:
            found[account].add(other)
    return found


def lowered_popularity(follows, taught, shown, weight):
    """The same as popularity, with scores that rejections have lowered: {account: score}."""
    scores = {}
    for account, followers in popularity(follows):
        rejecting = sum(account in theirs for theirs in taught.values())
        seen = max(followers, shown.get(account, 0)) + 10
        scores[account] = followers * (seen / (seen + weight * rejecting))
    return scores


def similar_with_rejections(follows, taught, account, times=0, votes=0, **how):
    """As similar; neighbours with excluded tastes weigh less, and what they reject counts too."""
    scores, against = defaultdict(float), defaultdict(float)
    for neighbour, score in neighbours(follows, account, **how):
        common = len(follows[account] & follows[neighbour])
        excluded = len(taught[account] & follows[neighbour])
        weight = float(score) * (common / (common + times * excluded))
        for followee in follows[neighbour]:
            scores[followee] += weight
        for other in taught[neighbour]:
            against[other] += votes * weight
    left = {other: score - against[other] for other, score in scores.items()}
    return {other: score for other, score in left.items() if score > 0}


def followers_of(follows, account):
    return {other for other, followees in follows.items() if account in followees}


def follow_back(follows, account):
    """Who follows the account and is not followed by it, by followers / (1 + follows)."""
    followers = defaultdict(int, popularity(follows))
    found = followers_of(follows, account) - follows[account]
    return {other: followers[other] / (1 + len(follows[other])) for other in found}


def inverse_log(follows, middle):
    return 1 / math.log(2 + len(follows[middle]))


def walked(follows, intermediaries, weight=inverse_log, most=None):
    """Whom those in the middle follow, scored by their summed weights, in the order of their ids.

    Nobody who follows more than ``most`` is walked through.
    """
    scores = defaultdict(float)
    for middle in sorted(intermediaries):
        if most is None or len(follows[middle]) <= most:
            for followee in follows[middle]:
                scores[followee] += weight(follows, middle)
    return dict(scores)


def two_hop(follows, account, **how):
    return walked(follows, follows[account], **how)


def co_followed(follows, account, **how):
    return walked(follows, followers_of(follows, account), **how)


def cooccurrence(follows, account, candidate, weights, most=math.inf):
    """The summed weights of all walks to a followee, to one of its followers, to the candidate.

    No walk passes through a follower of a followee that follows more than ``most``.
    """
    return sum(
        weights[followee] * weights[other] * weights[candidate]
        for followee in follows[account]
        for other in followers_of(follows, followee)
        if candidate in follows[other] and len(follows[other]) <= most
    )


def linked(follows, account, weight=0.5):
    """Each step of a walk from the account, with its weight: along follows, then back."""
    followers = sorted(followers_of(follows, account))
    return [(other, 1.0) for other in sorted(follows[account])] + [(b, weight) for b in followers]


def push(follows, account, alpha=0.5, epsilon=1e-4, weight=0.5):
    """Estimates and residuals of a push by account, and the number of follows that it reads."""

    def limit(other):
        return epsilon * degree(follows, other, weight)

    estimates, residuals = defaultdict(float), defaultdict(float, {account: 1.0})
    waiting = [account] if 0 < limit(account) <= 1 else []
    steps = 0
    while waiting:
        pushed = waiting.pop(0)
        residual = residuals[pushed]
        estimates[pushed] += alpha * residual
        residuals[pushed] = 0.0
        share = (1 - alpha) * residual / degree(follows, pushed, weight)
        for other, times in linked(follows, pushed, weight):
            steps += 1
            residuals[other] += times * share
            if residuals[other] >= limit(other) and other not in waiting:
                waiting.append(other)
    return estimates, residuals, steps


def degree(follows, account, weight=0.5):
    return len(follows[account]) + weight * len(followers_of(follows, account))


def pagerank(follows, account, alpha=0.5, **how):
    """Whom walks from the account reach, by the estimate and what the residual adds at once."""
    estimates, residuals, _ = push(follows, account, alpha, **how)
    return {other: estimates[other] + alpha * rest for other, rest in residuals.items()}


def reputation(follows, trusted, steps, alpha=Fraction(15, 100)):
    """Where a walk is that starts at a trusted account, follows, and goes home now and then."""
    here = {account: Fraction(account in trusted, len(trusted)) for account in follows}
    for _ in range(steps):
        after = dict.fromkeys(follows, Fraction(0))
        for account, share in here.items():
            for followee in follows[account]:
                after[followee] += (1 - alpha) * share / len(follows[account])
            home = alpha * share if follows[account] else share
            for other in trusted:
                after[other] += home / len(trusted)
        here = after
    return here


def mutual_groups(follows):
    """The groups of accounts that returned follows connect, alone ones too."""
    return circles({one: {b for b in follows[one] if one in follows[b]} for one in follows})


def circles(follows):
    """The groups in which follows lead from each account to each other, alone ones too."""
    reached = {}
    for account in follows:
        seen, waiting = {account}, [account]
        while waiting:
            new = follows[waiting.pop()] - seen
            seen |= new
            waiting += new
        reached[account] = seen
    return [{b for b in reached[one] if one in reached[b]} for one in follows]


def resting(impressions, tonight, times, rest):
    """The pairs of (account, candidate, day) that rest: shown times and times again."""
    found = set()
    for pair in {impression[:2] for impression in impressions}:
        days = sorted(day for *other, day in impressions if tuple(other) == pair and day <= tonight)
        ends = days[times - 1 :: times]
        if ends and tonight - ends[-1] <= rest:
            found.add(pair)
    return found


def densest_block(follows, weights):
    """Followers and followees that remain where peeling is densest, and the weight of the block.

    Who weighs least goes first; of equals a follower, then the one who sorts first.
    """
    left = {("a", one) for one in follows} | {("b", one) for one in follows}

    def weight(side, one):
        if side == "a":
            return sum(weights[other] for other in follows[one] if ("b", other) in left)
        return weights[one] * sum(("a", other) in left for other in followers_of(follows, one))

    best, density, heaviest = set(), Fraction(0), 0
    while left:
        total = sum(weight(side, one) for side, one in left if side == "a")
        if Fraction(total, len(left)) > density:
            best, density, heaviest = set(left), Fraction(total, len(left)), total
        left.remove(min(left, key=lambda node: (weight(*node), node)))
    sides = ({one for side, one in best if side == name} for name in "ab")
    return *sides, heaviest


def doubtful_follows(follows, low):
    """The follows of accounts without standing that nobody with standing returns."""
    return {
        one: {other for other in follows[one] if other in low or one not in follows[other]}
        if one in low
        else set()
        for one in follows
    }


def nats(found, chance):
    return found * math.log(found / chance) - found + chance if found > chance else 0.0


def kind(follows, account):
    """Binary digits of the numbers of follows and of followers."""
    return len(follows[account]).bit_length(), len(followers_of(follows, account)).bit_length()


def synchronised(follows, doubtful, least, members, times):
    """Account -> its highest score among the groups of followers of one kind."""
    found, total = {}, sum(map(len, follows.values()))
    doubted = [one for one in follows if doubtful[one]]
    for followed in follows:
        fans = [one for one in doubted if followed in doubtful[one]]
        for which in {kind(follows, fan) for fan in fans}:
            group = [fan for fan in fans if kind(follows, fan) == which]
            own = sum(len(follows[fan]) for fan in group)
            made = sum(len(follows[one]) for one in doubted if kind(follows, one) == which)
            popular = len(followers_of(follows, followed))
            chance = popular * max(made - own, own / len(group)) / total
            score = nats(len(group), chance)
            many = 2 * len(group) >= popular or len(group) >= times * chance
            if score >= least and len(group) >= members and many:
                for fan in group:
                    found[fan] = max(score, found.get(fan, 0))
    return found


def unreturned(follows, doubtful, least):
    """Account -> how unlikely it is that none of its follows is returned, by each one's habit."""
    found = {}
    for account in follows:
        if doubtful[account] == follows[account]:
            score = 0.0
            for followee in follows[account]:
                fans = followers_of(follows, followee)
                habit = len(follows[followee] & fans) / (len(fans) + 1)
                score -= math.log(1 - habit)
            if score >= least:
                found[account] = score
    return found


def between(follows, account, candidate, most=None, most_back=None):
    """Does the candidate follow back; and the accounts in the middle, the four ways there are.

    Of accounts that follow more than ``most``, nobody reads whom they follow; of followers, not of
    those that follow more than ``most_back``.
    """
    mine, backs = follows[account], followers_of(follows, account)
    read = {a for a in follows if most is None or len(follows[a]) <= most}
    read_back = {a for a in follows if most_back is None or len(follows[a]) <= most_back}
    theirs = follows[candidate] if candidate in read else set()
    return (
        int(candidate in backs),
        sum(candidate in follows[b] for b in mine & read),
        sum(candidate in follows[b] for b in backs & read_back),
        len(mine & theirs),
        len(backs & theirs),
    )


def rank_fusion(lists, weights):
    """Candidate -> score, of lists of candidates, best first, and the weight of each list."""
    scores = {}
    for found, weight in zip(lists, weights, strict=True):
        for rank, candidate in enumerate(found, start=1):
            scores[candidate] = scores.get(candidate, 0.0) + weight / (10 + rank)
    return scores


def best_of_blend(followers, account, lists, scores, n, most):
    """(candidate, place of its list), the best n, at most so many of one list.

    A candidate is of the list in which it stands highest; of several, of the first of these.
    """
    taken, found = [0] * len(lists), []
    for candidate, _ in best_candidates(followers, account, scores.items(), len(scores)):
        ranks = [some.index(candidate) if candidate in some else math.inf for some in lists]
        place = ranks.index(min(ranks))
        if taken[place] < most and len(found) < n:
            taken[place] += 1
            found.append((candidate, place))
    return found


def first_rank(recommended, wanted):
    """Rank of the first wanted account in a list; 0 without any."""
    ranks = [rank for rank, candidate in enumerate(recommended, 1) if candidate in set(wanted)]
    return min(ranks, default=0)


def auc(fakes, real):
    """Share of pairs in which the fake's score is larger; equal ones count half."""
    won = sum(Fraction((a > b) * 2 + (a == b), 2) for a in fakes for b in real)
    return won / (len(fakes) * len(real))


def triangles(follows):
    """Sets of three accounts between each two of which there is a follow, either way."""
    edges = {frozenset((a, b)) for a, followees in follows.items() for b in followees}
    return {
        frozenset((a, b, c))
        for a, b, c in itertools.combinations(sorted(follows), 3)
        if {frozenset((a, b)), frozenset((a, c)), frozenset((b, c))} <= edges
    }


def recommend(
    follows,
    account,
    n=10,
    k=10,
    threshold=Fraction(1, 10),
    min_follows=1,
    min_followers=1,
    cap=None,
    excluded=(),
):
    """The published list of one account: [(candidate, score, source)], best first.

    ``excluded`` are not shown to it for another reason than that it follows them.
    """
    followers = dict(popularity(follows))

    def add_best(name, scores):
        taken = {account, *follows[account], *excluded, *(candidate for candidate, _, _ in chosen)}
        scored = [
            (candidate, score)
            for candidate, score in scores.items()
            if candidate not in taken and followers.get(candidate, 0) >= min_followers
        ]
        more = best_candidates(followers, account, scored, n - len(chosen))
        chosen.extend((candidate, float(score), name) for candidate, score in more)

    chosen = []
    if len(follows[account]) >= min_follows:
        add_best("similar", similar(follows, account, k, threshold, cap))
    add_best("popular", followers)
    return chosen


def reason(follows, account, candidate, near=(), unseen=()):
    """Why the candidate may interest the account, in words.

    ``near`` are the neighbours of the account; ``unseen`` are neither named nor counted.
    """
    if account in follows[candidate]:
        return "follows you"
    mine = follows[account] - set(unseen)
    intermediaries = sorted(
        (middle for middle in mine if candidate in follows[middle]),
        key=lambda middle: (len(follows[middle]), middle),
    )
    if intermediaries:
        others = len(intermediaries) - 2
        return {
            -1: "followed by {}, whom you follow",
            0: "followed by {} and {}, whom you follow",
            1: "followed by {}, {} and 1 other you follow",
        }.get(others, f"followed by {{}}, {{}} and {others} others you follow").format(
            *intermediaries
        )
    if any(candidate in follows[neighbour] for neighbour in near):
        return "people who follow like you follow it"
    if followers_of(follows, account) & followers_of(follows, candidate):
        return "people who follow you follow it"
    counts = sorted((len(followers_of(follows, other)) for other in follows), reverse=True)
    popular = max(10, len(follows) // 100)
    own = len(followers_of(follows, candidate))
    if popular >= len(counts) or own > counts[popular]:
        return "popular"
    return f"has {own} follower{'s' * (own != 1)}"
