"""What the operators refuse although the schema lets it pass, and what they silently ignore.

KubeRay's are those of ``ray-operator/controllers/ray/utils/validation.go`` (about v1.7.0), Kueue's
those of its webhook for RayJobs. A rule yields where it found what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from tests.k8s.objects import Object, name_of, of_kind, ray_clusters, ray_jobs

Found = Iterator[tuple[str, str]]

#: KubeRay appends to the names of what it makes; a Service has 63 characters. Of a RayCronJob
#: it makes the name of a RayJob, with the time.
LONGEST_NAME = {"RayCluster": 53, "RayJob": 47, "RayCronJob": 36, "CronJob": 52}
SUBMISSION_MODES = ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode")
QUEUE = "kueue.x-k8s.io/queue-name"
TOKENS_SINCE = (2, 52)
OPERATOR = "ray.io/kuberay-operator"
#: What is deleted after a job, each with all that comes before it.
DELETIONS = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")


def ray_name(objects: list[Object]) -> Found:
    """Names are DNS labels, and short enough for what is appended to them."""
    for found in of_kind(objects, *LONGEST_NAME):
        name, longest = found["metadata"]["name"], LONGEST_NAME[found["kind"]]
        if len(name) > longest:
            yield name_of(found), f"found {len(name)} characters; expected at most {longest}"
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
            yield name_of(found), "expected a-z, 0-9 and -, with a letter first"


def job_end(objects: list[Object]) -> Found:
    """What becomes of the cluster of a job that has ended is said once."""
    for where, job in ray_jobs(objects):
        ends = job.get("shutdownAfterJobFinishes", False)
        ttl = job.get("ttlSecondsAfterFinished", 0)
        if ttl and not ends:
            yield where, "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
        if ttl < 0:
            yield where, f"ttlSecondsAfterFinished: found {ttl}; expected 0 or more"
        if ends and job.get("deletionStrategy", {}).get("deletionRules"):
            yield where, "found shutdownAfterJobFinishes and deletionRules; expected one of them"
        if job.get("suspend") and not ends:
            yield where, "suspend needs shutdownAfterJobFinishes"


def deletion(objects: list[Object]) -> Found:
    """What is deleted after a job is there to be deleted, once, and the larger never first."""
    for where, job in ray_jobs(objects):
        seen: dict[tuple, list[tuple[int, int]]] = {}
        for rule in job.get("deletionStrategy", {}).get("deletionRules", []):
            policy, when = rule["policy"], dict(rule["condition"])
            if job.get("clusterSelector") and policy in ("DeleteWorkers", "DeleteCluster"):
                yield where, f"{policy}: the cluster of a clusterSelector is not the job's"
            if policy == "DeleteWorkers" and _cluster(job).get("enableInTreeAutoscaling"):
                yield where, "DeleteWorkers: an autoscaler would start them again"
            if policy in DELETIONS:
                ttl, state = when.pop("ttlSeconds", 0), tuple(sorted(when.items()))
                seen.setdefault(state, []).append((DELETIONS.index(policy), ttl))
        for rules in seen.values():
            if len({place for place, _ in rules}) < len(rules):
                yield where, "deletionRules: found a policy twice for one state of the job"
            if sorted(ttl for _, ttl in rules) != [ttl for _, ttl in sorted(rules)]:
                yield where, f"deletionRules: expected ttlSeconds in the order {DELETIONS}"


def managed_by(objects: list[Object]) -> Found:
    """The operator leaves alone, without a word, what somebody else manages."""
    for found in of_kind(objects, "RayJob", "RayCluster"):
        manager = found["spec"].get("managedBy", OPERATOR)
        if manager != OPERATOR:
            yield name_of(found), f"managedBy: found {manager}; expected {OPERATOR}"


def job_cluster(objects: list[Object]) -> Found:
    """A job has a cluster of its own, or selects one by its name."""
    for where, job in ray_jobs(objects):
        own, selected = "rayClusterSpec" in job, job.get("clusterSelector", {})
        if own == bool(selected):
            yield where, "expected one of rayClusterSpec and clusterSelector"
        if selected and not selected.get("ray.io/cluster"):
            yield where, "clusterSelector: expected ray.io/cluster: NAME"
        if selected and job.get("suspend"):
            yield where, "a job with clusterSelector cannot be suspended"
        if selected and job.get("backoffLimit"):
            yield where, "a job with clusterSelector has no backoffLimit: no cluster is made anew"
        if selected and job.get("submissionMode") == "SidecarMode":
            yield where, "a job with clusterSelector has no head of its own for SidecarMode"
        if "upgradeStrategy" in _cluster(job):
            yield where, "upgradeStrategy: the cluster of a job is never upgraded"


def job_submission(objects: list[Object]) -> Found:
    """How the job reaches the cluster, and what that way allows."""
    for where, job in ray_jobs(objects):
        mode = job.get("submissionMode", "K8sJobMode")
        tries = job.get("backoffLimit", 0)
        if mode not in SUBMISSION_MODES:
            yield where, f"submissionMode: found {mode}; expected {', '.join(SUBMISSION_MODES)}"
        if tries < 0:
            yield where, f"backoffLimit: found {tries}; expected 0 or more"
        if mode == "InteractiveMode" and tries:
            yield where, "InteractiveMode has no backoffLimit"
        if mode == "SidecarMode" and {"submitterPodTemplate", "submitterConfig"} & set(job):
            yield where, "SidecarMode has no submitter"
        head = _cluster(job).get("headGroupSpec", {}).get("template", {}).get("spec", {})
        if mode == "SidecarMode" and head.get("restartPolicy", "Never") != "Never":
            yield where, "SidecarMode expects restartPolicy Never of the head"
        for field in {"entrypointNumCpus", "entrypointNumGpus", "entrypointResources"} & set(job):
            yield where, f"{field}: the driver may then run on a worker, not on the head"
        template = job.get("submitterPodTemplate", {}).get("spec", {})
        if template and template.get("restartPolicy") not in ("Never", "OnFailure"):
            yield where, "submitterPodTemplate: expected restartPolicy Never or OnFailure"
        if job.get("activeDeadlineSeconds", 1) <= 0:
            yield where, "activeDeadlineSeconds: expected more than 0"


def runtime_env(objects: list[Object]) -> Found:
    """The runtime environment is a mapping, and installs nothing: that is in the image."""
    for where, job in ray_jobs(objects):
        given = yaml.safe_load(job.get("runtimeEnvYAML", "{}"))
        if not isinstance(given, dict):
            yield where, "runtimeEnvYAML: expected a mapping"
        elif found := {"pip", "conda", "uv", "container", "image_uri"} & set(given):
            yield where, f"runtimeEnvYAML: found {', '.join(sorted(found))}; put it into the image"


def start_params(objects: list[Object]) -> Found:
    """What ``ray start`` is told does not contradict the group."""
    for where, cluster in ray_clusters(objects):
        for group in _groups(cluster):
            params = group.get("rayStartParams", {})
            doubled = {"num-cpus", "num-gpus", "memory", "resources"} & set(params)
            if doubled and group.get("resources"):
                yield where, f"found resources, and {', '.join(sorted(doubled))} in rayStartParams"
            if "labels" in params:
                yield where, "found labels in rayStartParams; expected them in the group"
            if "redis-password" in params or "redis-username" in params:
                yield where, "found Redis in rayStartParams; expected gcsFaultToleranceOptions"


def replicas(objects: list[Object]) -> Found:
    """minReplicas <= replicas <= maxReplicas; groups have names of their own."""
    for where, cluster in ray_clusters(objects):
        workers = cluster.get("workerGroupSpecs", [])
        for group in workers:
            least, most = group.get("minReplicas", 0), group.get("maxReplicas", 2**31 - 1)
            number = group.get("replicas", least)
            if not 0 <= least <= number <= most or not most:
                yield where, f"{group['groupName']}: found {least} <= {number} <= {most} replicas"
            if not cluster.get("enableInTreeAutoscaling") and not least == number == most:
                yield where, f"{group['groupName']}: without autoscaling expected one number"
        names = [group["groupName"] for group in workers]
        if len(set(names)) < len(names) or {"head", "headgroup"} & set(names):
            yield where, f"found the worker groups {names}; expected names of their own, not head"


def autoscaler(objects: list[Object]) -> Found:
    """Autoscaler v2 replaces pods itself: they may not restart. Its options need it."""
    for where, cluster in ray_clusters(objects):
        scales, options = cluster.get("enableInTreeAutoscaling"), cluster.get("autoscalerOptions")
        if options and not scales:
            yield where, "found autoscalerOptions without enableInTreeAutoscaling: true"
        v2 = bool(scales and options and options.get("version") == "v2")
        for group in cluster.get("workerGroupSpecs", []):
            for field in {"idleTimeoutSeconds", "priority"} & set(group):
                if not v2:
                    yield where, f"{group['groupName']}: {field} needs autoscaler v2"
        for timed in [options or {}, *cluster.get("workerGroupSpecs", [])]:
            if (idle := timed.get("idleTimeoutSeconds", 0)) < 0:
                yield where, f"idleTimeoutSeconds: found {idle}; expected 0 or more"
        for group in _groups(cluster):
            spec = group["template"]["spec"]
            policy = spec.get("restartPolicy", "Never")
            if v2 and policy != "Never":
                yield where, f"restartPolicy: found {policy}; autoscaler v2 expects Never"
            if scales and group.get("suspend"):
                yield where, "a worker group cannot be suspended with an autoscaler"
            names = {variable["name"] for variable in spec["containers"][0].get("env", [])}
            if "RAY_enable_autoscaler_v2" in names:
                yield where, "found RAY_enable_autoscaler_v2; expected autoscalerOptions.version"
            if {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME"} & names:
                yield where, "found Redis in env; expected gcsFaultToleranceOptions"


def ray_token(objects: list[Object]) -> Found:
    """Who reaches a Ray cluster needs its token; Ray knows tokens since 2.52."""
    for where, cluster in ray_clusters(objects):
        if cluster.get("authOptions", {}).get("mode") != "token":
            yield where, "expected authOptions.mode: token"
        if cluster.get("authOptions", {}).get("enableK8sTokenAuth"):
            yield where, "found enableK8sTokenAuth, which a RayJob cannot have"
        version = tuple(map(int, re.findall(r"\d+", cluster.get("rayVersion", ""))[:2]))
        if version < TOKENS_SINCE:
            yield where, f"rayVersion: found {cluster.get('rayVersion')}; tokens need 2.52"


def ray_first(objects: list[Object]) -> Found:
    """The first container is Ray's, its command is KubeRay's to write, and it has a dashboard."""
    for where, cluster in ray_clusters(objects):
        ports = cluster["headGroupSpec"]["template"]["spec"]["containers"][0].get("ports", [])
        if ports and "dashboard" not in {port.get("name") for port in ports}:
            yield where, "head: expected a port named dashboard; without it no job is submitted"
        for group in _groups(cluster):
            first = group["template"]["spec"]["containers"][0]
            if not first["name"].startswith("ray-"):
                yield where, f"found {first['name']} as first container; expected Ray's, ray-..."
            if "command" in first or "args" in first:
                yield where, f"{first['name']}: found a command; KubeRay writes ray start there"
    for where, job in ray_jobs(objects):
        submitter = job.get("submitterPodTemplate", {}).get("spec", {}).get("containers", [{}])[0]
        if "command" in submitter:
            yield where, "submitter: found a command; KubeRay writes ray job submit there"


def queue(objects: list[Object]) -> Found:
    """What waits in a queue of Kueue has a fixed size, ends, and names a queue that is there."""
    queues = {found["metadata"]["name"] for found in of_kind(objects, "LocalQueue")}
    for found in of_kind(objects, "RayJob", "RayCluster"):
        name = found["metadata"].get("labels", {}).get(QUEUE)
        if name is None:
            continue
        where, spec = name_of(found), found["spec"]
        cluster = spec if found["kind"] == "RayCluster" else spec.get("rayClusterSpec", {})
        if name not in queues:
            yield where, f"{QUEUE}: found {name}; expected one of {sorted(queues)}"
        if found["kind"] == "RayJob" and not spec.get("shutdownAfterJobFinishes"):
            yield where, "Kueue expects shutdownAfterJobFinishes"
        if cluster.get("enableInTreeAutoscaling"):
            yield where, "Kueue admits a fixed size; expected no autoscaling"


def alpha(objects: list[Object]) -> Found:
    """What is behind a feature gate of the operator says so, or is not there."""
    for found in of_kind(objects, "RayCronJob"):
        if found["metadata"].get("annotations", {}).get("raypipe/stability") != "alpha":
            yield name_of(found), "RayCronJob is alpha; expected raypipe/stability: alpha"
        if found["spec"].get("jobTemplate", {}).get("suspend"):
            yield name_of(found), "jobTemplate.suspend: its RayJobs would never start"
    for where, cluster in ray_clusters(objects):
        for field in {"networkPolicy", "tlsOptions", "historyServerOptions"} & set(cluster):
            yield where, f"found {field}, which the operator refuses without its feature gate"


def _cluster(job: Object) -> Object:
    return job.get("rayClusterSpec", {})


def _groups(cluster: Object) -> list[Object]:
    return [cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", [])]
