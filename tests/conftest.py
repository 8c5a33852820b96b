"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.paths import ROOT

# Times vary on shared machines, and the first call of a kernel compiles it.
settings.register_profile("raypipe", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("raypipe")


def real_data() -> Path | None:
    """The folder of the real graphs: RAYPIPE_TEST_DATA, or shared/data beside the project."""
    folder = Path(os.environ.get("RAYPIPE_TEST_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def needed(found: bool, reason: str) -> None:
    """Skip where something is not, as in a stranger's clone; in CI that is a failure."""
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture(scope="session")
def data() -> Path:
    """The real graphs."""
    folder = real_data()
    reason = "no real graphs here; set RAYPIPE_TEST_DATA to a folder that holds them"
    needed(folder is not None, reason)
    return folder


@pytest.fixture(scope="module")
def local_ray():
    """A local Ray with two CPUs, one a module."""
    from raypipe.compute import ray_cluster

    with ray_cluster.connect("local"):
        yield
