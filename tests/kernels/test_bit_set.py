"""Members of a set of bits, in the order of a row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raypipe.kernels.bit_set import clear, empty_set, insert, members_in

codes = st.lists(st.integers(0, 199), max_size=30)


@given(codes, codes)
def test_members_are_found_in_the_order_of_the_row(inserted, row):
    members, found = empty_set(200), np.empty(len(row), np.int32)
    insert(members, np.array(inserted, np.int32))
    count = members_in(members, np.array(row, np.int32), found)
    assert found[:count].tolist() == [code for code in row if code in inserted]
    clear(members, np.array(inserted, np.int32))
    assert not members.any()
