"""Who reaches whom: policies read by hand, and what those of the base let through."""

from __future__ import annotations

import pytest

from tests.k8s.kuberay_pods import ray_labels
from tests.k8s.objects import of_kind, pods
from tests.k8s.reachable import ANY, ways

EVERYBODY = {"podSelector": {}}
ALL_DENIED = {**EVERYBODY, "policyTypes": ["Ingress", "Egress"]}


def a_is(role):
    return {"podSelector": {"matchLabels": {"role": role}}}


def policy(selector, direction, *rules):
    return {**selector, "policyTypes": [direction.capitalize()], direction: list(rules)}


def tcp(*ports):
    return {"ports": [{"protocol": "TCP", "port": port} for port in ports]}


A_TO_B = policy(a_is("a"), "egress", {"to": [a_is("b")], **tcp(80, 443)})
B_FROM_A = policy(a_is("b"), "ingress", {"from": [a_is("a")], **tcp(443)})
A_ELSEWHERE = {**a_is("a"), "namespaceSelector": {}}


@pytest.mark.parametrize(
    ("policies", "there", "back"),
    [
        ([], ANY, ANY),
        ([ALL_DENIED], set(), set()),
        ([A_TO_B], {80, 443}, ANY),
        ([ALL_DENIED, A_TO_B], set(), set()),  # b does not take it
        ([ALL_DENIED, B_FROM_A], set(), set()),  # a does not send it
        ([ALL_DENIED, A_TO_B, B_FROM_A], {443}, set()),
        ([policy(a_is("b"), "ingress", {})], ANY, ANY),  # from everybody
        ([policy(a_is("b"), "ingress")], set(), ANY),
        ([policy(a_is("b"), "ingress", {"from": [EVERYBODY]})], ANY, ANY),
        ([policy(a_is("c"), "ingress")], ANY, ANY),  # which selects neither
        ([policy(a_is("b"), "ingress", {"from": [A_ELSEWHERE]})], set(), ANY),
        ([policy(a_is("b"), "ingress", {"from": [{"ipBlock": {"cidr": "::/0"}}]})], set(), ANY),
        ([policy(a_is("a"), "egress", {"ports": [{"protocol": "UDP", "port": 53}]})], set(), ANY),
        ([policy(a_is("a"), "egress", {"ports": [{"port": 8, "endPort": 10}]})], {8, 9, 10}, ANY),
        ([policy(a_is("a"), "egress", tcp(1), tcp(2))], {1, 2}, ANY),
    ],
)  # fmt: skip
def test_by_hand(policies, there, back):
    objects = [{"kind": "NetworkPolicy", "spec": spec} for spec in policies]
    found = ways(objects, {"a": {"role": "a"}, "b": {"role": "b"}})
    assert {(way.source, way.target): way.ports for way in found} == {
        pair: ports for pair, ports in ((("a", "b"), there), (("b", "a"), back)) if ports
    }


def test_the_node_is_always_open():
    found = ways([{"kind": "NetworkPolicy", "spec": ALL_DENIED}], {"node": None, "a": {}, "b": {}})
    assert {(way.source, way.target) for way in found} == {
        ("node", "a"), ("node", "b"), ("a", "node"), ("b", "node"),
    }  # fmt: skip


def test_ray_among_itself_and_submitters_to_the_job_server(overlay):
    """And nobody else to anybody: not the toolbox, not who starts the nights."""
    objects = overlay("nightly")
    labels = {
        pod.where: {**pod.labels, **ray_labels(is_head=pod.role == "ray-head")}
        if pod.role.startswith("ray-")
        else pod.labels
        for pod in [*pods(objects), *pods(of_kind(overlay("toolbox"), "Pod"))]
    }
    heads, workers, submitters = (
        {pod.where for pod in pods(objects) if pod.role == role}
        for role in ("ray-head", "ray-worker", "submitter")
    )
    assert len(labels) > len(heads | workers | submitters) >= 3
    nodes = heads | workers
    expected = {(a, b): ANY for a in nodes for b in nodes if a != b}
    expected |= {(a, b): {8265} for a in submitters for b in heads}
    assert {(way.source, way.target): way.ports for way in ways(objects, labels)} == expected
