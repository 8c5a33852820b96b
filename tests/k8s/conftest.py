"""kubectl and the schemas of KubeRay: skipped where they are not, as in a stranger's clone."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT, needed
from tests.k8s.fake_api import serve
from tests.k8s.objects import K8S, render


@pytest.fixture(scope="session")
def kubectl() -> str:
    path = shutil.which("kubectl")
    needed(path is not None, "no kubectl here")
    return path


@pytest.fixture(scope="session")
def crds() -> Path:
    """KubeRay's ray-operator/config/crd/bases at v1.7.0, each file gzipped."""
    given = os.environ.get("RAYPIPE_TEST_CRDS", ROOT.parent / "shared" / "kuberay-crd")
    needed(Path(given).is_dir(), "no schemas of KubeRay here; set RAYPIPE_TEST_CRDS to a folder")
    return Path(given)


@pytest.fixture(scope="session")
def overlay(kubectl):
    """overlay(name): its objects, rendered once, to be changed at will."""
    rendered = cache(render)
    return lambda name: copy.deepcopy(rendered(name))


@pytest.fixture
def cluster(crds):
    """URL of an API server that holds nothing yet, and what it will hold."""
    with serve(crds) as (url, api):
        yield url, api


@pytest.fixture
def apply(kubectl, cluster, tmp_path):
    """apply(overlay, ...): what kubectl says, line by line; or its error."""

    def run(overlay: str | Path, *flags: str) -> list[str]:
        told = [f"--server={cluster[0]}", f"--cache-dir={tmp_path}", "--validate=false", *flags]
        done = subprocess.run(
            [kubectl, "apply", "-k", K8S / "overlays" / overlay, *told],
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": str(tmp_path), "KUBECONFIG": "/dev/null"},
        )
        return (done.stdout if done.returncode == 0 else done.stderr).splitlines()

    return run
