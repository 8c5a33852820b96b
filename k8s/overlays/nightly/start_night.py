"""Make tonight's RayJob of the template; the standard library is all that it needs.

A RayJob is named by its date: made a second time it is there already, and nothing happens. It
belongs to the Job that has made it, and is deleted with it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
import zoneinfo
from pathlib import Path
from typing import Any

#: What Kubernetes puts into every pod that asks for its token.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 30


def night_of(
    template: dict[str, Any],
    name: str,
    date: datetime.date,
    labels: dict[str, str],
    job: str,
    uid: str,
) -> dict[str, Any]:
    """The RayJob of a date.

    Args:
        template: the suspended RayJob.
        name: what its name begins with, before the date.
        labels: beside those of the template.
        job: name of the Job that makes it, the owner.
        uid: of that Job.
    """
    spec = {key: value for key, value in template["spec"].items() if key != "suspend"}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": uid}
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": {
            "name": f"{name}-{date:%Y%m%d}",
            "namespace": template["metadata"]["namespace"],
            "labels": {**template["metadata"].get("labels", {}), **labels},
            "ownerReferences": [owner],
        },
        "spec": {**spec, "entrypoint": f"{spec['entrypoint']} --date {date}"},
    }


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or POST of ``body``, with the pod's token; the answer."""
    headers = {
        "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=SECONDS, context=trusted()) as answer:
        return json.load(answer)


def trusted() -> ssl.SSLContext:
    """Who signs for the API server."""
    return ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))


def parse_label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected KEY=VALUE")
    return key, value


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-zone", type=zoneinfo.ZoneInfo, required=True)
    parser.add_argument("--template", required=True, help="name of the suspended RayJob")
    parser.add_argument("--name", required=True, help="what the night's name begins with")
    parser.add_argument("--label", action="append", default=[], type=parse_label)
    parser.add_argument("--server", default="https://kubernetes.default.svc")
    return parser


def main(argv: list[str] | None = None) -> int:
    told = parser().parse_args(argv)
    namespace = (ACCOUNT / "namespace").read_text().strip()
    rayjobs = f"{told.server}/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
    date = datetime.datetime.now(told.time_zone).date()
    try:
        template = call(f"{rayjobs}/{told.template}")
        owner = os.environ["JOB_NAME"], os.environ["JOB_UID"]
        night = night_of(template, told.name, date, dict(told.label), *owner)
        call(rayjobs, night)
    except urllib.error.HTTPError as error:
        if error.code == 409:
            print(f"{told.name}-{date:%Y%m%d} is there already")
            return 0
        print(f"{error.url}: {error.code} {error.read().decode()}", file=sys.stderr)
        return 1
    except urllib.error.URLError as error:
        print(f"{rayjobs}: {error.reason}", file=sys.stderr)
        return 1
    print(f"{night['metadata']['name']} is made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
