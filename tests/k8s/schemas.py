"""The schemas of all kinds, strict: a field that they do not know is a mistake."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.k8s.objects import Object, name_of

Found = Iterator[tuple[str, str]]
#: By apiVersion and kind.
Schemas = dict[tuple[str, str], Object]

#: The oldest Kubernetes that the manifests are for; they are held against the newest known, too.
OLDEST = "1.30"

#: Of Kueue, which ships no schema here: the two fields of a LocalQueue that are in use.
LOCAL_QUEUE = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "kueue.x-k8s.io/v1beta2"},
        "kind": {"const": "LocalQueue"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["clusterQueue"],
            "additionalProperties": False,
            "properties": {
                "clusterQueue": {"type": "string"},
                "stopPolicy": {"enum": ["None", "Hold", "HoldAndDrain"]},
            },
        },
    },
}


@cache
def crds(folder: Path) -> Schemas:
    """(apiVersion, kind) to a strict schema, of every custom resource in the folder."""
    found = {("kueue.x-k8s.io/v1beta2", "LocalQueue"): LOCAL_QUEUE}
    for path in sorted(folder.glob("*.yaml.gz")):
        crd = yaml.load(gzip.decompress(path.read_bytes()), Loader=yaml.CSafeLoader)["spec"]
        for version in crd["versions"]:
            key = f"{crd['group']}/{version['name']}", crd["names"]["kind"]
            found[key] = strict(version["schema"]["openAPIV3Schema"])
    return found


def strict(schema: Any) -> Any:
    """A schema of a custom resource as JSON Schema that refuses what it does not know.

    Where fields are listed no others are let in, unless the schema keeps unknown ones. A field that
    has a default may be left out. Of int-or-string the pattern stays, for the strings.

    Example:
        >>> strict({"type": "object", "properties": {"a": {"type": "integer", "default": 1}},
        ...         "required": ["a"]})["required"]
        []
    """
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    skip = ("properties", "description", "default", "example")
    made = {key: strict(value) for key, value in schema.items() if key not in skip}
    if "properties" in schema:
        fields = schema["properties"]
        made["properties"] = {name: strict(field) for name, field in fields.items()}
        if "required" in schema:
            needed = schema["required"]
            made["required"] = [name for name in needed if "default" not in fields.get(name, {})]
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    return made


def known_kind(objects: list[Object], known: Schemas) -> Found:
    """Each kind is one of Kubernetes or one whose schema is here."""
    for found in objects:
        if _errors(found, known) is None:
            yield name_of(found), f"found the kind {found['apiVersion']} {found['kind']}; unknown"


def schema(objects: list[Object], known: Schemas) -> Found:
    """Each object is as the schema of its kind says, with no field beside."""
    for found in objects:
        yield from _metadata(found)
        for error in _errors(found, known) or ():
            yield f"{name_of(found)} {error.json_path}", error.message


def _errors(found: Object, known: Schemas) -> list[jsonschema.ValidationError] | None:
    """What its schema has against an object; None where there is no schema."""
    own = known.get((found["apiVersion"], found["kind"]))
    if own is not None:
        return list(jsonschema.Draft202012Validator(own).iter_errors(found))
    return _built_in_errors(json.dumps(found))


@cache  # the same objects are in most overlays, and each look reads 2 MB of schemas
def _built_in_errors(text: str) -> list[jsonschema.ValidationError] | None:
    errors = []
    for version in (OLDEST, kubernetes_validate.latest_version()):
        try:
            kubernetes_validate.validate(json.loads(text), version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            return None
        except kubernetes_validate.ValidationError as error:
            errors.append(error)
    return errors


def _metadata(found: Object) -> Found:
    """The schema of a custom resource leaves its metadata to the server, which prunes silently."""
    fields = {"name", "namespace", "labels", "annotations", "ownerReferences"}
    for field in set(found["metadata"]) - fields:
        yield name_of(found), f"found metadata.{field}; expected {', '.join(sorted(fields))}"
