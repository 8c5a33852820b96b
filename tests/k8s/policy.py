"""What this project asks of its manifests, beside what the servers ask."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator

from raypipe.errors import (
    ClusterError,
    ConfigError,
    HeldError,
    InputError,
    LeakError,
    RunsLockedError,
)
from tests.k8s.objects import (
    Object,
    containers,
    name_of,
    of_kind,
    pods,
    quantity,
    ray_clusters,
    ray_jobs,
    walk,
)

Found = Iterator[tuple[str, str]]

SECRET = re.compile(r"password|passwd|token|secret|api_?key|credential", re.IGNORECASE)
URL_WITH_PASSWORD = re.compile(r"\w+://[^\s/:@]+:[^\s/@]+@")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
RESTRICTED_VOLUMES = {
    "configMap",
    "downwardAPI",
    "emptyDir",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
HOST = ("hostNetwork", "hostPID", "hostIPC")
API_SERVER = ("raypipe/api-server", "allowed")
REJECTIONS = ("raypipe/rejections", "allowed")
DAY = 24 * 3600


def image(objects: list[Object]) -> Found:
    """One image, from a registry that is named, pinned by digest or by a tag that is not latest."""
    images = {}
    for where, container in containers(objects):
        if "image" in container:
            images[container["image"]] = where
    for name, where in images.items():
        repository, _, digest = name.partition("@")
        host, slash, rest = repository.partition("/")
        tag = rest.partition(":")[2]
        if not slash or "." not in host:
            yield where, f"found {name}; expected the registry's name in front"
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) and tag in ("", "latest"):
            yield where, f"found {name}; expected a digest, or a tag that is not latest"
    if len(images) > 1:
        yield "all", f"found {sorted(images)}; expected one image, set in k8s/image"


def resources(objects: list[Object]) -> Found:
    """Requests and limits of CPU and memory, everywhere; memory is not lent."""
    for where, container in containers(objects):
        given = container.get("resources", {})
        for kind in ("cpu", "memory"):
            request, limit = (given.get(part, {}).get(kind) for part in ("requests", "limits"))
            if request is None or limit is None:
                yield where, f"expected a request and a limit of {kind}"
            elif quantity(request) > quantity(limit):
                yield where, f"{kind}: found a request of {request} above the limit of {limit}"
            elif kind == "memory" and quantity(request) != quantity(limit):
                yield where, f"memory: found {request} and {limit}; expected the same"


def object_store(objects: list[Object]) -> Found:
    """Ray's object store has about 30 % of a node's memory."""
    for where, cluster in ray_clusters(objects):
        for group in [cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", [])]:
            store = group.get("rayStartParams", {}).get("object-store-memory", "0")
            ray = group["template"]["spec"]["containers"][0]
            limit = quantity(ray.get("resources", {}).get("limits", {}).get("memory", 0))
            if not limit * 0.2 <= quantity(store) <= limit * 0.4:
                yield where, f"object-store-memory: found {store}; expected 30 % of {limit:.0f}"


def container_security(objects: list[Object]) -> Found:
    """No container may become more than it is, or write where it does not say."""
    for where, container in containers(objects):
        given = container.get("securityContext", {})
        for field, wanted in (
            ("allowPrivilegeEscalation", False),
            ("readOnlyRootFilesystem", True),
            ("runAsNonRoot", True),
            ("capabilities", {"drop": ["ALL"]}),
            ("seccompProfile", {"type": "RuntimeDefault"}),
        ):
            if given.get(field) != wanted:
                yield where, f"securityContext.{field}: found {given.get(field)}, not {wanted}"


def pod_security(objects: list[Object]) -> Found:
    """The pod as the profile `restricted` wants it, and no user of uid 0."""
    for pod in pods(objects):
        given = pod.spec.get("securityContext", {})
        if given.get("runAsNonRoot") is not True or not given.get("runAsUser"):
            yield pod.where, "expected runAsNonRoot and runAsUser"
        if given.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield pod.where, "expected seccompProfile RuntimeDefault"
        if "fsGroup" not in given:
            yield pod.where, "expected fsGroup: else /data belongs to root"
        for field in HOST:
            if pod.spec.get(field):
                yield pod.where, f"found {field}"
        for volume in pod.spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if kinds - RESTRICTED_VOLUMES:
                yield pod.where, f"volume {volume['name']}: found {sorted(kinds)}"


def writable(objects: list[Object]) -> Found:
    """Under a read-only root: /tmp for Ray, /cache for HOME and numba; each of a limited size."""
    for pod in pods(objects):
        sizes = {
            volume["name"]: volume["emptyDir"].get("sizeLimit")
            for volume in pod.spec.get("volumes", [])
            if "emptyDir" in volume
        }
        for name, size in sizes.items():
            if size is None:
                yield pod.where, f"emptyDir {name}: expected a sizeLimit"
        needed = {"ray-head": {"/tmp", "/cache"}, "submitter": {"/tmp"}}
        needed["ray-worker"] = needed["Pod"] = needed["ray-head"]
        for container in pod.spec["containers"]:
            mounts = container.get("volumeMounts", [])
            places = {mount["mountPath"] for mount in mounts if mount["name"] in sizes}
            if missing := needed.get(pod.role, set()) - places:
                yield pod.where, f"{container['name']}: no emptyDir at {sorted(missing)}"
    for where, cluster in ray_clusters(objects):
        head = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]
        for container in [head, cluster.get("autoscalerOptions", {})]:
            places = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
            if cluster.get("enableInTreeAutoscaling") and "/tmp/ray" not in places:
                yield where, "expected a mount at /tmp/ray; KubeRay's own has no sizeLimit"


def deadline(objects: list[Object]) -> Found:
    """Nothing waits or runs for ever; all tries of a night end before the next one begins."""
    for where, job in ray_jobs(objects):
        for field in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
            if field not in job:
                yield where, f"expected {field}"
        submitter = job.get("submitterPodTemplate", {}).get("spec", {})
        if "activeDeadlineSeconds" not in submitter:
            yield where, "submitter: expected activeDeadlineSeconds; it waits for its cluster"
        if not job.get("shutdownAfterJobFinishes"):
            yield where, "expected shutdownAfterJobFinishes: its cluster would stay"
        tries = job.get("backoffLimit", 0) + 1
        most = job.get("activeDeadlineSeconds", 0) + job.get("preRunningDeadlineSeconds", 0)
        if "night" in where and tries * most > DAY:
            yield where, f"found {tries} tries of {most} s; expected less than a day"
    for cron in of_kind(objects, "CronJob"):
        job = cron["spec"]["jobTemplate"]["spec"]
        if "activeDeadlineSeconds" not in job or "backoffLimit" not in job:
            yield name_of(cron), "expected activeDeadlineSeconds and backoffLimit"
    for pod in of_kind(objects, "Pod"):
        if "activeDeadlineSeconds" not in pod["spec"]:
            yield name_of(pod), "expected activeDeadlineSeconds"


def schedule(objects: list[Object]) -> Found:
    """One night at a time, at a time that exists, in a time zone that is named."""
    for cron in of_kind(objects, "CronJob", "RayCronJob"):
        spec, where = cron["spec"], name_of(cron)
        if not _is_schedule(spec["schedule"]):
            yield where, f"schedule: found {spec['schedule']!r}; expected five fields of numbers"
        zone = spec.get("timeZone")
        if zone not in zoneinfo.available_timezones():
            yield where, f"timeZone: found {zone}; expected one as Europe/Berlin"
        if cron["kind"] == "RayCronJob":
            continue
        if spec.get("concurrencyPolicy") != "Forbid":
            yield where, f"concurrencyPolicy: found {spec.get('concurrencyPolicy')}, not Forbid"
        # Below 10 s the controller, which looks every 10 s, may never see it.
        if not 600 <= spec.get("startingDeadlineSeconds", 0) < DAY / 4:
            yield where, "startingDeadlineSeconds: expected 10 minutes to 6 hours"
        args = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].get("args")
        if args and args[args.index("--time-zone") + 1] != zone:
            yield where, f"--time-zone: expected {zone}, as timeZone: else nights get a wrong date"


def retries(objects: list[Object]) -> Found:
    """A night on one node is not tried again where that changes nothing: a held run, bad data."""
    final = {error.exit_code for error in (HeldError, InputError, LeakError, ConfigError)}
    for cron in of_kind(objects, "CronJob"):
        job = cron["spec"]["jobTemplate"]["spec"]
        pod = job["template"]["spec"]
        for container in pod["containers"]:
            if container.get("command", [""])[0] != "raypipe":
                continue
            codes = {
                code
                for rule in job.get("podFailurePolicy", {}).get("rules", [])
                if rule["action"] == "FailJob"
                and rule.get("onExitCodes", {}).get("operator") == "In"
                and rule["onExitCodes"].get("containerName") in (None, container["name"])
                for code in rule["onExitCodes"]["values"]
            }
            if missing := sorted(final - codes):
                yield name_of(cron), f"podFailurePolicy: expected FailJob for {missing}"
            if kept := sorted(codes & {RunsLockedError.exit_code, ClusterError.exit_code}):
                yield name_of(cron), f"podFailurePolicy: {kept} may be tried again"
        if pod.get("restartPolicy") != "Never":
            yield name_of(cron), "restartPolicy: expected Never, as podFailurePolicy needs it"


def _is_schedule(text: str) -> bool:
    """Numbers, ranges, lists and steps, as Kubernetes reads them; no @daily, no names.

    Example:
        >>> [_is_schedule(text) for text in ("30 1 * * 1-5", "*/15 1,2 * * *")]
        [True, True]
        >>> [_is_schedule(text) for text in ("30 1 * * 7", "*/0 1 * * *", "30 5-3 * * *", "1 * *")]
        [False, False, False, False]
    """
    ranges = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
    fields = text.split()
    return len(fields) == len(ranges) and all(
        _is_part(part, low, high)
        for field, (low, high) in zip(fields, ranges, strict=True)
        for part in field.split(",")
    )


def _is_part(part: str, low: int, high: int) -> bool:
    found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
    if not found:
        return False
    first, last, step = found.groups()
    first = low if first is None else int(first)
    last = first if last is None else int(last)
    return low <= first <= last <= high and (step is None or int(step) > 0)


def no_secret(objects: list[Object]) -> Found:
    """Secrets come from `kubectl create secret`; none stands in a manifest."""
    for found in objects:
        if found["kind"] == "Secret" and (found.get("data") or found.get("stringData")):
            yield name_of(found), "found a Secret with data"
        for place, node in walk(found):
            named = isinstance(node, dict) and SECRET.search(str(node.get("name", "")))
            if named and node.get("value"):
                yield f"{name_of(found)} {place}", f"{node['name']}: found a value in clear"
            if isinstance(node, str) and URL_WITH_PASSWORD.search(node):
                yield f"{name_of(found)} {place}", "found a URL with a password"
            if isinstance(node, str) and PRIVATE_KEY.search(node):
                yield f"{name_of(found)} {place}", "found a private key"


def account_token(objects: list[Object]) -> Found:
    """A pod has a token only where it calls the API server, and then the network lets it."""
    for account in of_kind(objects, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield name_of(account), "expected automountServiceAccountToken: false"
    for pod in pods(objects):
        asks = pod.spec.get("automountServiceAccountToken")
        calls = _calls(pod.labels)
        if asks is not calls:
            yield pod.where, f"automountServiceAccountToken: found {asks}; expected {calls}"
        if pod.spec.get("serviceAccountName", "default") == "default":
            yield pod.where, "expected a serviceAccountName of its own"
    for where, cluster in ray_clusters(objects):
        head = cluster["headGroupSpec"]["template"].get("metadata", {})
        if bool(cluster.get("enableInTreeAutoscaling")) is not _calls(head.get("labels", {})):
            yield where, "the head calls the API server if, and only if, it has an autoscaler"


def _calls(labels: dict[str, str]) -> bool:
    """Does a pod with these labels get to the API server?"""
    return API_SERVER in labels.items()


def rbac(objects: list[Object]) -> Found:
    """No wildcard, nothing beyond the namespace, no secrets, no way to more rights."""
    allowed = {"get", "list", "watch", "create"}
    for found in of_kind(objects, "ClusterRole", "ClusterRoleBinding"):
        yield name_of(found), "expected a Role: nothing here needs the whole cluster"
    for role in of_kind(objects, "Role"):
        for rule in role.get("rules", []):
            for field in ("apiGroups", "resources", "verbs"):
                if "*" in rule.get(field, []):
                    yield name_of(role), f"{field}: found *"
            if set(rule["verbs"]) - allowed - {"*"}:
                yield name_of(role), f"verbs: found {rule['verbs']}; expected of {sorted(allowed)}"
            if {"secrets", "pods/exec", "roles", "rolebindings"} & set(rule["resources"]):
                yield name_of(role), f"resources: found {rule['resources']}"
    callers = {pod.spec.get("serviceAccountName") for pod in pods(objects) if _calls(pod.labels)}
    for binding in of_kind(objects, "RoleBinding"):
        if others := {subject["name"] for subject in binding["subjects"]} - callers:
            yield (
                name_of(binding),
                f"found {sorted(others)}, which no pod of the API server has",
            )


def network(objects: list[Object]) -> Found:
    """Everything is denied; what is allowed names its peers or its ports; nobody gets to 10001."""
    policies = of_kind(objects, "NetworkPolicy")
    both = {"Ingress", "Egress"}
    if not any(
        policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for policy in policies
    ):
        yield "all", "expected a NetworkPolicy that denies everything to every pod"
    for policy in policies:
        where, spec = name_of(policy), policy["spec"]
        if not both & set(spec.get("policyTypes", [])):
            yield where, "expected policyTypes"
        for rule in spec.get("ingress", []):
            if not rule.get("from") or {} in rule["from"]:
                yield where, "ingress: expected from: somebody"
            peers = [peer for peer in rule.get("from", []) if "namespaceSelector" in peer]
            if any("podSelector" not in peer for peer in peers):
                yield where, "ingress: found a whole namespace; expected a podSelector beside it"
        for rule in spec.get("egress", []):
            if not rule.get("to") and not rule.get("ports"):
                yield where, "egress: expected to: somebody, or ports"
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            if any(port.get("port") == 10001 for port in rule.get("ports", [])):
                yield where, "found port 10001; Ray's client port is for nobody"
    for port, label in ((443, API_SERVER), (5432, REJECTIONS)):
        selectors = {
            str(policy["spec"]["podSelector"])
            for policy in policies
            for rule in policy["spec"].get("egress", [])
            if any(one.get("port") == port for one in rule.get("ports", []))
        }
        if selectors - {str({"matchLabels": dict([label])})}:
            yield "all", f"to port {port}: found {sorted(selectors)}; expected {label} only"


def rejections(objects: list[Object]) -> Found:
    """Who has the password of the store of rejections gets there (:func:`network`), nobody else."""
    for pod in pods(objects):
        variables = {one["name"] for one in pod.spec["containers"][0].get("env", [])}
        if ("PGPASSWORD" in variables) is not (REJECTIONS in pod.labels.items()):
            yield pod.where, f"PGPASSWORD and the label {REJECTIONS[0]}: expected both or neither"


def namespace(objects: list[Object]) -> Found:
    """All in one namespace, which enforces the profile `restricted`."""
    spaces = of_kind(objects, "Namespace")
    for space in spaces:
        labels = space["metadata"].get("labels", {})
        for mode in ("enforce", "audit", "warn"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield name_of(space), f"pod-security.kubernetes.io/{mode}: expected restricted"
    names = {space["metadata"]["name"] for space in spaces}
    for found in objects:
        if found["kind"] != "Namespace" and found["metadata"].get("namespace") not in names:
            yield name_of(found), f"expected the namespace {sorted(names)}"


def data_volume(objects: list[Object]) -> Found:
    """Several nodes write to the data, and every pod that mounts it does so at /data."""
    for claim in of_kind(objects, "PersistentVolumeClaim"):
        if claim["spec"]["accessModes"] != ["ReadWriteMany"]:
            yield name_of(claim), f"found {claim['spec']['accessModes']}; expected ReadWriteMany"
    for pod in pods(objects):
        mounted = {
            mount["mountPath"]
            for container in pod.spec["containers"]
            for mount in container.get("volumeMounts", [])
            if mount["name"] == "data"
        }
        runs = pod.spec["containers"][0].get("command", [""])[0] == "raypipe"
        wanted = {"/data"} if pod.role in ("ray-head", "ray-worker", "Pod") or runs else set()
        if mounted != wanted:
            yield pod.where, f"data: found at {sorted(mounted)}; expected {sorted(wanted)}"


def reference(objects: list[Object]) -> Found:
    """What is named is there: claims, configs, accounts, volumes, roles. Names are not doubled."""
    names = {(found["kind"], found["metadata"]["name"]) for found in objects}
    if len(names) < len(objects):
        yield "all", "found two objects of one kind and name"
    for pod in pods(objects):
        wanted = [("ServiceAccount", pod.spec.get("serviceAccountName"))]
        volumes = pod.spec.get("volumes", [])
        for volume in volumes:
            if "configMap" in volume:
                wanted.append(("ConfigMap", volume["configMap"]["name"]))
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                wanted.append(("PersistentVolumeClaim", claim))
        for kind, name in wanted:
            if (kind, name) not in names:
                yield pod.where, f"found {kind} {name}, which is not there"
        mounted = {
            mount["name"]
            for container in pod.spec["containers"]
            for mount in container.get("volumeMounts", [])
        }
        given = [volume["name"] for volume in volumes]
        if mounted != set(given) or len(given) > len(mounted):
            yield pod.where, f"found mounts {sorted(mounted)} of volumes {sorted(given)}"
    for binding in of_kind(objects, "RoleBinding"):
        role = binding["roleRef"]
        subjects = [(subject["kind"], subject["name"]) for subject in binding["subjects"]]
        for kind, name in [(role["kind"], role["name"]), *subjects]:
            if (kind, name) not in names:
                yield name_of(binding), f"found {kind} {name}, which is not there"
