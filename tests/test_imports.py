"""Imports go downwards: the contracts of pyproject.toml hold."""

from __future__ import annotations

import ast

from importlinter.cli import lint_imports

from tests.paths import ROOT


def test_imports_keep_the_contracts(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_rooms_take_nothing_but_facts_from_the_public_api():
    for path in (ROOT / "raypipe").rglob("*.py"):
        if path.relative_to(ROOT / "raypipe").parts[0] in ("cli", "__init__.py", "__main__.py"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "raypipe":
                modules = [alias.name for alias in node.names if not _is_room(alias.name)]
                assert modules in ([], ["__version__"]), path
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "raypipe":
                assert node.attr in ("__version__", "__file__"), path


def _is_room(name: str) -> bool:
    room = ROOT / "raypipe" / name
    return room.is_dir() or room.with_suffix(".py").is_file()
