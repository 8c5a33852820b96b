"""Spellings of one account, against a slow oracle."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage.intake.id_values import BLANKS
from raypipe.storage.intake.spellings import spelling_notices

NAIVE = {
    "trim": lambda text: text.strip(BLANKS),
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "lower": str.lower,
}
IDS = st.lists(
    st.text(st.sampled_from("aAbB \u00e9e\u0301\u200b"), min_size=1, max_size=3),
    min_size=1,
    unique=True,
)


def notices(ids, follows=None, followed=None, **settings):
    everybody = np.ones(len(ids), bool)
    follows = everybody if follows is None else np.array(follows)
    followed = everybody if followed is None else np.array(followed)
    config = InputConfig(**{"max_respelled_fraction": 1, **settings})
    return spelling_notices(pa.array(ids, pa.large_string()), follows, followed, config)


@given(IDS)
def test_counts_are_those_of_the_oracle(ids):
    found = {notice.key: notice.count for notice in notices(sorted(ids))}
    for name, change in NAIVE.items():
        normal = Counter(map(change, ids))
        expected = sum(change(text) != text and normal[change(text)] > 1 for text in ids)
        assert found.get(f"input.normalise: [{name}]", 0) == expected, name


def test_a_normalisation_that_is_applied_is_not_noticed():
    assert notices(["a", " a"])[0].count == 1
    assert not notices(["a", " a"], normalise=["trim"])


def test_many_ids_stop_the_night():
    ids = [str(number) for number in range(100)] + [f"{number}.0" for number in range(100)]
    with pytest.raises(InputError) as caught:
        notices(ids, max_respelled_fraction=0.02)
    assert str(caught.value) == (
        "input.follows: 100 of 200 ids equal another id after normalisation, such as 0.0; set "
        "input.normalise: [numbers] to join them, or raise input.max_respelled_fraction"
    )
    assert notices(ids)[0].count == 100
    case = [chr(97 + number) for number in range(26)] + [chr(65 + number) for number in range(26)]
    assert notices(case, max_respelled_fraction=0)[0].key == "input.normalise: [lower]"


def test_followees_that_do_not_follow_are_noticed_unless_they_are_of_another_kind():
    sides = [True, False], [False, True]
    assert [notice.text for notice in notices(["ann", "place"], *sides)] == [
        "0 of 1 followees also follow; the others are spelled otherwise, or of another kind, such "
        "as place (input.bipartite)"
    ]
    assert not notices(["ann", "place"], *sides, bipartite=True)
