"""A Kubernetes API server in a thread, as far as kubectl and the starter of nights need one.

It tells which kinds there are, keeps objects, refuses what is not as its schema says, and what is
in a namespace that is not there. Nothing runs on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.k8s.objects import Object
from tests.k8s.schemas import Schemas, crds, known_kind, schema

#: apiVersion to kind to name in URLs.
KINDS = {
    "v1": {
        "Service": "services",
        "Namespace": "namespaces",
        "ConfigMap": "configmaps",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {"Deployment": "deployments"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "batch/v1": {"CronJob": "cronjobs"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "rbac.authorization.k8s.io/v1": {"Role": "roles", "RoleBinding": "rolebindings"},
    "ray.io/v1": {"RayCluster": "rayclusters", "RayCronJob": "raycronjobs", "RayJob": "rayjobs"},
    "kueue.x-k8s.io/v1beta2": {"LocalQueue": "localqueues"},
}
#: Answer and its status.
Answer = tuple[int, Object]


class Api:
    """The objects, by the path of their URL, and every request that was made.

    Attributes:
        token: who does not send it is not let in; None lets in everybody.
    """

    def __init__(self, known: Schemas) -> None:
        self.known = known
        self.token: str | None = None
        self.objects: dict[str, Object] = {}
        self.requests: list[tuple[str, str]] = []

    def get(self, path: str) -> Answer:
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in KINDS:
            return 200, _resources(version)
        found = self.objects.get(path)
        return (200, found) if found else failure(404, "NotFound", f"{path} not found")

    def create(self, path: str, body: Object, dry: bool) -> Answer:
        place = f"{path}/{body['metadata']['name']}"
        if place in self.objects:
            return failure(409, "AlreadyExists", f"{place} already exists")
        return self.put(place, body, dry)

    def put(self, place: str, body: Object, dry: bool) -> Answer:
        """What a server-side apply does with an object of one manager: it becomes what is sent."""
        for rule in (known_kind, schema):
            for where, what in rule([body], self.known):
                return failure(422, "Invalid", f"{where}: {what}")
        space, _, below = place.partition("/namespaces/")[2].partition("/")
        if below and not dry and f"/api/v1/namespaces/{space}" not in self.objects:
            return failure(404, "NotFound", f'namespaces "{space}" not found')
        if not dry:
            self.objects[place] = body
        return 201, body


def failure(code: int, reason: str, message: str) -> Answer:
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, Api]]:
    """A server on a free port of this machine until the block ends; its URL, and what it holds.

    Args:
        folder: of the custom resources' schemas.
    """
    api = Api(crds(folder))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: in two, each answer takes 40 ms

        def do_GET(self) -> None:
            self._answer(*self._refusal() or api.get(self._path()))

        def do_POST(self) -> None:
            body = self._body()
            self._answer(*self._refusal() or api.create(self._path(), body, self._dry()))

        def do_PATCH(self) -> None:
            body, path = self._body(), self._path()
            if "apiVersion" not in body:  # a patch of some fields
                body = merged(api.get(path)[1], body)
            self._answer(*self._refusal() or api.put(path, body, self._dry()))

        def log_message(self, *_: object) -> None:
            """Not to the screen: the requests are kept."""

        def _refusal(self) -> Answer | None:
            if api.token in (None, self.headers.get("Authorization", "").removeprefix("Bearer ")):
                return None
            return failure(401, "Unauthorized", "Unauthorized")

        def _path(self) -> str:
            path = urlsplit(self.path).path
            api.requests.append((self.command, path))
            return path

        def _dry(self) -> bool:
            return "dryRun" in parse_qs(urlsplit(self.path).query)

        def _body(self) -> Object:
            return yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, code: int, answer: Object) -> None:
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _groups() -> list[Object]:
    groups = []
    for version in KINDS:
        if "/" in version:
            told = {"groupVersion": version, "version": version.partition("/")[2]}
            name = version.partition("/")[0]
            groups.append({"name": name, "versions": [told], "preferredVersion": told})
    return groups


def _resources(version: str) -> Object:
    verbs = ["create", "get", "list", "patch"]
    resources = [
        {
            "name": name,
            "singularName": kind.lower(),
            "kind": kind,
            "namespaced": kind != "Namespace",
            "verbs": verbs,
        }
        for kind, name in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


def merged(whole: Object, patch: Object) -> Object:
    """An object with the fields of a patch; what is no object is replaced."""
    found = dict(whole)
    for name, value in patch.items():
        before = found.get(name)
        both = isinstance(value, dict) and isinstance(before, dict)
        found[name] = merged(before, value) if both else value
    return found
