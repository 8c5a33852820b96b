"""From YAML and the command line to a config, and back."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raypipe.config.renamed import refuse_renamed
from raypipe.config.run import RunConfig
from raypipe.config.section import Section
from raypipe.errors import ConfigError, did_you_mean

_MAX_BYTES = 256 << 10
_MAX_NODES = 100_000
_MAX_DEPTH = 50
_EXPECTED = "expected sections of keys"
_OPENERS = ("[", "{", "'", '"')


def load_config(path: Path | None = None, overrides: dict[str, Any] | None = None) -> RunConfig:
    """Read a config file and apply the overrides of the command line.

    Args:
        path: a YAML file; None: the defaults.
        overrides: dotted key to value, such as ``{"sources.similar.neighbours": 50}``; they
            override the file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has an invalid key or value.
    """
    tree = _read_yaml(path) if path else {}
    for key, value in (overrides or {}).items():
        _lay_over(tree, key, value)
    refuse_renamed(tree, str(path or "config"))
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path or 'config'}: {_first_problem(error, RunConfig)}") from None


def with_settings(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """The config with some of its values replaced.

    Raises:
        ConfigError: an invalid key or value.

    Example:
        >>> config = with_settings(RunConfig(), {"sources.similar.neighbours": 50})
        >>> config.sources.similar.neighbours
        50
    """
    refuse_renamed(settings, "config")
    tree = config.model_dump()
    for key, value in settings.items():
        _lay_over(tree, key, value)
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, RunConfig)) from None


def check_section(model: type[Section], values: dict[str, Any], key: str) -> Section:
    """Validate values as a section that is not a field of :class:`RunConfig`.

    Args:
        key: dotted key of the values in the config, for messages.

    Raises:
        ConfigError: an invalid key or value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, model, key)) from None


def parse_setting(text: str) -> tuple[str, Any]:
    """Split ``section.key=value``; the value is read as YAML.

    Raises:
        ConfigError: there is no key, no ``=``, or the value is not YAML.

    Example:
        >>> parse_setting("sources.similar.threshold=0.2")
        ('sources.similar.threshold', 0.2)
        >>> parse_setting("input.carry=[since, trust]")
        ('input.carry', ['since', 'trust'])
        >>> parse_setting("input.comment=#")
        ('input.comment', '#')
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {text}: expected section.key=value, as sources.similar.neighbours=50"
        )
    loaded: Any = None
    try:
        loaded = _yaml().load(value)
    except (YAMLError, RecursionError):
        if value[:1] in _OPENERS:
            raise ConfigError(f"--set {text}: the value is not YAML; quote it") from None
    # YAML reads a lone mark such as # or | as nothing, but here it is meant as text.
    is_lost = loaded in (None, "") and value not in ("", "null", "~", "''", '""')
    _check_size(loaded, f"--set {key.strip()}")
    return key.strip(), value if is_lost else loaded


def to_yaml(config: BaseModel) -> str:
    """The config as YAML that :func:`load_config` reads back to an equal config."""
    out = io.StringIO()
    _yaml().dump(config.model_dump(mode="json"), out)
    return out.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2; refuses duplicate keys, creates no objects
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    return yaml


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8") if _is_small(path) else None
        tree = None if text is None else _yaml().load(text)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply; {_EXPECTED}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise ConfigError(f"{path}:{line} not YAML: {' '.join(problem.split())}") from None
    if text is None:
        raise ConfigError(f"{path}: is larger than {_MAX_BYTES >> 10} kB; {_EXPECTED}")
    _check_size(tree, str(path))
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: found a {type(tree).__name__}, expected sections of keys")
    return tree


def _is_small(path: Path) -> bool:
    with path.open("rb") as file:  # a device may be endless
        return len(file.read(_MAX_BYTES + 1)) <= _MAX_BYTES


def _check_size(tree: Any, where: str) -> None:
    """Refuse a tree that is small as text, but whose aliases make it huge or endless."""
    nodes, todo = 0, [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        nodes += 1
        if nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise ConfigError(f"{where}: is nested too deeply, or too large; {_EXPECTED}")
        values = node.values() if isinstance(node, dict) else node
        if isinstance(node, dict | list):
            todo += [(value, depth + 1) for value in values]


def _lay_over(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        if tree.get(section) is None:
            tree[section] = {}
        tree = tree[section]
        if not isinstance(tree, dict):
            raise ConfigError(f"{key}: {section} is a value, not a section")
    tree[last] = value


def _first_problem(error: ValidationError, model: type[BaseModel], above: str = "") -> str:
    """One line about the first problem that pydantic found, in the section ``above``."""
    problem = error.errors()[0]
    keys, known = _walk(problem["loc"], model)
    key = ".".join([above, *keys] if above else keys)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; {did_you_mean(keys[-1], known)}"
    if problem["type"] == "model_type":
        return f"{key}: found {problem['input']!r}; expected a section of keys"
    if not keys:
        return f"{above}: {message}" if above else message
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        return f"{key}: {message}"
    if key == "feedback.url":  # the value is not shown: it may contain a password
        where = "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
        return f"{key}: {message if problem['type'] == 'value_error' else where}"
    if key == "cluster":
        return f"cluster: found {problem['input']!r}; expected auto, none, local or HOST:PORT"
    return f"{key}: found {problem['input']!r}; {message[:1].lower()}{message[1:]}"


def _walk(location: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The part of pydantic's location that is keys of the file, and the known keys at the last."""
    keys: list[str] = []
    known = list(model.model_fields)
    below: Any = model
    for part in map(str, location):
        keys.append(part)
        if get_origin(below) is dict:  # of sections, each under a name of the user's own
            below = get_args(below)[1]
            continue
        known = list(below.model_fields)
        below = below.model_fields[part].annotation if part in known else None
        of_sections = get_origin(below) is dict and _is_section(get_args(below)[1])
        if not (_is_section(below) or of_sections):
            break
    return keys, known


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)
