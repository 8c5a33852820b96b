"""Imports go one way: a file imports only from lower floors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import raypipe

PACKAGE = Path(raypipe.__file__).parent

#: The house, from the ground up. A file that is not named here has no floor, and fails the test.
FLOORS = (
    ("__init__", "errors"),
    ("versions", "columns", "disk", "progress", "meter", "kernels/*"),
    ("config/*",),
    ("frames", "graph", "memory", "runs/*", "feedback/*", "show", "demo"),
    ("statistics", "audience", "plots", "degrees", "ladder_report", "rejections", "jobs"),
    ("filters", "intake/*", "cluster", "job_server", "ratings/*"),
    ("follows", "engines", "factors/*"),
    ("candidates/*",),
    ("eligibility", "ladder"),
    ("ranking", "blend/*", "reasons"),
    ("night",),
    ("recommend", "work"),
    ("block_cost", "recall", "newcomer", "explain"),
    ("cost",),
    ("degree_cost",),
    ("loading", "checkpoints", "gate"),
    ("evaluation/*",),
    ("pipeline", "plan", "reports", "rating_evaluation"),
    ("rating_report", "rating_record", "sweeps/*"),
    ("tuning",),
    ("sweep",),
    ("sweep_report",),
    ("cli/*",),
    ("__main__",),
)
#: Within these, files may import each other.
OPEN = (
    "config/*",
    "kernels/*",
    "intake/*",
    "factors/*",
    "blend/*",
    "ratings/*",
    "runs/*",
    "feedback/*",
    "evaluation/*",
    "sweeps/*",
    "cli/*",
)
#: The only files that may import Ray or Modin.
RAY = ("cluster", "job_server", "tuning")


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    folder, _, _ = module.rpartition("/")
    return f"{folder}/*" if folder else module


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def imports(module: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_modules(module: str) -> set[str]:
    paths = {name.removeprefix("raypipe.").replace(".", "/") for name in imports(module)}
    return {
        name
        for name in modules()
        if name in paths or (name.endswith("/__init__") and name.removesuffix("/__init__") in paths)
    }


@pytest.mark.parametrize("module", modules())
def test_imports_only_from_lower_floors(module):
    assert any(room(module) in rooms for rooms in FLOORS), f"{module} has no floor in FLOORS"
    for other in imported_modules(module) - {"__init__"}:
        same_room = room(module) == room(other) and (
            room(module) in OPEN or other.endswith("/__init__")
        )
        assert same_room or floor(other) < floor(module), f"{module} imports {other}"


@pytest.mark.parametrize("module", [name for name in modules() if name not in RAY])
def test_only_cluster_imports_ray(module):
    roots = {name.split(".")[0] for name in imports(module)}
    assert not roots & {"ray", "modin"}


def test_every_room_is_lived_in():
    rooms = {room(module) for module in modules()}
    assert {name for rooms_of_floor in FLOORS for name in rooms_of_floor} <= rooms
