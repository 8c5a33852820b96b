"""The page /docs: the routes of the OpenAPI document, without a script from elsewhere."""

import json
import re
from typing import Any, NamedTuple


class Route(NamedTuple):
    """A route, as people read it.

    Attributes:
        words: what it does.
        parameters: as in the document.
        body, answer: names of the fields of the JSON that is sent, and that is answered.
    """

    method: str
    path: str
    words: str
    parameters: list[dict[str, Any]]
    body: list[str]
    answer: list[str]


def routes_in(document: dict[str, Any]) -> list[Route]:
    """The routes of an OpenAPI document, in its order.

    Example:
        >>> routes_in({"paths": {"/livez": {"get": {"description": "It lives."}}}})[0][:3]
        ('GET', '/livez', 'It lives.')
    """
    schemas = document.get("components", {}).get("schemas", {})

    def fields(part: object) -> list[str]:
        named = re.search(r"#/components/schemas/(\w+)", json.dumps(part))
        return list(schemas[named[1]].get("properties", {})) if named else []

    return [
        Route(
            method.upper(),
            path,
            route.get("description", ""),
            route.get("parameters", []),
            fields(route.get("requestBody")),
            fields(route.get("responses", {}).get("200")),
        )
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    ]
