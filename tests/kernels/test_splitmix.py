"""Random words: selection beside a sort."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.splitmix import nth_smallest

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40)


@given(words=WORDS, few=st.lists(st.integers(0, 3), min_size=1, max_size=40), data=st.data())
def test_nth_smallest_equals_the_entry_of_a_sorted_list(words, few, data):
    for values in (words, few):
        n = data.draw(st.integers(1, len(values)))
        assert nth_smallest(np.array(values, dtype=np.uint64), n) == sorted(values)[n - 1]
