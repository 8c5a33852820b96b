"""What raypipe takes from Ray's inside is there, and does what it is taken for."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import ray
from ray import _raylet
from ray._private import services
from ray.job_submission import JobSubmissionClient

from raypipe.compute import ray_private
from tests.paths import ROOT


def test_this_ray_is_below_the_upper_bound():
    wanted = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bound = re.search(r'"ray\[default\]>=[\d.]+,<([\d.]+)"', wanted).group(1)
    assert as_numbers(ray.__version__) < as_numbers(bound)


def as_numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def test_init_takes_the_address_of_the_node():
    known = Path(inspect.getsourcefile(inspect.unwrap(ray.init))).read_text(encoding="utf-8")
    for name in ray_private.LOOPBACK_ONLY:
        assert f'"{name}"' in known


def test_loopback_kept_replaces_one_function_and_puts_it_back():
    original = services.resolve_ip_for_localhost
    with ray_private.loopback_kept():
        assert services.resolve_ip_for_localhost("127.0.0.1") == "127.0.0.1"
    assert services.resolve_ip_for_localhost is original


def test_the_settings_can_be_read_again(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    ray_private.read_settings_again()
    loader = _raylet.AuthenticationTokenLoader.instance()
    assert loader.has_token(ignore_auth_mode=True)
    monkeypatch.undo()
    ray_private.read_settings_again()


def test_the_client_of_a_job_server_has_a_timeout(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        JobSubmissionClient, "_do_request", lambda self, *words, **options: seen.update(options)
    )
    client = object.__new__(ray_private.ImpatientClient)
    client._do_request("GET", "/api/jobs/")
    assert seen == {"timeout": (5.0, 60.0)}


def test_every_private_part_of_ray_is_in_one_file():
    private = re.compile(r"\bray\._[a-z]|\b_raylet\b|\bray\.\w+\._[a-z]")
    for path in (ROOT / "raypipe").rglob("*.py"):
        if path.name != "ray_private.py":
            assert not private.search(path.read_text(encoding="utf-8")), path
