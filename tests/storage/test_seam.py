"""Reading and writing has one owner: outside storage/ nothing touches a file by itself."""

from __future__ import annotations

import ast

import pytest

from tests.paths import ROOT

#: Calls that read, write or look at files, by the name after the last dot.
TOUCHES = {
    "read_text", "write_text", "read_bytes", "write_bytes", "touch", "mkdir", "unlink", "rmdir",
    "iterdir", "glob", "rglob", "is_file", "is_dir", "lstat", "savefig",
    "save", "savez", "load", "memmap", "fromfile", "tofile",
    "read_table", "write_table", "ParquetFile", "ParquetWriter", "read_parquet", "to_parquet",
    "read_csv", "open_csv", "write_csv", "to_csv", "memory_map", "OSFile", "input_stream",
    "rmtree", "copytree", "copyfile", "scandir", "listdir", "walk", "truncate", "fsync", "rename",
    "replace", "makedirs", "stat", "exists", "lexists", "realpath", "NamedTemporaryFile",
}  # fmt: skip
NUMPY = {"np", "numpy"}
PARQUET = {"pq", "pa.parquet", "pyarrow.parquet"}
PATHS = {"os", "os.path", "path", "Path", "glob", "self._path", "folder", "place"}
#: The objects whose methods of such a name are meant; of the other names, those of any object.
OWNERS = {
    **{name: NUMPY for name in ("save", "savez", "load", "memmap", "fromfile")},
    **{name: PATHS for name in ("rename", "replace", "stat", "walk", "truncate", "exists", "glob")},
    **{name: PARQUET for name in ("read_table", "write_table", "ParquetWriter")},
}
#: The seam itself, where it is called through its module.
SEAM = {"files", "data_files"}
#: Below storage/, so that they cannot call it; what they read and write is no data of raypipe.
EXCEPTIONS = {
    "config/load.py": "the YAML file of the user",
    "kernels/compiled.py": "the file of a kernel, beside which its compiled form may lie",
    "compute/engines.py": "the memory limit of the container, in /sys",
    "compute/ray_settings.py": "the token of a local Ray",
    "compute/ray_jobs.py": "Ray's token, and the folder that a job brings along",
}


def touches(source: str) -> list[str]:
    """The calls in a module that touch files, as ``line: call``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        owner, _, last = name.rpartition(".")
        if name == "open" or (last == "open" and owner in ("io", "path", "gzip", "Path")):
            found.append(f"{node.lineno}: {name}")
        elif last in TOUCHES and owner and owner not in SEAM:
            owners = OWNERS.get(last)
            if owners is None or owner in owners or owner.endswith(".path"):
                found.append(f"{node.lineno}: {name}")
    return found


MODULES = {
    path.relative_to(ROOT / "raypipe").as_posix(): path
    for path in sorted((ROOT / "raypipe").rglob("*.py"))
}


def test_no_module_outside_storage_touches_files():
    found = {
        name: calls
        for name, path in MODULES.items()
        if not name.startswith("storage/") and name not in EXCEPTIONS
        if (calls := touches(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_touches_files(name):
    assert touches(MODULES[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "open(path)",
        "path.read_text()",
        "(folder / name).write_bytes(data)",
        "np.save(path, array)",
        "np.load(path, mmap_mode='r')",
        "pq.read_table(path)",
        "pyarrow.parquet.write_table(table, path)",
        "pa.csv.read_csv(path)",
        "shutil.rmtree(folder)",
        "os.path.exists(path)",
        "run.path.exists()",
        "figure.savefig(path)",
    ],
)
def test_a_call_that_touches_a_file_is_seen(line):
    assert touches(line) == [f"1: {line[: line.rindex('(')]}"]


@pytest.mark.parametrize(
    "line",
    ["files.read_bytes(path)", "text.replace('a', 'b')", "scores.load(x)", "read_json(path)"],
)
def test_other_calls_are_not(line):
    assert touches(line) == []
