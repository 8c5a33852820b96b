"""A finished run, or the plan of one: seconds and memory, counts, and what decided the lists."""

from typing import Any

from raypipe.recommend.filters.registry import count_words
from raypipe.serving.reports.content import Content, Facts, Line, Report, Table, Value, numbers
from raypipe.serving.reports.ladder import ladder_report
from raypipe.serving.reports.lists import statistics_report
from raypipe.storage.plans import Plan
from raypipe.storage.records import FactorRecord, RecallRecord, SimilarityRecord
from raypipe.storage.runs.compare import Side, changes_between, in_words
from raypipe.storage.runs.manifest import ChangeRecord, GuardRecord, Manifest
from raypipe.storage.runs.run import Run


def run_report(
    manifest: Manifest, folder: str, new: bool = True, published: str | None = None
) -> Report:
    """The report of a run: stages, counts, decisions and engines.

    Args:
        folder: folder of the run.
        new: False if the run existed before.
        published: id of the published run, if the run existed before.
    """
    counts, rows, engines = manifest.counts, manifest.counts.rows, manifest.engines
    recommended = counts.recommendations
    stages = Table(
        ("stage", "seconds", "peak MB"),
        tuple((stage.stage, stage.seconds, stage.peak_memory_mb) for stage in manifest.stages),
        f"run {manifest.run}",
    )
    facts = Facts(
        (
            ("rows in", rows.rows_in),
            ("= used", rows.rows_used),
            ("+ duplicates", rows.duplicates),
            ("+ self-follows", rows.self_follows),
            ("+ quarantined", rows.quarantined),
            ("+ dropped by transform", rows.dropped_by_transform),
            *((("+ superseded", rows.superseded),) if rows.superseded else ()),
            *((("+ of bots", rows.of_bots),) if rows.of_bots else ()),
            *((("lines that are no rows", skipped),) if (skipped := counts.lines_not_rows) else ()),
            ("accounts", counts.graph.accounts),
            ("accounts with lists", counts.audience),
            ("neighbours", counts.neighbours),
            ("recommendations", sum(recommended.values())),
            *((f"from {source}", count) for source, count in recommended.items()),
        )
    )
    where = (engines.frames, engines.cluster, engines.similarity)
    return (
        stages,
        facts,
        *(Line(f"notice: {notice.text}") for notice in manifest.notices),
        *_guard(manifest.guard),
        *_filters(counts.filters),
        *_integrity(manifest),
        *ladder_report(manifest.ladder),
        *((Line(f"entries: {manifest.entries.why}"),) if manifest.entries else ()),
        *similarity_report(manifest.similarity),
        *factor_report(manifest.factors),
        *_identity(manifest),
        *(Line(line) for line in where if line),
        Line(f"result: {folder}"),
        *(() if new else _nothing_to_do(manifest.run, published)),
    )


def run_row(run: Run, published: str | None) -> dict[str, Any]:
    """A row of a list of runs; ``published`` is the id of the published one."""
    return {
        "run": run.id,
        "published": run.id == published,
        "created": run.stored and run.stored.created,
        "accounts": run.stored and run.stored.counts.graph.accounts,
        "problem": run.problem,
    }


def night_report(run: Run, before: Run | None) -> Report:
    """A night for the team: beside the night before, its own numbers, and its graph."""
    changes: Report = ()
    if before is not None:
        found = changes_between(before, Side(run.path, run.manifest))
        changes = diff_report(found, before.id, run.id)
    own = run_report(run.manifest, str(run.path))
    return (*changes, *own, *statistics_report(run.statistics(), "graph", {}))


def plan_report(plan: Plan) -> Report:
    """Counts, seconds by stage, memory by part, the costliest hubs."""
    memory = {name.replace("_", " "): size for name, size in plan.memory_bytes.items()}
    found: list[Content] = [
        Facts(numbers(plan.counts.model_dump())),
        Table(
            ("stage", "seconds"), numbers(plan.seconds), f"{plan.nodes} nodes of {plan.cpus} CPUs"
        ),
    ]
    if plan.column_blocks:
        blocks = f"similarity: in column blocks: {plan.column_blocks}, built by each shard"
        found.append(Line(blocks))
    found += [
        Table(
            ("memory of a node", "MB"),
            tuple((name, Value(size, "megabytes")) for name, size in memory.items()),
        ),
        Table(
            ("costliest", "followers", "share of co-follow pairs"),
            tuple(
                (hub.accountId, hub.followers, hub.share_of_co_follow_pairs) for hub in plan.hubs
            ),
        ),
    ]
    return (*found, *similarity_report(plan.similarity), *factor_report(plan.factors))


def _identity(manifest: Manifest) -> Report:
    """The name of the network and the feedback store that was read, where there are such."""
    feedback = manifest.feedback
    store = f"feedback: store {feedback.store}, up to event {feedback.watermark:,}"
    return (
        *((Line(f"network: {manifest.network}"),) if manifest.network else ()),
        *((Line(store),) if feedback.store else ()),
    )


def _nothing_to_do(run: str, published: str | None) -> Report:
    said = "nothing to do: this input has been run with this config and date before"
    if published == run:
        return (Line(said),)
    again = f"published is {published}; to publish this one again: raypipe runs rollback {run}"
    return Line(said), Line(again)


def diff_report(changes: tuple[ChangeRecord, ...], before: str, now: str) -> Report:
    """Two runs side by side; before and now are their ids."""
    rows = tuple((change.name.replace("_", " "), *in_words(change)[:2]) for change in changes)
    return (Table(("", before, now), rows),)


def _guard(record: GuardRecord | None) -> Report:
    """What the run was compared with, and what was outside the limits."""
    if record is None or (record.against is None and not record.breaches):
        return ()
    against = f"compared with run {record.against}" if record.against else "the first run"
    breached = f"{len(record.breaches)} outside the limits" if record.breaches else "inside"
    lines = (f"guard: {against}: {breached}", *(f"  {line}" for line in record.breaches))
    return tuple(Line(line) for line in lines)


def similarity_report(record: SimilarityRecord) -> Report:
    """The effect of the limit on hubs; empty without a limit."""
    limit = record.max_followers
    if limit is None:
        return ()
    if not record.hubs_left_out:
        return (Line(f"similarity: exact; no account has more than {limit:,} followers"),)
    found = _recall(record, "neighbours")
    line = (
        f"similarity: {record.hubs_left_out:,} accounts with more than {limit:,} followers left "
        f"out, {record.share_of_co_follow_pairs_left:.1%} of the co-follow pairs left; {found}"
    )
    return (Line(line),)


def factor_report(record: FactorRecord | None) -> Report:
    """How the model's candidates are retrieved; empty without a model."""
    if record is None:
        return ()
    found = "" if record.retrieval == "exact" else f"; {_recall(record, 'candidates')}"
    return (Line(f"factors: {record.retrieval} ({record.why}){found}"),)


def _recall(record: RecallRecord, what: str) -> str:
    """The measured recall and its interval, in words."""
    if not record.sample or record.recall is None:
        return f"which share of the exact {what} is found is not known"
    interval = f"{record.low:.3f}, {record.high:.3f}; 95 %, {record.sample:,} accounts"
    return f"{record.recall:.3f} of the exact {what} are found [{interval}]"


def _filters(counts: dict[str, int]) -> tuple[Content, ...]:
    """The number of entries of each filter that is not empty."""
    found = count_words(counts)
    return (Line(f"filters: {', '.join(found)}"),) if found else ()


def _integrity(manifest: Manifest) -> Report:
    """Whom trust starts from and reaches, and the suspects by detector."""
    labels = manifest.integrity
    reached = f"{labels.with_reputation:,} of {manifest.counts.graph.accounts:,} accounts"
    found = ", ".join(f"{name} {count:,}" for name, count in labels.by_detector.items())
    return (
        Line(f"reputation: {reached}; trusted: {labels.trusted}"),
        Line(f"suspects: {labels.suspects:,}" + (f" ({found})" if found else "")),
    )
