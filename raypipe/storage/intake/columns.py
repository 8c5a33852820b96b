"""Which columns of the input files are read, and what they become in the frame."""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

import pyarrow as pa

from raypipe.columns import FOLLOWER, FOLLOWING, ITEM, RATING, TIMESTAMP, USER
from raypipe.config import InputConfig
from raypipe.errors import ConfigError, InputError
from raypipe.storage.intake.blocks import InputFile
from raypipe.storage.intake.events import ACTION, SIGN
from raypipe.storage.intake.id_values import IdRules, shown
from raypipe.storage.intake.values import Column, can_be_id, can_be_number


def choose_columns(
    files: Sequence[InputFile],
    config: InputConfig,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> list[tuple[Column, ...]]:
    """The columns to read from each file; those of the frame come in the same order for all.

    A carried column has the type that it has in all files, or is text where they differ.

    Args:
        bounds: the lowest and the highest value of each column of numbers, by name in the frame.

    Raises:
        ConfigError, InputError: a column is missing, there twice, or of a type that does not fit.
    """
    bounds = {SIGN: (-math.inf, math.inf), **(bounds or {})}
    actions = (*config.follow_actions, *config.unfollow_actions)
    positions = [_positions(file, config) for file in files]
    names = list(positions[0])
    for file, at in zip(files, positions, strict=True):
        if odd := sorted(set(at) ^ set(names)):
            raise InputError(
                f"{file.path}: column {odd[0]} is not in all files; expected that with "
                "input.carry: all; list the columns to carry"
            )
    rules = IdRules(tuple(config.null), tuple(config.normalise))
    types = {}
    for name in names:
        found = {file.all_types[at[name]] for file, at in zip(files, positions, strict=True)}
        types[name] = pa.float64() if name in bounds else _common_type(name, found)
    return [
        tuple(
            Column(
                name,
                at[name],
                file.all_names[at[name]],
                types[name],
                bounds.get(name),
                rules,
                required=name == TIMESTAMP,
                values=actions if name == ACTION else None,
                constant=dict(enumerate(dict(file.constants).values(), len(file.names))).get(
                    at[name]
                ),
            )
            for name in names
        )
        for file, at in zip(files, positions, strict=True)
    ]


def _positions(file: InputFile, config: InputConfig) -> dict[str, int]:
    """The position in the file of each column of the frame."""
    key, labels = _labels(config)
    if not file.header:  # the default names stand for the first columns
        labels = {
            name: position if label == name else label
            for position, (name, label) in enumerate(labels.items())
        }
    at = dict(zip(labels, find_columns(file, labels.values(), file.cure(key)), strict=True))
    for first, second in combinations(at, 2):
        if at[first] == at[second]:
            raise ConfigError(
                f"input.{key}: {first} and {second} are both {labels[first]}; expected two columns"
            )
    for name, position in at.items():
        kind = file.all_types[position]
        if name in (RATING, TIMESTAMP):
            holds, expected, cure = can_be_number(kind), "numbers", "a number"
        else:
            holds, expected, cure = can_be_id(kind), "text or whole numbers", "text"
        if not holds:
            raise InputError(
                f"{file.path}: column {file.all_names[position]} is {kind}, "
                f"expected {expected} as {name}; write it as {cure}"
            )
    more = {name: label for name, label in _further_labels(config).items() if label is not None}
    at |= dict(zip(more, find_columns(file, more.values(), file.cure("columns")), strict=True))
    carry = config.carry
    if carry == "all":
        carry = [name for i, name in enumerate(file.names) if i not in at.values()]
    for name in carry:
        if name in at:
            raise ConfigError(
                f"input.carry: {name} is what a column of input.columns is called in the frame; "
                "expected other columns"
            )
    return at | dict(zip(carry, find_columns(file, carry, file.cure("carry")), strict=True))


def _labels(config: InputConfig) -> tuple[str, dict[str, str | int]]:
    """The key of the config that names the columns, and the label of each column of the frame."""
    if config.kind == "follows":
        return "columns", {name: getattr(config.columns, name) for name in (FOLLOWER, FOLLOWING)}
    labels = {name: getattr(config.rating_columns, name) for name in (USER, ITEM, RATING)}
    time = config.rating_columns.timestamp
    return "rating_columns", labels if time is None else {**labels, TIMESTAMP: time}


def _further_labels(config: InputConfig) -> dict[str, str | int | None]:
    """The labels of the columns of follows that are not ids, by name in the frame."""
    columns = config.columns
    if config.kind == "ratings":
        return {}
    return {TIMESTAMP: columns.timestamp, ACTION: columns.action, SIGN: columns.sign}


def find_columns(file: InputFile, wanted: Collection[str | int], cure: str) -> list[int]:
    """The position of each wanted column, given by name or by position.

    Raises:
        InputError: a column is missing (``cure`` says how to fix it), or is there twice.
    """
    known: dict[str | int, int] = {position: position for position in range(len(file.names))}
    known |= {name: position for position, name in enumerate(file.all_names)}
    missing = [str(name) for name in wanted if name not in known]
    if missing:
        found = shown(", ".join(file.names), 200)
        raise InputError(f"{file.path}: no column {', '.join(missing)}; found {found}; {cure}")
    for name in wanted:
        label = file.all_names[known[name]]
        count = file.names.count(label)
        # A position tells two columns of one name apart, unless the format reads by name.
        if count > 1 and (name == label or file.by_name):
            raise InputError(
                f"{file.path}: found column {label} {count} times, "
                "expected once; rename or remove the others"
            )
    return [known[name] for name in wanted]


def _common_type(name: str, found: set[pa.DataType]) -> pa.DataType:
    text = pa.large_string()
    if name in (FOLLOWER, FOLLOWING, USER, ITEM, ACTION):
        return text
    if len(found) > 1:
        for kind in found:
            if not _can_be_text(kind):
                raise InputError(
                    f"input.carry: column {name} is {kind} in some files only; "
                    "expected one type, or types that can be written as text"
                )
        return text
    return next(iter(found))


def _can_be_text(kind: pa.DataType) -> bool:
    try:
        pa.array([], kind).cast(pa.large_string())
    except pa.ArrowNotImplementedError:  # such as a list: Arrow has no text for it
        return False
    return True
