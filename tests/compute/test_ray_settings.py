"""Ray's environment variables: set when a Ray is used, never by an import."""

from __future__ import annotations

import os
import subprocess
import sys

from raypipe.compute.ray_settings import DEFAULTS, configure_ray

IMPORT_ALL = """
import importlib, os, pkgutil, sys
import ray.tune, modin, lightgbm, optuna, matplotlib, numba.core.event  # they may set their own
before, files = dict(os.environ), sorted(os.listdir())
import raypipe
for module in pkgutil.walk_packages(raypipe.__path__, "raypipe."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
changed = {name for name in before.keys() | os.environ.keys()
           if before.get(name) != os.environ.get(name)}
here = sorted(set(os.listdir()) - set(files))
print(sorted(changed), here, os.listdir(os.environ["TMPDIR"]))
"""


def test_importing_every_module_sets_no_variable_and_writes_no_file(tmp_path):
    (tmp_path / "tmp").mkdir()
    around = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        env={**around, "TMPDIR": str(tmp_path / "tmp")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[] [] []\n"


def test_configure_ray_keeps_what_the_user_has_set(monkeypatch):
    for name in DEFAULTS:
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    configure_ray("10.0.0.2:6379")
    assert {os.environ[name] for name in DEFAULTS} == {"mine"}
    assert os.environ["RAY_ADDRESS"] == "10.0.0.2:6379"


def test_configure_ray_gives_a_cluster_of_others_no_token(monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    configure_ray("10.0.0.2:6379")
    assert "RAY_AUTH_TOKEN_PATH" not in os.environ
    configure_ray("local")
    path = os.environ["RAY_AUTH_TOKEN_PATH"]
    configure_ray("local")
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == path
    assert "RAY_ADDRESS" not in os.environ
