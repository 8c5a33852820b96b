"""A runs folder, empty and with three published runs."""

from __future__ import annotations

import pytest

from raypipe.storage.runs.store import RunStore
from tests.storage.runs.small_runs import NAMES, nightly


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def published(store):
    """The first three names, published in this order."""
    for name in NAMES[:3]:
        nightly(store, name, name, keep=9)
    return store
