"""Imports go downwards: the contracts of pyproject.toml hold."""

from __future__ import annotations

from importlinter.cli import lint_imports

from tests.paths import ROOT


def test_imports_keep_the_contracts(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out
