"""kubectl against an API server of our own."""

from __future__ import annotations

import pytest
import yaml

from tests.k8s.objects import OVERLAYS, of_kind


@pytest.mark.parametrize("name", OVERLAYS)
def test_applied_again_nothing_changes(name, overlay, apply, cluster):
    first, again = apply(name), apply(name)
    assert len(first) == len(again) == len(overlay(name)) == len(cluster[1].objects)
    assert all(line.endswith(" created") for line in first)
    # kubectl sends the selector of a PodDisruptionBudget every time: it can only be replaced whole.
    kept = [line for line in again if "poddisruptionbudget" not in line]
    assert all(line.endswith(" unchanged") for line in kept)
    patched = [path for method, path in cluster[1].requests if method == "PATCH"]
    assert not [path for path in patched if "poddisruptionbudgets" not in path]


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_server_side_dry_run_is_accepted_and_changes_nothing(name, overlay, apply, cluster):
    said = apply(name, "--server-side", "--dry-run=server")
    assert len(said) == len(overlay(name))
    assert all(line.endswith(" serverside-applied (server dry run)") for line in said)
    assert not cluster[1].objects
    assert [path for method, path in cluster[1].requests if method == "PATCH"]


def test_a_typing_error_is_refused(overlay, apply, cluster, tmp_path):
    (job,) = of_kind(overlay("sweep"), "RayJob")
    job["spec"]["entryPoint"] = "raypipe sweep"
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    (tmp_path / "kustomization.yaml").write_text("resources: [job.yaml]")
    (said,) = apply(tmp_path, "--server-side", "--dry-run=server")
    assert "'entryPoint' was unexpected" in said


def test_nothing_is_applied_to_a_namespace_that_is_not_there(overlay, apply, tmp_path):
    (job,) = of_kind(overlay("sweep"), "RayJob")
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    (tmp_path / "kustomization.yaml").write_text("resources: [job.yaml]")
    (said,) = apply(tmp_path)
    assert 'namespaces "raypipe" not found' in said
