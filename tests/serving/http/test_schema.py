"""Every operation of the OpenAPI document, with made requests; and requests that are nasty."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import settings

from tests.serving.http.builders import client_of, make_night, write_follows


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    write_follows(folder)
    make_night(folder)
    with client_of(folder) as client:
        yield client


@pytest.fixture
def document(client):
    return schemathesis.openapi.from_asgi("/openapi.json", client.server)


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=10)
def test_answers_are_those_of_the_document(case):
    case.call_and_validate()
