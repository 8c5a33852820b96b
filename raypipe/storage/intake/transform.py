"""The user-defined transform ``module:function``, from frame to frame."""

import numpy as np
import pandas as pd
import pyarrow as pa

from raypipe.columns import FOLLOWER, FOLLOWING
from raypipe.compute.frames import Frame
from raypipe.config.user_code import current_folder_importable, load_user_code, user_errors
from raypipe.errors import InputError
from raypipe.storage.intake.blocks import STRING, quarantine_table, reasons_of
from raypipe.storage.intake.values import is_text

#: The key of the config that names the function.
KEY = "input.transform"


def run_transform(spec: str, frame: Frame) -> tuple[Frame, pa.Table]:
    """Call ``module:function`` on the frame, and check what it returns.

    Args:
        spec: ``module:function``; the module may be in the current folder.
        frame: pandas or Modin; the function must return the same kind.

    Returns:
        The frame (follower and followee first, both of text) without the rows that lack an id,
        and those rows as columns.QUARANTINE_SCHEMA: file is ``spec``, row their position, from 1,
        in what the function returned.

    Raises:
        ConfigError: there is no such module or function.
        InputError: it raised, or returned anything but a frame of follows.
    """
    function = load_user_code(spec, KEY)
    with user_errors(spec), current_folder_importable():
        result = function(frame)
    if not isinstance(result, type(frame)):
        raise InputError(f"{spec}: returned a {_kind(result)}, expected a {_kind(frame)}")
    found = list(result.columns)
    for column in (FOLLOWER, FOLLOWING):
        if found.count(column) != 1:
            raise InputError(
                f"{spec}: returned column {column} {found.count(column)} times, expected once; "
                f"found {', '.join(map(str, found)) or 'no column'}"
            )
    with user_errors(spec):  # Modin computes late, so the function may fail here
        result = _ids_first(spec, result)
        return _without_missing_ids(spec, result)


def _kind(value: object) -> str:
    package = type(value).__module__.partition(".")[0]
    name = type(value).__name__
    return name if package == "builtins" else f"{package} {name}"


def _ids_first(spec: str, frame: Frame) -> Frame:
    for column in (FOLLOWER, FOLLOWING):
        kind = frame[column].dtype
        if kind == STRING:
            continue
        if not _holds_text(frame, column):
            raise InputError(
                f"{spec}: column {column} is {kind}, expected text; "
                f'end with frame.astype({{"{column}": "string"}})'
            )
        frame = frame.astype({column: STRING})
    others = [name for name in frame.columns if name not in (FOLLOWER, FOLLOWING)]
    return frame[[FOLLOWER, FOLLOWING, *others]]


def _holds_text(frame: Frame, column: str) -> bool:
    kind = frame[column].dtype
    if isinstance(kind, pd.ArrowDtype):
        return is_text(kind.pyarrow_dtype)
    if pd.api.types.is_object_dtype(kind):
        return bool(frame[column].map(_is_text_or_missing).all())
    return isinstance(kind, pd.StringDtype)


def _is_text_or_missing(value: object) -> bool:
    missing = value is None or value is pd.NA or (isinstance(value, float) and value != value)
    return missing or isinstance(value, str)


def _without_missing_ids(spec: str, frame: Frame) -> tuple[Frame, pa.Table]:
    faults = []
    for column in (FOLLOWER, FOLLOWING):
        found = {"null": frame[column].isna(), "empty": frame[column].fillna("x") == ""}
        for reason, mask in found.items():
            faults.append((f"{reason} id in column {column}", mask.to_numpy(dtype=bool)))
    bad = reasons_of(faults)
    if bad:
        good = np.ones(len(frame), bool)
        good[[index for index, _ in bad]] = False
        frame = frame[good]
    return frame, quarantine_table(spec, [(index + 1, reason) for index, reason in bad])
