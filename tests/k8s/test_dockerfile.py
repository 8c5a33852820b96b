"""The image fits the pods: its user, what it may write, and where its packages come from."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.k8s.objects import K8S, OVERLAYS, pods
from tests.paths import ROOT

DOCKERFILE = (K8S / "Dockerfile").read_text(encoding="utf-8")


def test_every_package_is_checked_against_its_hash():
    installs = re.findall(r"^RUN pip (.*)$", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-index" in installs[1]


def test_the_image_and_the_pods_have_the_same_user(overlay):
    user = int(re.search(r"^USER (\d+):", DOCKERFILE, re.MULTILINE).group(1))
    for name in OVERLAYS:
        assert {pod.spec["securityContext"]["runAsUser"] for pod in pods(overlay(name))} <= {user}


def test_what_is_cached_goes_where_the_pods_can_write():
    # The rule `writable` holds that there is an emptyDir.
    for variable in ("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
        assert re.search(rf"\b{variable}=/cache\b", DOCKERFILE)


def test_the_image_has_what_lightgbm_needs_and_its_build_notices():
    # The wheels of LightGBM for Linux ask the machine for it; those of the others bring their own.
    assert re.search(r"apt-get install .*\blibgomp1\b", DOCKERFILE)
    assert re.search(r'python -c "import lightgbm', DOCKERFILE)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the image is for another processor")
def test_a_pod_with_any_user_and_a_read_only_root_compiles_no_kernel(tmp_path):
    code, home, data = tmp_path / "code", tmp_path / "home", tmp_path / "data"
    shutil.copytree(
        ROOT / "raypipe", code / "raypipe", ignore=shutil.ignore_patterns("__pycache__")
    )
    home.mkdir(0o555)
    data.mkdir()
    cpu = re.search(r"^ARG CPU=(\S+)$", DOCKERFILE, re.MULTILINE).group(1)
    assert "ENV NUMBA_CPU_NAME=${CPU} \\\n    NUMBA_CPU_FEATURES=\n" in DOCKERFILE
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(code),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CPU_NAME": cpu,
        "NUMBA_CPU_FEATURES": "",
        "HOME": str(home),
    }
    step = r"^RUN (find .*?rm -r \S+)$"
    compiling = re.search(step, DOCKERFILE, re.MULTILINE | re.DOTALL).group(1)
    built = _run(["sh", "-c", compiling], env, data)
    assert "kernels: compiling" in built
    for path in (*code.rglob("*"), code):
        os.utime(path, (0, path.stat().st_mtime // 1))  # as the layers of an image keep it
        path.chmod(0o555)

    _run(
        ["raypipe", "demo", "--accounts", "3000", "--seed", "1", "--out", "follows.csv"], env, data
    )
    pod = ["unshare", "--user", "--map-user=4321"]
    night = _run([*pod, "raypipe", "run", "--follows", "follows.csv"], env, data)
    assert "recommend" in night
    assert "kernels:" not in night


def _run(command: list[str], env: dict[str, str], folder: Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
