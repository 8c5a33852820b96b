"""The state and the digest of the inputs of a run."""

from __future__ import annotations

import hashlib

import pyarrow as pa

import raypipe
from raypipe.config import RunConfig
from raypipe.storage.ids import digest_of_ids
from raypipe.storage.intake.files import list_files
from raypipe.storage.intake.read import input_digest


def state_of_files(config: RunConfig) -> list[tuple[str, int, int]]:
    """What tells cheaply that an input file was written to."""
    paths = list_files(config.input)
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def digest_of_inputs(config: RunConfig, accounts: pa.Array | None) -> str:
    """Of everything that the result depends on, besides date and config."""
    digest = hashlib.sha256(f"raypipe {raypipe.__version__}\n".encode())
    digest.update(input_digest(config.input).encode())
    if accounts is not None:
        digest.update(digest_of_ids(accounts))
    return digest.hexdigest()
