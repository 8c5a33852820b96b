"""The generated parts of the documents are as the code has them now."""

from __future__ import annotations

import re

import pytest

from raypipe import errors
from raypipe.config import RunConfig, load_config
from tests.docs.documents import documents, text_of
from tests.docs.generated import PARTS, with_generated
from tests.paths import ROOT


@pytest.mark.parametrize("document", documents())
def test_generated_parts_are_current(document):
    text = text_of(document)
    assert with_generated(text) == text, f"{document} is stale; run: make docs"


def test_every_generated_part_stands_in_a_document():
    texts = "".join(text_of(document) for document in documents())
    assert set(re.findall(r"<!-- generated: ([\w-]+), by make docs -->", texts)) == set(PARTS)


def test_with_generated_stale_part_is_rewritten():
    begin, end = "<!-- generated: exit-codes, by make docs -->\n", "<!-- end of generated -->"
    fresh = with_generated(f"a\n{begin}stale row\n{end}\nb\n")
    assert "stale row" not in fresh
    assert "| 78 | `ConfigError` |" in fresh
    assert with_generated(fresh) == fresh


def test_exit_codes_name_every_error():
    rows = PARTS["exit-codes"]().splitlines()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    named = {kind.__name__: kind.exit_code for kind in kinds if issubclass(kind, Exception)}
    del named["RaypipeError"]
    for name, code in named.items():
        assert any(f"| {code} |" in row and f"`{name}`" in row for row in rows)


def test_configuration_has_every_key():
    text = PARTS["configuration"]()
    for key in (
        "`neighbours` | integer, at least 1 and at most 1,000 | `100`",
        "## `sources.two_hop`",
    ):
        assert key in text
    assert text.count("Affects speed only.") == 4
    assert text.count("No key of this section changes a published list.") == 2  # attack, sweep


def test_nightly_config_is_the_default():
    config = load_config(ROOT / "configs" / "nightly.yaml")
    follows = RunConfig().input.model_copy(update={"follows": config.input.follows})
    assert config == RunConfig(input=follows)
