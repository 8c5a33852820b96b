"""Every overlay is without a problem; each rule finds the mistakes that it is for."""

from __future__ import annotations

import pytest

from tests.k8s.checks import problems
from tests.k8s.objects import OVERLAYS


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_has_no_problem(name, overlay, crds):
    assert problems(overlay(name), crds) == []
