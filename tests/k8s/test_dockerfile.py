"""The image fits the pods: its user, what it may write, and where its packages come from."""

from __future__ import annotations

import re

from tests.k8s.objects import K8S, OVERLAYS, pods

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
