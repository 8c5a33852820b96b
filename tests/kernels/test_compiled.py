"""Kernels: which versions are compiled, and where nothing can be cached, as in a read-only pod."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from raypipe.kernels.compiled import kernel
from tests.paths import ROOT

NIGHT = """
from numba.core import caching
caching.CacheImpl._locator_classes = []  # no folder is writable
import pandas as pd
from raypipe.compute.compilation import compilations_reported
from raypipe.compute.progress import Silent
from raypipe.graph.follow_graph import build_graph, encode
from raypipe.kernels.csr import transpose

class Printed(Silent):
    def say(self, text):
        print(text)

with compilations_reported(Printed()):
    graph, _ = build_graph([encode(pd.DataFrame({"followerId": ["a"], "followingId": ["b"]}))])
print(graph.follows)
"""


def test_without_a_writable_cache_kernels_are_compiled_in_every_run():
    command = [sys.executable, "-c", NIGHT]
    env = os.environ | {"NUMBA_CPU_NAME": "generic"}  # no kernels lie beside the code for it
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    first, last, follows = done.stdout.splitlines()
    assert "in every run (no folder to keep them is writable; set NUMBA_CACHE_DIR)" in first
    assert last.startswith("kernels: compiled in ")
    assert "reuses" not in last
    assert follows == "1"


def test_another_error_of_numba_is_raised():
    with pytest.raises(TypeError):
        kernel(3)


def test_every_kernel_has_this_decorator():
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "raypipe").rglob("*.py")}
    direct = {path.name for path, text in sources.items() if "njit(" in text or "@njit" in text}
    assert direct <= {"compiled.py", "compilation.py"}  # the second one in a docstring


def test_kernels_beside_the_code_are_read_where_nothing_is_writable(tmp_path):
    shutil.copytree(ROOT / "raypipe", tmp_path / "raypipe", ignore=shutil.ignore_patterns("__py*"))
    (tmp_path / "home").mkdir()
    caches = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    env = {name: text for name, text in os.environ.items() if name not in caches}
    env |= {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path / "home")}
    env |= {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "PYTHONDONTWRITEBYTECODE": "1"}
    looked = (
        "from raypipe.kernels import compiled, splitmix; splitmix.mix(1);"
        "stats = splitmix.mix.stats; print(compiled.has_cache(), sum(stats.cache_hits.values()))"
    )
    command = [sys.executable, "-c", looked]
    built = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd="/")
    assert built.stdout == "True 0\n"
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o555)
    pod = ["unshare", "--user", "--map-user=4321", *command]
    found = subprocess.run(pod, capture_output=True, text=True, check=True, env=env, cwd="/")
    assert found.stdout == "False 1\n"


@kernel
def _add_one(number):
    return number + 1


@kernel
def _add_to_zero_and(number):
    return _add_one(0) + _add_one(number)


def test_a_number_in_a_caller_is_no_version_of_its_own():
    assert _add_one(2) == 3  # compiled or loaded, also where its caller is loaded
    assert _add_to_zero_and(5) == 7
    assert len(_add_one.signatures) == 1
