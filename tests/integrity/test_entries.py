"""No account is in more lists than before and the limit, or at rank 1 of more lists."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import IntegrityConfig
from raypipe.integrity.entries import Before, admitted, chances, more_entries, more_firsts, rows_of

N, R = 3, 3


def nights(accounts=6, candidates=5):
    """Lists of last night, lists and reserves of tonight, votes, and the accounts with lists."""
    full = st.permutations(range(10, 10 + candidates + N)).map(lambda row: row[: N + R])
    short = st.integers(0, N - 1).flatmap(
        lambda n: full.map(lambda row: [*row[:n], *[-1] * (N + R - n)])
    )
    lists = st.lists(st.one_of(full, short), min_size=accounts, max_size=accounts)
    votes = st.lists(st.integers(0, 30), min_size=20, max_size=20)
    listed = st.lists(st.booleans(), min_size=accounts, max_size=accounts)
    return st.tuples(lists, lists, votes, listed)


def admit(before, codes, votes, listed, **keys):
    codes = np.array(codes, np.int32)
    earlier = np.where(np.array(listed)[:, None], np.array(before, np.int32)[:, :N], -1)
    drawn = np.array(keys.pop("chances", [0] * len(votes)), np.uint32)
    night = Before(rows_of(earlier), earlier[:, 0], np.array(listed), np.array(votes), drawn)
    limit = keys.pop("limit", None)
    config = IntegrityConfig(**keys)
    ids = np.arange(len(codes), dtype=np.uint32)
    sources = (codes % 2).astype(np.uint8)
    positions = admitted(codes, sources, N, night, ids, config, limit)
    shown = np.where(positions < 0, -1, np.take_along_axis(codes, positions, axis=1))
    return earlier, codes, positions, shown, more_entries(night.votes, drawn, config)


def count(lists, listed):
    return Counter(int(c) for row, had in zip(lists, listed, strict=True) if had for c in row)


drawn = st.lists(st.integers(0, 2**32 - 1), min_size=20, max_size=20)


@given(nights(), st.integers(0, 2), st.sampled_from([0.0, 0.1, 1.0]), drawn)
def test_no_account_is_in_more_lists_than_before_and_the_limit(given_nights, base, rate, chance):
    before, codes, votes, listed = given_nights
    keys = {"new_entries": base, "new_entries_per_follower": rate, "chances": chance}
    earlier, made, positions, shown, more = admit(before, codes, votes, listed, **keys)
    old, now = count(earlier, listed), count(shown, listed)
    assert all(now[code] <= old[code] + more[code] for code in now if code >= 0)
    for row, (whole, new) in enumerate(zip(made, positions, strict=True)):
        kept = new[new >= 0].tolist()
        assert sorted(kept) == sorted({*kept})
        assert kept[1:] == sorted(kept[1:])
        assert (new[len(kept) :] == -1).all()
        assert len(kept) <= (whole[:N] >= 0).sum()
        if not listed[row]:
            assert shown[row].tolist() == whole[:N].tolist()
        stayed = {*whole[:N].tolist()} & {*earlier[row].tolist()} - {-1}
        assert stayed <= {*shown[row].tolist()}


@given(nights(), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 1), st.data())
def test_no_account_leaves_more_lists_than_the_limit_while_it_may_stay(
    given_nights, share, leaves, data
):
    before, codes, votes, listed = given_nights
    limit = data.draw(st.integers(1, N))
    with patch("raypipe.integrity.entries.LEAVES", leaves):
        keys = {"new_entries": 9, "lost_entries": share, "limit": limit}
        earlier, made, positions, shown, _ = admit(before, codes, votes, listed, **keys)
    old, now = count(earlier, listed), count(shown, listed)

    def may_leave(code):
        return now[code] - old[code] > -leaves - int(share * old[code])

    for row, whole, had, new, at in zip(earlier, made, listed, shown, positions, strict=True):
        of_source = Counter(whole[at[at >= 0]] % 2)
        for code in {*row.tolist()} & {*whole[N:].tolist()} - {*new.tolist(), -1}:
            if had and now[code] - old[code] < -leaves - int(share * old[code]):
                assert (new >= 0).sum() == (whole[:N] >= 0).sum() or of_source[code % 2] >= limit
                for other in {*new.tolist()} - {*row.tolist(), -1}:
                    fits = of_source[code % 2] - (other % 2 == code % 2) < limit
                    assert not (fits and may_leave(other))
    for whole, new in zip(made, positions, strict=True):
        assert sorted(new[new >= 0].tolist()) == sorted({*new[new >= 0].tolist()})
        assert (new >= 0).sum() <= (whole[:N] >= 0).sum()


def test_who_would_leave_too_many_lists_stays_in_those_with_the_best_ranks():
    before = [[11, 10, 12]] * 3
    codes = [[11, 12, 15, 10, -1, -1], [11, 12, 15, 16, 10, -1], [11, 15, 16, 12, 10, -1]]
    votes, keys = [99] * 20, {"new_entries": 9, "lost_entries": 0.0}
    shown = {}
    for leaves in (0, 1, 2, 3):
        with patch("raypipe.integrity.entries.LEAVES", leaves):
            shown[leaves] = admit(before, codes, votes, [True] * 3, **keys)[3].tolist()
    assert shown[3] == [row[:N] for row in codes]
    assert shown[2] == [[11, 12, 10], [11, 12, 15], [11, 15, 16]]
    assert shown[1] == [[11, 12, 10], [11, 12, 10], [11, 15, 16]]
    assert shown[0] == [[11, 12, 10], [11, 12, 10], [11, 12, 10]]


@given(nights(), st.integers(0, 1), st.sampled_from([0.0, 0.1, 1.0]), drawn)
def test_no_account_is_first_in_more_lists_than_before_and_the_limit(
    given_nights, base, rate, chance
):
    before, codes, votes, listed = given_nights
    keys = {"new_entries": base, "new_entries_per_follower": rate, "chances": chance}
    with patch("raypipe.integrity.entries.LEAVES", 99):
        earlier, _, positions, shown, _ = admit(before, codes, votes, listed, **keys)
    keys.pop("chances")
    more = more_firsts(np.array(votes), IntegrityConfig(**keys))
    room = {code: int(limit) for code, limit in enumerate(more)}
    firsts = earlier[:, 0].tolist()
    lists = [
        [codes[i][at] for at in sorted(new[new >= 0].tolist())] for i, new in enumerate(positions)
    ]
    new = [
        had and row and row[0] != first
        for had, row, first in zip(listed, lists, firsts, strict=True)
    ]
    for had, row, first, is_new in zip(listed, lists, firsts, new, strict=True):
        if had and first >= 0 and (is_new or not row):
            room[first] += 1
    for is_new, row in zip(new, lists, strict=True):
        if is_new:
            allowed = [code for code in row if room[code] > 0]
            first = allowed[0] if allowed else max(row, key=lambda code: votes[code])
            room[first] -= 1
            row.insert(0, row.pop(row.index(first)))
    assert [[code for code in row if code >= 0] for row in shown.tolist()] == lists
    old, now = count(earlier[:, :1], listed), count(shown[:, :1], listed)
    for code in now.keys() - {-1}:
        mine = [row for row, is_new in zip(lists, new, strict=True) if is_new and row[0] == code]
        most = any(votes[code] == max(votes[one] for one in row) for row in mine)
        assert most or now[code] <= old[code] + more[code]


@given(nights())
def test_lists_below_the_limit_stay_as_they_are(given_nights):
    before, codes, _, listed = given_nights
    keys = {"new_entries": 9, "new_entries_per_follower": 1}
    _, made, _, shown, _ = admit(before, codes, [30] * 20, listed, **keys)
    assert shown.tolist() == made[:, :N].tolist()


@given(nights())
def test_accounts_without_votes_enter_only_what_they_leave(given_nights):
    before, codes, _, _ = given_nights
    earlier, _, _, shown, _ = admit(before, codes, [0] * 20, [True] * 6, new_entries=2)
    old, now = count(earlier, [True] * 6), count(shown, [True] * 6)
    assert all(now[code] <= old[code] for code in now if code >= 0)


def test_the_best_ranks_are_kept_and_the_reserve_takes_the_other_places():
    before = [[15, 16, 17], [15, 16, 17], [16, 15, 17]]
    codes = [[16, 10, 17, 12, 15, 13], [10, 16, 17, 15, -1, -1], [16, 17, 10, -1, -1, -1]]
    votes = [0] * 10 + [10] * 10
    keys = {"new_entries": 1, "new_entries_per_follower": 0.0}
    *_, shown, _ = admit(before, codes, votes, [True] * 3, **keys)
    assert shown.tolist() == [[16, 17, 12], [10, 16, 17], [16, 17, -1]]


@given(nights(), st.integers(0, 2))
def test_no_account_is_first_in_fewer_lists_than_the_limit_while_it_may_stay(given_nights, leaves):
    before, codes, votes, listed = given_nights
    with patch("raypipe.integrity.entries.LEAVES", leaves):
        earlier, _, _, shown, _ = admit(before, codes, votes, listed, new_entries=9)
    old, now = count(earlier[:, :1], listed), count(shown[:, :1], listed)
    for had, row, new in zip(listed, earlier.tolist(), shown.tolist(), strict=True):
        if had and row[0] in {*new[1:]} - {-1} and now[row[0]] - old[row[0]] < -leaves:
            assert now[new[0]] - old[new[0]] <= -leaves


def test_who_would_be_first_in_too_few_lists_stays_first():
    before = [[10, 11, 12]] * 4
    codes = [[11, 10, 12, -1, -1, -1], [12, 11, 10, -1, -1, -1], [11, 12, -1, -1, -1, -1]]
    codes.append([10, 11, 12, -1, -1, -1])
    keys = {"new_entries": 9, "new_entries_per_follower": 9}
    firsts = {}
    for leaves in (0, 1, 2, 3):
        with patch("raypipe.integrity.entries.LEAVES", leaves):
            shown = admit(before, codes, [99] * 20, [True] * 4, **keys)[3].tolist()
        firsts[leaves] = [row[0] for row in shown]
    assert firsts == {
        3: [11, 12, 11, 10],
        2: [10, 12, 11, 10],
        1: [10, 10, 11, 10],
        0: [10, 10, 11, 10],  # it has left the third list
    }


def test_nobody_gives_back_a_first_place_that_it_needs():
    before = [[10, 11, 12], [10, 11, 12], [11, 10, 12]]
    codes = [[11, 10, 12, -1, -1, -1], [11, 10, 12, -1, -1, -1], [12, 10, 11, -1, -1, -1]]
    keys = {"new_entries": 9, "new_entries_per_follower": 9}
    with patch("raypipe.integrity.entries.LEAVES", 0):
        shown = admit(before, codes, [99] * 20, [True] * 3, **keys)[3]
    assert shown[:, 0].tolist() == [10, 11, 12]  # 11 is first in one list, as before


def test_the_first_place_goes_to_the_next_that_may_have_it_or_to_the_most_votes():
    before = [[15, 16, 17]] * 4
    codes = [[16, 15, 17, -1, -1, -1], [16, 17, 15, -1, -1, -1], *[[16, 17, -1, -1, -1, -1]] * 2]
    votes = [0] * 15 + [0, 10, 20, 0, 0]  # 16 and 17 may newly be first in one list each
    keys = {"new_entries": 0, "new_entries_per_follower": 0.0}
    *_, shown, _ = admit(before, codes, votes, [True] * 4, **keys)
    assert shown.tolist() == [[16, 15, 17], [17, 16, 15], [17, 16, -1], [17, 16, -1]]


def test_the_formula_of_first_places():
    config = IntegrityConfig(new_entries=7, new_entries_per_follower=0.25)
    assert more_firsts(np.array([0, 1, 4, 11]), config).tolist() == [0, 1, 2, 3]


def test_no_source_fills_up_more_than_its_share():
    before = [[15, 16, 17], [16, 15, 17]]
    codes = [[16, 10, 17, 12, 15, 13], [10, 16, 17, 12, 15, 13]]
    *_, shown, _ = admit(before, codes, [0] * 10 + [1] * 10, [True] * 2, new_entries=0, limit=1)
    assert shown.tolist() == [[16, 17, -1], [16, 17, -1]]
    *_, shown, _ = admit(before, codes, [0] * 10 + [1] * 10, [True] * 2, new_entries=0, limit=2)
    assert shown.tolist() == [[16, 17, 15], [16, 17, 15]]


def test_the_formula():
    config = IntegrityConfig(new_entries=2, new_entries_per_follower=0.25)
    votes, least, most = np.array([0, 1, 9, 10, 100]), np.uint32(0), np.uint32(2**32 - 1)
    # Of 9 votes .25 * .4 * 9 = .9, of 10 votes 2 + 2.5, of 100 votes 2 + 25.
    assert more_entries(votes, np.full(5, least), config).tolist() == [0, 0, 0, 4, 27]
    assert more_entries(votes, np.full(5, most), config).tolist() == [0, 1, 1, 5, 27]
    assert more_entries(votes, np.full(5, 2**31, np.uint32), config).tolist() == [0, 0, 1, 5, 27]


def test_parts_of_an_entry_add_up_over_accounts_and_nights():
    ids, votes = np.arange(20_000, dtype=np.uint32), np.full(20_000, 3)
    config = IntegrityConfig(new_entries_per_follower=0.25)
    nights = [more_entries(votes, chances(ids, one), config) for one in ("00ff", "0100")]
    assert [night.mean() for night in nights] == [pytest.approx(0.3, abs=0.01)] * 2
    assert np.mean(nights[0] * nights[1]) == pytest.approx(0.09, abs=0.01)
