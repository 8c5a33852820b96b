"""Eight processes that reject at the same time, and retry."""

from __future__ import annotations

import subprocess
import sys

_WRITER = """
import sys
from raypipe.storage.feedback.store import FeedbackStore
store = FeedbackStore(sys.argv[1])
for i in range(int(sys.argv[2]), int(sys.argv[3]), 8):
    store.reject(f"a{i % 100}", f"c{i}", request_id=f"r{i}")
    if i % 7 == 0:  # some retry
        assert store.reject(f"a{i % 100}", f"c{i}", request_id=f"r{i}").repeated
"""


def write_from_eight_processes(url: str, count: int) -> set[tuple[str, str]]:
    """Write so many rejections into a store; these, as (account, candidate)."""
    words = [sys.executable, "-c", _WRITER, url]
    writers = [subprocess.Popen([*words, str(number), str(count)]) for number in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    return {(f"a{i % 100}", f"c{i}") for i in range(count)}
