"""The manifest of a run: its inputs, decisions, counts and files."""

from raypipe.storage import records
from raypipe.storage.contract import Contract, Versioned


class FileRecord(Contract):
    """One file of a run."""

    sha256: str
    bytes: int


class InputRecord(Contract):
    """One input file and its size when it was read."""

    file: str
    bytes: int


class PartRecord(Contract):
    """One part of a published table.

    Attributes:
        file: path in the run.
        first, last: ``accountId`` of the first and the last row; None if there are no rows.
    """

    file: str
    first: str | None
    last: str | None
    rows: int


class RowCounts(Contract):
    """Counts of input rows by outcome: ``rows_in`` is the sum of the others."""

    rows_in: int
    rows_used: int
    duplicates: int
    self_follows: int
    quarantined: int
    dropped_by_transform: int
    superseded: int = 0
    of_bots: int = 0


class RunCounts(Contract):
    """Counts by stage.

    Attributes:
        lines_not_rows: lines of the input that are no rows, as repeated headers.
        audience: number of accounts that get lists.
        with_lists: number of accounts with a list that is not empty; None: not counted.
        recommendations: rows by source.
        excluded: candidates by source, then by the name of a ``FilterReason``.
        filters: entries read, by filter; the registry of filters names them.
        checked_at_the_gate: recommendations that the publish gate joined with all filters.
    """

    rows: RowCounts
    lines_not_rows: int = 0
    graph: records.GraphCounts
    audience: int
    with_lists: int | None = None
    neighbours: int
    recommendations: dict[str, int]
    excluded: dict[str, dict[str, int]]
    filters: dict[str, int]
    checked_at_the_gate: int
    shards: int


class FeedbackRecord(Contract):
    """The feedback that the run read.

    Attributes:
        url: URL of the store in the config; None: the store in the runs folder.
        store: identity of the store; None: there was none.
        watermark: number of the last event read.
        previously_followed_in: id of the earlier run that unfollows were read from.
        shown_in: id of the earlier run whose lists were counted for negative feedback.
        events_during_the_night: events that arrived while the run was computed.
    """

    url: str | None
    store: str | None = None
    watermark: int
    previously_followed_in: str | None
    shown_in: str | None
    events_during_the_night: int = 0


class IntegrityRecord(Contract):
    """The labels of the accounts.

    Attributes:
        trusted: the accounts from which trust starts, in words.
        warm_from: id of the earlier run whose reputation was the start; None: a cold start.
        with_reputation: number of accounts whose reputation is above 0.
        suspects: number of accounts that at least one detector suspects.
        by_detector: number of suspects of each detector.
    """

    trusted: str
    warm_from: str | None
    with_reputation: int
    suspects: int
    by_detector: dict[str, int]


class ChangeRecord(Contract):
    """A number of a run, and of the published run that it is compared with.

    Attributes:
        before, now: None where it is not known.
        is_share: whether the numbers are shares, between 0 and 1.
    """

    name: str
    before: float | None
    now: float | None
    is_share: bool = True


class GuardRecord(Contract):
    """The comparison with the last published run of the network.

    Attributes:
        against: id of that run; None for the first run.
        changes: the numbers of both.
        breaches: those outside the limits of the config, one line each; then the run was held.
    """

    against: str | None
    changes: tuple[ChangeRecord, ...]
    breaches: tuple[str, ...] = ()


class RunEngines(records.EngineRecord):
    """The execution engines of a run.

    Attributes:
        similarity: None if the search has one index for all shards.
    """

    similarity: str | None = None


class SecondsRecord(Contract):
    """Seconds of the two predicted stages, and of the whole run."""

    recommend_seconds: float
    write_seconds: float
    total_seconds: float


class RunFacts(Versioned):
    """The facts about a run that the pipeline reports; :class:`Manifest` adds the files.

    Attributes:
        config_digest: digest of all settings that change the result.
        fingerprint: digest of the follow graph.
        network: name of the network; None: it has no name.
        guard: the comparison with the published run; None: not compared.
        entries: new entries that were held back; None: there are no bounds.
        factors: how the model's candidates are retrieved; None: no model was trained.
        walks: records by source, if ``max_intermediary_follows`` is set.
        parts: parts by table, in the order of the accounts.
        predicted, actual: seconds that were predicted before the shards ran, and measured seconds.
        notices: what was found in the inputs that a person should know.
    """

    config_digest: str
    fingerprint: str
    seed: int
    network: str | None = None
    guard: GuardRecord | None = None
    counts: RunCounts
    feedback: FeedbackRecord
    integrity: IntegrityRecord
    ladder: records.LadderDecision
    entries: records.EntriesRecord | None = None
    similarity: records.SimilarityRecord
    factors: records.FactorRecord | None = None
    walks: dict[str, records.WalkRecord]
    parts: dict[str, tuple[PartRecord, ...]]
    inputs: tuple[InputRecord, ...]
    engines: RunEngines
    predicted: SecondsRecord
    actual: SecondsRecord
    stages: tuple[records.StageRecord, ...]
    versions: dict[str, str]
    notices: tuple[records.Notice, ...] = ()


class Manifest(RunFacts):
    """``manifest.json`` of a finished run.

    Attributes:
        created: UTC time, such as ``2026-03-01T04:05:06Z``.
        input_digest: digest of everything that the result depends on, except date and config.
        files: path in the run to size and digest, for every file except the manifest.
    """

    run: str
    created: str
    input_digest: str
    files: dict[str, FileRecord]
