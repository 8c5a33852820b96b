"""Your own code, named in the config as ``module:name``: found, imported, digested.

The module may be in the current folder or installed. Its source file is part of the digest of a
run, so that a changed module makes a new run; the modules that it imports are not looked at.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raypipe.errors import ConfigError, InputError

#: What such a value looks like, as a regular expression.
SPEC = r"[\w.]+:\w+"


def load_user_code(
    spec: str, key: str, kind: str = "function", expected: type | None = None
) -> Any:
    """Import ``module:name``.

    Args:
        key: the key of the config that holds it, for the error.
        kind: what the name should be, for the error.
        expected: its type; None for anything that can be called.

    Raises:
        ConfigError: there is no such module, or no such name of that kind in it.
        InputError: the module raised when it was imported.

    Example:
        >>> load_user_code("math:sqrt", "input.transform")(9)
        3.0
        >>> load_user_code("json:loud", "input.format", "class")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        raypipe.errors.ConfigError: json:loud: found no class loud in ...; fix input.format
    """
    module_name, _, name = spec.partition(":")
    with user_errors(spec), current_folder_importable():
        module = importlib.import_module(module_name) if _find(module_name) else None
    if module is None:
        raise _no_module(spec, key)
    found = getattr(module, name, None)
    if not (callable(found) if expected is None else isinstance(found, expected)):
        where = getattr(module, "__file__", None) or module_name
        raise ConfigError(f"{spec}: found no {kind} {name} in {where}; fix {key}")
    return found


def source_file(spec: str, key: str) -> Path:
    """The file that holds the module of ``module:name``.

    Raises:
        ConfigError: there is no such module, or it has no file.
    """
    with user_errors(spec), current_folder_importable():
        found = _find(spec.partition(":")[0])
    if found is None or not found.has_location or found.origin is None:
        raise _no_module(spec, key)
    return Path(found.origin)


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Let modules of the current folder be imported in the block."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


@contextmanager
def user_errors(spec: str) -> Iterator[None]:
    """Turn whatever the user's code raises in the block into one line that names it.

    Raises:
        InputError: ``spec``, and what was raised.
    """
    try:
        yield
    except (ConfigError, InputError):
        raise
    except Exception as error:
        cause = getattr(error, "cause", None) or error  # Ray wraps what a task raised
        message = " ".join(str(cause).split())
        raise InputError(f"{spec}: {type(cause).__name__}: {message}") from error


def _find(module_name: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a package on the way lacks something else
        return None


def _no_module(spec: str, key: str) -> ConfigError:
    return ConfigError(
        f"{spec}: found no module {spec.partition(':')[0]} in the current folder or among those "
        f"installed; fix {key}"
    )
