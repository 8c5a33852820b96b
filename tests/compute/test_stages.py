"""Peak memory of stages: of a real process, and by amounts that are made up."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from raypipe.compute import stages
from raypipe.compute.progress import Silent
from raypipe.compute.stages import Stages

# By itself: processes that others have left behind would end meanwhile.
_PEAK = """
import json, threading
import numpy as np
from raypipe.compute import stages
from raypipe.compute.progress import Silent

sampled, calls, resident = threading.Event(), 0, stages._resident

def counted():
    global calls
    calls += 1
    if calls == 4:  # a sample takes one, or three: one has begun and ended
        sampled.set()
    return resident()

timed = stages.Stages(Silent())
with timed.stage("before"):
    pass
with timed.stage("peak"):
    held = np.ones(40_000_000)  # 320 MB
    stages._resident = counted
    assert sampled.wait(60)
    held = held[:1].copy()
print(json.dumps([stage.peak_memory_mb for stage in timed.measured]))
"""


def test_sees_a_peak_in_the_middle():
    done = subprocess.run(
        [sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True, timeout=100
    )
    before, peak = json.loads(done.stdout)
    assert before + 300 < peak < before + 400


def scripted(monkeypatch, resident, occupied):
    """The meter sees these amounts, one after another; an event tells when the first have ended."""
    resident, occupied, over = iter(resident), iter(occupied), threading.Event()

    def next_resident():
        if (memory := next(resident, None)) is None:
            over.set()
        return memory or 200 * 10**6

    monkeypatch.setattr(stages, "_SAMPLE_SECONDS", 0)
    monkeypatch.setattr(stages, "_resident", next_resident)
    monkeypatch.setattr(stages, "_occupied", lambda: next(occupied) * 10**6)
    return over


def test_looks_again_at_a_peak_that_it_came_too_late_for(monkeypatch):
    """Sharing out the pages of many processes takes so long that a short peak may be over."""
    resident = [10**8 * n for n in (1, 1, 2, 2, 1, 2, 2, 2)]  # two for a look, three with a sample
    over = scripted(monkeypatch, resident, [90, 95, 190])
    timed = Stages(Silent())
    with timed.stage("peaks"):
        assert over.wait(60)
    assert timed.measured[0].peak_memory_mb == 190


def test_shares_out_pages_only_where_they_have_changed(monkeypatch):
    over = scripted(monkeypatch, [], [180])
    timed = Stages(Silent())
    for name in ("one", "two"):
        with timed.stage(name):
            assert over.wait(60)
    assert [stage.peak_memory_mb for stage in timed.measured] == [180, 180]
