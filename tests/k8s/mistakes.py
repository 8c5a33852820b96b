"""Mistakes that somebody may make one day, each with the rule that has to find it."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.k8s.objects import Object, of_kind

#: As value: the field is taken away.
GONE = object()

CLUSTER = "/spec/rayClusterSpec"
HEAD = f"{CLUSTER}/headGroupSpec"
HEAD_POD = f"{HEAD}/template/spec"
RAY = f"{HEAD_POD}/containers/0"
WORKERS = f"{CLUSTER}/workerGroupSpecs/0"
FAILURE = "/spec/jobTemplate/spec/podFailurePolicy/rules/0"
SUBMITTER = "/spec/submitterPodTemplate/spec"
CRON_POD = "/spec/jobTemplate/spec/template/spec"
CLAIM = "PersistentVolumeClaim"
POLICY = "NetworkPolicy"
RUN = "raypipe run /etc/raypipe/nightly.yaml"
ARGS = f"{CRON_POD}/containers/0/args"
CONFIG = "/data/nightly.yaml"
HEAD_PORT = "/spec/headGroupSpec/template/spec/containers/0/ports/1/name"
HEAD_ENV = "/spec/headGroupSpec/template/spec/containers/0/env"
SCRATCH = {"name": "scratch", "mountPath": "/tmp/logs"}
HOST = {"name": "scratch", "hostPath": {"path": "/"}}
FOUR = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}


def after(ttl: int, policy: str) -> Object:
    """A rule of what is deleted after a job that went well."""
    return {"policy": policy, "condition": {"jobStatus": "SUCCEEDED", "ttlSeconds": ttl}}


WORKERS_AWAY = {"deletionRules": [after(60, "DeleteWorkers")]}
TWICE = {"deletionRules": [after(60, "DeleteCluster"), after(90, "DeleteCluster")]}
ALL_FIRST = {"deletionRules": [after(60, "DeleteSelf"), after(90, "DeleteCluster")]}


class Mistake(NamedTuple):
    """One change of one object of a rendered overlay.

    Attributes:
        rule: that finds it.
        overlay: which is right without the change.
        kind: of the object; of several, the first one, or the one called ``name``.
        place: a JSON pointer; its last part may be new, ``-`` is behind the end of a list.
        value: what stands there then.
        name: of the object.
    """

    rule: str
    overlay: str
    kind: str
    place: str
    value: Any
    name: str | None = None


MISTAKES = (
    # What no schema knows.
    Mistake("known_kind", "sweep", "RayJob", "/kind", "RayJobb"),
    Mistake("known_kind", "nightly", "CronJob", "/apiVersion", "batch/v1beta1"),
    Mistake("known_kind", "sweep", CLAIM, "/kind", "Bucket"),
    # Typing errors, at any depth.
    Mistake("schema", "sweep", "RayJob", "/spec/entryPoint", "raypipe run"),
    Mistake("schema", "sweep", "RayJob", f"{RAY}/resources/limit", {"cpu": "1"}),
    Mistake("schema", "sweep", "RayJob", f"{HEAD}/rayStartParams/num-cpus", 0),
    Mistake("schema", "sweep", "RayJob", f"{CLUSTER}/autoscalerOptions/version", "v3"),
    Mistake("schema", "sweep", "RayJob", f"{WORKERS}/groupName", GONE),
    Mistake("schema", "sweep", "RayJob", f"{HEAD}/template/metadata/label", {"a": "b"}),
    Mistake("schema", "cluster", "RayCluster", "/metadata/lables", {"a": "b"}),
    Mistake("schema", "nightly", "CronJob", f"{CRON_POD}/containers/0/imagePull", "Always"),
    Mistake("schema", "nightly", "CronJob", "/spec/startingDeadlineSeconds", "4h"),
    Mistake("schema", "toolbox", "Pod", "/spec/containers/0/name", GONE),
    Mistake("schema", "kueue", "LocalQueue", "/spec/clusterqueue", "raypipe"),
    Mistake("schema", "raycronjob-alpha", "RayCronJob", "/spec/concurrencyPolicy", "Forbid"),
    # KubeRay: names, ends, submission.
    Mistake("ray_name", "sweep", "RayJob", "/metadata/name", "raypipe-sweep-of-" + "m" * 31),
    Mistake("ray_name", "cluster", "RayCluster", "/metadata/name", "raypipe_cluster"),
    Mistake("ray_name", "nightly", "CronJob", f"{ARGS}/5", "n" * 40),
    Mistake("job_end", "sweep", "RayJob", "/spec/shutdownAfterJobFinishes", False),
    Mistake("job_end", "nightly", "RayJob", "/spec/shutdownAfterJobFinishes", GONE),
    Mistake("job_end", "sweep", "RayJob", "/spec/ttlSecondsAfterFinished", -1),
    Mistake(
        "job_end",
        "sweep",
        "RayJob",
        "/spec/deletionStrategy",
        {"deletionRules": [{"policy": "DeleteSelf", "condition": {"jobStatus": "SUCCEEDED"}}]},
    ),
    Mistake("deletion", "sweep", "RayJob", "/spec/deletionStrategy", WORKERS_AWAY),
    Mistake("deletion", "nightly", "RayJob", "/spec/deletionStrategy", TWICE),
    Mistake("deletion", "nightly", "RayJob", "/spec/deletionStrategy", ALL_FIRST),
    Mistake("managed_by", "cluster", "RayCluster", "/spec/managedBy", "kueue.x-k8s.io/multikueue"),
    Mistake("job_cluster", "sweep", "RayJob", CLUSTER, GONE),
    Mistake("job_cluster", "nightly", "RayJob", f"{CLUSTER}/upgradeStrategy", {"type": "Recreate"}),
    Mistake("job_cluster", "sweep", "RayJob", "/spec/clusterSelector", {"ray.io/cluster": "a"}),
    Mistake("job_cluster", "nightly", "RayJob", "/spec/clusterSelector", {"ray.io/name": "a"}),
    Mistake("job_submission", "sweep", "RayJob", "/spec/submissionMode", "K8SJobMode"),
    Mistake("job_submission", "sweep", "RayJob", "/spec/submissionMode", "SidecarMode"),
    Mistake("job_submission", "nightly", "RayJob", "/spec/submissionMode", "InteractiveMode"),
    Mistake("job_submission", "sweep", "RayJob", "/spec/activeDeadlineSeconds", 0),
    Mistake("job_submission", "sweep", "RayJob", "/spec/backoffLimit", -1),
    Mistake("job_submission", "sweep", "RayJob", f"{SUBMITTER}/restartPolicy", "Always"),
    Mistake("job_submission", "nightly", "RayJob", "/spec/entrypointNumCpus", 1),
    Mistake("runtime_env", "sweep", "RayJob", "/spec/runtimeEnvYAML", "pip: [requests]"),
    Mistake("runtime_env", "sweep", "RayJob", "/spec/runtimeEnvYAML", "- working_dir"),
    # KubeRay: the cluster.
    Mistake("start_params", "sweep", "RayJob", f"{HEAD}/resources", {"CPU": "2"}),
    Mistake("start_params", "sweep", "RayJob", f"{HEAD}/rayStartParams/labels", "a=b"),
    Mistake("start_params", "sweep", "RayJob", f"{HEAD}/rayStartParams/redis-password", "a"),
    Mistake("replicas", "sweep", "RayJob", f"{WORKERS}/maxReplicas", 0),
    Mistake("replicas", "sweep", "RayJob", f"{WORKERS}/minReplicas", 5),
    Mistake("replicas", "nightly", "RayJob", f"{WORKERS}/maxReplicas", 9),
    Mistake("replicas", "cluster", "RayCluster", "/spec/workerGroupSpecs/0/groupName", "head"),
    Mistake("replicas", "nightly", "RayJob", f"{WORKERS}/minReplicas", GONE),
    Mistake("autoscaler", "sweep", "RayJob", f"{HEAD_POD}/restartPolicy", "Always"),
    Mistake("autoscaler", "nightly", "RayJob", f"{WORKERS}/idleTimeoutSeconds", 60),
    Mistake("autoscaler", "nightly", "RayJob", f"{WORKERS}/priority", 1),
    Mistake("autoscaler", "sweep", "RayJob", f"{CLUSTER}/autoscalerOptions/idleTimeoutSeconds", -1),
    Mistake("autoscaler", "sweep", "RayJob", f"{CLUSTER}/enableInTreeAutoscaling", False),
    Mistake(
        "autoscaler",
        "sweep",
        "RayJob",
        f"{RAY}/env/-",
        {"name": "RAY_enable_autoscaler_v2", "value": "1"},
    ),
    Mistake("autoscaler", "sweep", "RayJob", f"{WORKERS}/suspend", True),
    Mistake("autoscaler", "sweep", "RayJob", f"{RAY}/env/0/name", "REDIS_PASSWORD"),
    Mistake("ray_token", "cluster", "RayCluster", "/spec/authOptions/mode", "disabled"),
    Mistake("ray_token", "nightly", "RayJob", f"{CLUSTER}/authOptions", GONE),
    Mistake("ray_token", "sweep", "RayJob", f"{CLUSTER}/rayVersion", "2.50.0"),
    Mistake("ray_token", "nightly", "RayJob", f"{CLUSTER}/authOptions/enableK8sTokenAuth", True),
    Mistake("ray_first", "cluster", "RayCluster", HEAD_PORT, "http"),
    Mistake("ray_first", "sweep", "RayJob", f"{RAY}/name", "sidecar"),
    Mistake("ray_first", "sweep", "RayJob", f"{RAY}/command", ["sleep", "1"]),
    Mistake("ray_first", "sweep", "RayJob", f"{SUBMITTER}/containers/0/command", ["true"]),
    Mistake("queue", "kueue", "LocalQueue", "/metadata/name", "other"),
    Mistake("queue", "kueue", "RayJob", f"{CLUSTER}/enableInTreeAutoscaling", True),
    Mistake("queue", "kueue", "RayJob", "/spec/shutdownAfterJobFinishes", False),
    Mistake("alpha", "raycronjob-alpha", "RayCronJob", "/metadata/annotations", GONE),
    Mistake("alpha", "raycronjob-alpha", "RayCronJob", "/spec/jobTemplate/suspend", True),
    Mistake("alpha", "sweep", "RayJob", f"{CLUSTER}/networkPolicy", {"mode": "DenyAll"}),
    # Images and resources.
    Mistake("image", "sweep", "RayJob", f"{RAY}/image", "registry.example.com/raypipe:latest"),
    Mistake("image", "sweep", "RayJob", f"{RAY}/image", "registry.example.com:5000/raypipe"),
    Mistake("image", "sweep", "RayJob", f"{RAY}/image", "rayproject/ray:2.60.0"),
    Mistake("image", "sweep", "RayJob", f"{SUBMITTER}/containers/0/image", "example.com/a:1"),
    Mistake("resources", "sweep", "RayJob", f"{RAY}/resources/limits", GONE),
    Mistake("resources", "sweep", "RayJob", f"{RAY}/resources/requests/memory", "1Gi"),
    Mistake("resources", "sweep", "RayJob", f"{RAY}/resources/requests/cpu", "2500m"),
    Mistake("resources", "sweep", "RayJob", f"{CLUSTER}/autoscalerOptions/resources", GONE),
    Mistake("resources", "sweep", "RayJob", f"{SUBMITTER}/containers/0/resources", GONE),
    Mistake("object_store", "sweep", "RayJob", f"{RAY}/resources", FOUR),
    Mistake("object_store", "nightly", "RayJob", f"{WORKERS}/rayStartParams", {}),
    # Security.
    Mistake("container_security", "sweep", "RayJob", f"{RAY}/securityContext", GONE),
    Mistake(
        "container_security", "sweep", "RayJob", f"{CLUSTER}/autoscalerOptions/securityContext", {}
    ),
    Mistake(
        "container_security",
        "sweep",
        "RayJob",
        f"{HEAD_POD}/initContainers",
        [{"name": "fetch", "image": "registry.example.com/raypipe:0.1.0", "resources": FOUR}],
    ),
    Mistake(
        "container_security",
        "toolbox",
        "Pod",
        "/spec/containers/0/securityContext/readOnlyRootFilesystem",
        False,
    ),
    Mistake("pod_security", "sweep", "RayJob", f"{SUBMITTER}/securityContext", GONE),
    Mistake("pod_security", "sweep", "RayJob", f"{HEAD_POD}/securityContext/runAsUser", 0),
    Mistake("pod_security", "toolbox", "Pod", "/spec/hostNetwork", True),
    Mistake("pod_security", "toolbox", "Pod", "/spec/volumes/2", HOST),
    Mistake("writable", "sweep", "RayJob", f"{RAY}/volumeMounts/4/mountPath", "/caches"),
    Mistake("writable", "sweep", "RayJob", f"{HEAD_POD}/volumes/2/emptyDir", {}),
    Mistake("writable", "sweep", "RayJob", f"{RAY}/volumeMounts/3/mountPath", "/tmp/logs"),
    Mistake("writable", "sweep", "RayJob", f"{CLUSTER}/autoscalerOptions/volumeMounts/1", SCRATCH),
    Mistake("account_token", "sweep", "RayJob", f"{SUBMITTER}/automountServiceAccountToken", GONE),
    Mistake("account_token", "sweep", "RayJob", f"{HEAD}/template/metadata/labels", {}),
    Mistake("account_token", "cluster", "ServiceAccount", "/automountServiceAccountToken", GONE),
    Mistake("account_token", "toolbox", "Pod", "/spec/serviceAccountName", GONE),
    Mistake("rbac", "nightly", "Role", "/rules/0/verbs", ["*"]),
    Mistake("rbac", "nightly", "Role", "/rules/1/verbs", ["create", "delete"]),
    Mistake("rbac", "nightly", "Role", "/rules/0/resources", ["secrets"]),
    Mistake("rbac", "nightly", "Role", "/kind", "ClusterRole"),
    Mistake("rbac", "nightly", "RoleBinding", "/subjects/0/name", "raypipe"),
    Mistake("network", "sweep", POLICY, "/spec/egress", [{}], "default-deny"),
    Mistake("network", "sweep", POLICY, "/spec/ingress/0/from", GONE, "job-server"),
    Mistake("network", "sweep", POLICY, "/spec/ingress/0/from/1/podSelector", GONE, "job-server"),
    Mistake("network", "sweep", POLICY, "/spec/ingress/0/ports/0/port", 10001, "job-server"),
    Mistake("network", "sweep", POLICY, "/spec/podSelector", {}, "api-server"),
    Mistake("network", "sweep", POLICY, "/spec/policyTypes", GONE, "dns"),
    Mistake("rejections", "toolbox", "Pod", "/metadata/labels", {}),
    Mistake("rejections", "cluster", "RayCluster", HEAD_ENV, []),
    Mistake("network", "sweep", POLICY, "/spec/podSelector", {}, "rejections"),
    Mistake("namespace", "sweep", "Namespace", "/metadata/labels", {"app": "raypipe"}),
    Mistake("namespace", "sweep", "RayJob", "/metadata/namespace", "default"),
    Mistake(
        "no_secret", "sweep", "RayJob", f"{RAY}/env/0", {"name": "PGPASSWORD", "value": "hunter2"}
    ),
    Mistake("no_secret", "sweep", "ConfigMap", "/kind", "Secret"),
    Mistake("no_secret", "sweep", "ConfigMap", "/data/key", "-----BEGIN PRIVATE KEY-----"),
    Mistake(
        "no_secret",
        "sweep",
        "ConfigMap",
        CONFIG,
        "feedback: {url: 'postgresql+psycopg://ann:hunter2@db/raypipe'}",
    ),
    # Time, places, what runs.
    Mistake("deadline", "sweep", "RayJob", "/spec/activeDeadlineSeconds", GONE),
    Mistake("deadline", "nightly", "RayJob", "/spec/backoffLimit", 5),
    Mistake("deadline", "nightly", "RayJob", f"{SUBMITTER}/activeDeadlineSeconds", GONE),
    Mistake("deadline", "nightly", "CronJob", "/spec/jobTemplate/spec/activeDeadlineSeconds", GONE),
    Mistake("deadline", "toolbox", "Pod", "/spec/activeDeadlineSeconds", GONE),
    Mistake("schedule", "nightly", "CronJob", "/spec/concurrencyPolicy", "Replace"),
    Mistake("schedule", "nightly", "CronJob", "/spec/timeZone", "Europe/Berlinn"),
    Mistake("schedule", "nightly", "CronJob", "/spec/timeZone", "Europe/Berlin"),
    Mistake("schedule", "nightly", "CronJob", "/spec/schedule", "30 25 * * *"),
    Mistake("schedule", "nightly", "CronJob", "/spec/schedule", "30 1 * * 7"),
    Mistake("schedule", "nightly", "CronJob", "/spec/schedule", "30 5-3 * * *"),
    Mistake("schedule", "raycronjob-alpha", "RayCronJob", "/spec/schedule", "every night"),
    Mistake("schedule", "nightly", "CronJob", "/spec/startingDeadlineSeconds", GONE),
    Mistake("retries", "one-node", "CronJob", "/spec/jobTemplate/spec/podFailurePolicy", GONE),
    Mistake("retries", "one-node", "CronJob", f"{FAILURE}/onExitCodes/values", [65, 70, 78]),
    Mistake("retries", "one-node", "CronJob", f"{FAILURE}/onExitCodes/values/-", 75),
    Mistake("retries", "one-node", "CronJob", f"{FAILURE}/action", "Ignore"),
    Mistake("data_volume", "sweep", CLAIM, "/spec/accessModes", ["ReadWriteOnce"]),
    Mistake("data_volume", "sweep", "RayJob", f"{RAY}/volumeMounts/0/mountPath", "/mnt"),
    Mistake("reference", "sweep", "RayJob", f"{HEAD_POD}/volumes/1/configMap/name", "raypipe-conf"),
    Mistake("reference", "sweep", "RayJob", f"{HEAD_POD}/serviceAccountName", "raypipe-scaler"),
    Mistake("reference", "sweep", "RayJob", f"{RAY}/volumeMounts/2/name", "scrath"),
    Mistake("reference", "nightly", "RoleBinding", "/subjects/0/name", "raypipe-night"),
    Mistake("reference", "nightly", "ServiceAccount", "/metadata/name", "raypipe-night-starter"),
    Mistake("ray_version", "nightly", "RayJob", f"{CLUSTER}/rayVersion", "2.59.0"),
    Mistake("raypipe_version", "toolbox", "Pod", "/spec/containers/0/image", "a.io/raypipe:9"),
    Mistake("entrypoint", "sweep", "RayJob", "/spec/entrypoint", "raypipe swep"),
    Mistake("entrypoint", "sweep", "RayJob", "/spec/entrypoint", "python -m raypipe"),
    Mistake("entrypoint", "nightly", "RayJob", "/spec/entrypoint", "raypipe run --run-dir /data"),
    Mistake("entrypoint", "nightly", "RayJob", "/spec/entrypoint", "raypipe run /etc/nightly.yaml"),
    Mistake("entrypoint", "nightly", "RayJob", "/spec/entrypoint", RUN),
    Mistake("entrypoint", "nightly", "RayJob", "/spec/entrypoint", f"{RUN} --runs-dir\n/data/runs"),
    Mistake("entrypoint", "nightly", "RayJob", "/spec/entrypoint", f"{RUN} --runs-dir /data/$RUNS"),
    Mistake("entrypoint", "nightly", "ConfigMap", CONFIG, "similar: {neighbors: 9}"),
    Mistake("entrypoint", "nightly", "ConfigMap", CONFIG, "cluster: local"),
    Mistake("entrypoint", "nightly", "ConfigMap", CONFIG, "input: {follows: a.csv}"),
    Mistake("entrypoint", "sweep", "ConfigMap", "/data/sweep.yaml", "seed: 1"),
)  # fmt: skip


def make(mistake: Mistake, objects: list[Object]) -> None:
    """Change the objects as the mistake says."""
    named = [
        found
        for found in of_kind(objects, mistake.kind)
        if mistake.name in (None, found["metadata"]["name"])
    ]
    *above, last = mistake.place.strip("/").split("/")
    node = named[0]
    for part in above:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if last == "-":
        node.append(mistake.value)
    elif mistake.value is GONE:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = mistake.value
