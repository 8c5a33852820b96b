"""Who may open a TCP connection to whom, as Kubernetes reads NetworkPolicies in one namespace.

Written after https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that
no policy selects is open; for one that some select, what any of them allows is allowed; and both
ends have to allow a connection.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.k8s.objects import Object, of_kind

ANY = frozenset(range(1, 2**16))


class Way(NamedTuple):
    """From a pod to these ports of another."""

    source: str
    target: str
    ports: frozenset[int]


def ways(objects: list[Object], labels: dict[str, dict[str, str] | None]) -> list[Way]:
    """Every way from one pod to another that is open.

    Args:
        objects: of the namespace; the policies among them hold.
        labels: of each pod, by its name; None: it is the node itself, whose ways are always open.
    """
    policies = [found["spec"] for found in of_kind(objects, "NetworkPolicy")]
    found = []
    for source, ours in labels.items():
        for target, theirs in labels.items():
            ports = ANY
            if ours is not None and theirs is not None:
                ports = _ports(policies, "egress", ours, theirs)
                ports &= _ports(policies, "ingress", theirs, ours)
            if ports and source != target:
                found.append(Way(source, target, ports))
    return found


def _ports(
    policies: list[Object], direction: str, pod: dict[str, str], peer: dict[str, str]
) -> frozenset[int]:
    """TCP ports that a pod may use in one direction, with a peer."""
    selecting = [
        policy
        for policy in policies
        if direction.capitalize() in policy["policyTypes"] and _selects(policy["podSelector"], pod)
    ]
    if not selecting:
        return ANY
    allowed: frozenset[int] = frozenset()
    for rule in (rule for policy in selecting for rule in policy.get(direction, [])):
        peers = rule.get("to" if direction == "egress" else "from")
        if peers is None or any(_is_peer(one, peer) for one in peers):
            ports = rule.get("ports")
            allowed |= ANY if ports is None else frozenset().union(*map(_tcp, ports))
    return allowed


def _is_peer(wanted: Object, labels: dict[str, str]) -> bool:
    """Pods of other namespaces are none of ours, and blocks of addresses are of none."""
    return set(wanted) == {"podSelector"} and _selects(wanted["podSelector"], labels)


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def _tcp(port: Object) -> frozenset[int]:
    if port.get("protocol", "TCP") != "TCP":
        return frozenset()
    return frozenset(range(port["port"], port.get("endPort", port["port"]) + 1))
