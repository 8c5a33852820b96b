"""The API for real, as its overlay has it: two servers, PostgreSQL, and who may ask them."""

from __future__ import annotations

import shlex

import pytest

from raypipe.config import load_config
from raypipe.graph.demo import write_demo
from raypipe.pipeline.run import run_night
from raypipe.serving.http.access import add_token
from raypipe.storage.runs.store import RunStore
from tests.conftest import needed
from tests.k8s import kuberay_pods
from tests.k8s.kuberay_pods import Container, Mount
from tests.k8s.objects import of_kind, render
from tests.k8s.pods_here import run_pods, why_no_pods
from tests.storage.feedback import postgres
from tests.strategies import PLAIN

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

_DATABASE = """
initdb -D /tmp/data -U raypipe --auth=trust -E UTF8 > /tmp/log
echo host all all 0.0.0.0/0 trust >> /tmp/data/pg_hba.conf
echo 'CREATE DATABASE raypipe' | postgres --single -D /tmp/data postgres >> /tmp/log
exec postgres -D /tmp/data -k /tmp -c listen_addresses='*'
"""
_ASK = """
import sys, httpx2 as httpx
account = "jazz-0001"
one, two = (httpx.Client(base_url=f"http://serve-{n}:8000", timeout=60,
            headers={"Authorization": "Bearer TOKEN"}) for n in (1, 2))
def shown(client):
    rows = client.get(f"/v1/accounts/{account}/recommendations").raise_for_status().json()
    return [row["candidateId"] for row in rows["recommendations"]]
first = shown(one)[0]
one.put(f"/v1/accounts/{account}/rejections/{first}").raise_for_status()
print(len(shown(one)), first in shown(one), first in shown(two), one.get("/readyz").status_code)
"""


@pytest.fixture(scope="module")
def said(kubectl, tmp_path_factory):
    """What the pods wrote that ask, and their exit codes."""
    why_not = why_no_pods()
    needed(why_not is None, f"no namespaces here: {why_not}")
    postgres.require()
    folder = tmp_path_factory.mktemp("serve-pods")
    (folder / "data").mkdir()
    write_demo(folder / "data" / "follows.csv", accounts=300)
    follows = {"input.follows": str(folder / "data" / "follows.csv"), "cluster": "none"}
    config = load_config(None, {**PLAIN, **follows})
    run_night(config, RunStore(folder / "data" / "runs"), "2026-03-01")
    (folder / "tokens").mkdir()
    token = add_token(folder / "tokens" / "tokens.jsonl", ["read", "write"], None, "web")
    (folder / "tokens" / "tokens.jsonl").chmod(0o644)  # as a Secret is mounted for its group
    objects = render("serve")
    (deployment,) = of_kind(objects, "Deployment")
    template = deployment["spec"]["template"]
    command = "exec " + shlex.join(template["spec"]["containers"][0]["command"])
    volumes = {
        "raypipe-data": folder / "data",
        "tokens": folder / "tokens",
        **kuberay_pods.compiled_kernels(folder),
    }
    servers = [
        kuberay_pods.plain_pod(template, f"serve-{number}", f"cd /data; {command}", volumes)
        for number in (1, 2)
    ]
    scratch = [Mount("/tmp", None, True, 10**9), Mount("/dev/shm", None, True, 10**9)]
    database = Container(
        "raypipe-feedback", _DATABASE, {}, scratch, "ready to accept connections", labels=None
    )
    script = f"python -c {shlex.quote(_ASK.replace('TOKEN', token))}"
    knock = "bash -c ': </dev/tcp/serve-1/8000'"
    waves = [
        [database],
        [server._replace(until="running on") for server in servers],
        [
            Container("web", script, {}, scratch, labels={"raypipe/api": "allowed"}),
            Container("stranger", knock, {}, scratch, labels={"app": "other"}),
        ],
    ]
    return run_pods(waves, folder, objects)


def test_feedback_holds_in_every_pod_at_once(said):
    text, code = said["web"]
    assert code == 0, text
    assert text.splitlines()[-1] == "10 False False 200"


def test_a_pod_without_the_label_is_refused(said):
    text, code = said["stranger"]
    assert code != 0
    assert "Permission denied" in text
