"""Every overlay is without a problem; each rule finds the mistakes that it is for."""

from __future__ import annotations

import pytest

from tests.k8s import entrypoints
from tests.k8s.checks import RULES, SCHEMA_RULES, problems
from tests.k8s.mistakes import MISTAKES, make
from tests.k8s.objects import OVERLAYS


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_has_no_problem(name, overlay, crds):
    assert problems(overlay(name), crds) == []


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda mistake: f"{mistake.rule} {mistake.kind}{mistake.place}"
)
def test_a_mistake_is_found_by_its_rule(mistake, overlay, crds):
    objects = overlay(mistake.overlay)
    make(mistake, objects)
    assert mistake.rule in {problem.rule for problem in problems(objects, crds)}


def test_every_rule_has_a_mistake_to_find():
    rules = {rule.__name__ for rule in (*SCHEMA_RULES, *RULES)}
    assert rules == {mistake.rule for mistake in MISTAKES}


def test_an_image_with_another_ray_is_found(overlay, monkeypatch):
    monkeypatch.setattr(entrypoints, "image_ray", lambda: "2.59.0")
    ((where, what),) = entrypoints.ray_version(overlay("cluster"))
    assert where == "k8s/Dockerfile"
    assert "found 2.59.0" in what
