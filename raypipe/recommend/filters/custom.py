"""A user's own filters: functions that the config names under ``filters.custom``."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from raypipe.columns import ACCOUNT, CANDIDATE
from raypipe.config.user_code import (
    current_folder_importable,
    load_user_code,
    source_file,
    user_errors,
)
from raypipe.errors import ConfigError, InputError
from raypipe.recommend.filters.codes import FIRST_CUSTOM, AddedReason
from raypipe.recommend.filters.readers import AccountIds, FilterInput, PairTable, Reading
from raypipe.recommend.filters.spec import Count, FilterSpec
from raypipe.storage.files import sha256_file

if TYPE_CHECKING:
    import pyarrow as pa

    from raypipe.config import CustomFilterConfig, FiltersConfig

_EXPECTED = (
    f"expected ids of accounts, or a table with columns {ACCOUNT} and {CANDIDATE} (text or whole "
    "numbers, no nulls)"
)


def custom_specs(filters: FiltersConfig, taken: Collection[str]) -> tuple[FilterSpec, ...]:
    """One row for each filter in ``filters.custom``, by name.

    Args:
        taken: names of registered filters and reasons.

    Raises:
        ConfigError: a name is taken, or there are too many.
    """
    names = sorted(filters.custom)
    if len(names) > 256 - FIRST_CUSTOM:
        raise ConfigError(f"filters.custom: found {len(names)}, expected at most 128")
    for name in names:
        if name in taken:
            raise ConfigError(f"filters.custom.{name}: is the name of a built-in filter; rename it")
    return tuple(
        FilterSpec(
            f"custom.{name}",
            AddedReason(name.upper(), FIRST_CUSTOM + number),
            partial(_read, filters.custom[name]),
            words=f"the filter {name} leaves it out",
            gate_words=f"is left out by the filter {name}",
            count=count_of(name),
            count_unknown=count_of(f"{name}_of_unknown_accounts"),
        )
        for number, name in enumerate(names)
    )


def count_of(key: str) -> Count:
    """A number of a custom filter in the manifest."""
    return Count(key, f"left out by {key.replace('_of_unknown_', ': unknown ')}")


def digest_of_source(filters: FiltersConfig) -> bytes:
    """SHA-256 over the source files of all custom filters; what they import is not included.

    Raises:
        ConfigError: there is no such module.
    """
    digest = hashlib.sha256()
    for name in sorted(filters.custom):
        file = source_file(filters.custom[name].use, f"filters.custom.{name}.use")
        digest.update(bytes.fromhex(sha256_file(file)))
    return digest.digest()


def _read(custom: CustomFilterConfig, key: str, reading: Reading) -> FilterInput:
    function = load_user_code(custom.use, f"filters.{key}.use")
    with user_errors(custom.use), current_folder_importable():
        found = function(**(custom.model_extra or {}))
    return _input_of(found, custom.use)


def _input_of(found: object, use: str) -> FilterInput:
    """What a user's function returned, checked and as large_string."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(found, pd.DataFrame):
        columns = {str(name): found[name] for name in found.columns}
    elif isinstance(found, pa.Table):
        columns = {name: found[name] for name in found.column_names}
    else:
        return AccountIds(_ids_of(found, use).unique())
    if ACCOUNT not in columns:
        named = ", ".join(columns) or "no column"
        raise InputError(f"{use}: returned a table with {named}; {_EXPECTED}")
    if CANDIDATE not in columns:
        return AccountIds(_ids_of(columns[ACCOUNT], use).unique())
    pair = [_ids_of(columns[name], use) for name in (ACCOUNT, CANDIDATE)]
    return PairTable(pa.table(pair, [ACCOUNT, CANDIDATE]))


def _ids_of(values: object, use: str) -> pa.Array:
    import pyarrow as pa

    kind = type(values).__name__
    if isinstance(values, set | frozenset):
        values = list(values)
    if values is None or isinstance(values, str | bytes | dict):
        raise InputError(f"{use}: returned a {kind}; {_EXPECTED}")
    try:
        ids = pa.array(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
    except (pa.ArrowException, TypeError, ValueError):
        raise InputError(f"{use}: returned a {kind}; {_EXPECTED}") from None
    types = pa.types
    if types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    is_id = types.is_integer(ids.type) or types.is_string(ids.type) or types.is_null(ids.type)
    if not (is_id or types.is_large_string(ids.type)) or ids.null_count:
        holds = f"{ids.null_count} nulls" if ids.null_count else str(ids.type)
        raise InputError(f"{use}: returned ids that hold {holds}; {_EXPECTED}")
    return ids.cast(pa.large_string())
