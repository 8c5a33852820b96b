"""All rules in one table: what is wrong with these manifests?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.k8s import entrypoints, kuberay_rules, policy, schemas
from tests.k8s.objects import Object, with_tonight

#: Each takes the objects of an overlay, and yields where it has found what.
RULES = (
    kuberay_rules.ray_name,
    kuberay_rules.job_end,
    kuberay_rules.deletion,
    kuberay_rules.managed_by,
    kuberay_rules.job_cluster,
    kuberay_rules.job_submission,
    kuberay_rules.runtime_env,
    kuberay_rules.start_params,
    kuberay_rules.replicas,
    kuberay_rules.autoscaler,
    kuberay_rules.ray_token,
    kuberay_rules.ray_first,
    kuberay_rules.queue,
    kuberay_rules.alpha,
    policy.image,
    policy.resources,
    policy.object_store,
    policy.container_security,
    policy.pod_security,
    policy.writable,
    policy.deadline,
    policy.schedule,
    policy.retries,
    policy.no_secret,
    policy.account_token,
    policy.rbac,
    policy.network,
    policy.rejections,
    policy.namespace,
    policy.data_volume,
    policy.reference,
    entrypoints.ray_version,
    entrypoints.raypipe_version,
    entrypoints.entrypoint,
)
#: These know the schemas, too; the other rules may rely on what they hold.
SCHEMA_RULES = (schemas.known_kind, schemas.schema)


class Problem(NamedTuple):
    """What a rule has against an object.

    Attributes:
        rule: name of the rule.
        where: kind, name and place in the object.
        what: what was found there, and what was expected.
    """

    rule: str
    where: str
    what: str


def problems(objects: list[Object], crds: Path) -> list[Problem]:
    """What is wrong with the objects, and with the RayJob that their CronJob makes of them.

    Args:
        crds: folder of the custom resources' schemas.
    """
    known = schemas.crds(crds)
    by_schema = [partial(rule, known=known) for rule in SCHEMA_RULES]
    found = _ask(SCHEMA_RULES, by_schema, objects)
    if found:
        return found
    everything = with_tonight(objects)
    return _ask(SCHEMA_RULES, by_schema, everything) + _ask(RULES, RULES, everything)


def _ask(named, rules, objects: list[Object]) -> list[Problem]:
    return [
        Problem(name.__name__, where, what)
        for name, rule in zip(named, rules, strict=True)
        for where, what in rule(objects)
    ]
