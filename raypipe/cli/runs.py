"""List, inspect, compare, publish, roll back and prune finished runs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from raypipe.cli.app import app, runs_app
from raypipe.cli.options import DEFAULT_RUNS, Account, Feedback, Json, ResultsDir, RunId, RunsDir


@runs_app.command("list", epilog="Example: raypipe runs list --json")
def runs_list(runs_dir: RunsDir = DEFAULT_RUNS, json: Json = False) -> None:
    """List finished runs, newest first; * marks the published one, held those held back."""
    from raypipe.cli.output.terminal import print_rows
    from raypipe.serving.reports.runs import run_row
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    published = store.current_id()
    rows = []
    for run in store.runs():
        row = run_row(run, published)
        if run.problem is None and run.breaches and not store.was_published(run):
            row["problem"] = "held"
        rows.append(row)
    if not json:  # the published one is marked
        rows = [{"": "*" if row.pop("published") else "", **row} for row in rows]
    print_rows(rows, f"no runs in {runs_dir}; start with: raypipe run CONFIG", json)


@runs_app.command("show", epilog="Example: raypipe runs show 2026-03-01-1a2b3c4d --verify")
def runs_show(
    run_id: RunId = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file and compare its SHA-256.")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Show a run: counts, seconds and memory by stage, engines."""
    from raypipe.cli.output.report import print_result
    from raypipe.errors import RunError
    from raypipe.serving.reports.runs import run_report
    from raypipe.storage.runs.run import verify_run
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    run = store.get(run_id) if run_id else store.current()
    if verify and (problems := verify_run(run)):
        raise RunError(f"run {run.id}: {'; '.join(problems)}; go back: raypipe runs rollback")
    values = run.manifest.model_dump(mode="json")
    print_result(values, run_report(run.manifest, str(run.path)), json)
    if verify and not json:
        typer.echo(f"verified: {len(run.manifest.files)} files match their SHA-256")


@runs_app.command("diff", epilog="Example: raypipe runs diff 2026-03-01-1a2b3c4d")
def runs_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="Id of the earlier run.")],
    now: Annotated[
        str | None,
        typer.Argument(metavar="B", help="Id of the later run; default: the published one."),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Compare two runs, as the guard does: sizes, lists, quality, the most followed accounts."""
    from raypipe.cli.output.report import print_result
    from raypipe.serving.reports.runs import diff_report
    from raypipe.storage.runs.compare import Side, changes_between
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    earlier, later = store.get(before), store.get(now) if now else store.current()
    changes = changes_between(earlier, Side(later.path, later.manifest))
    values = {"before": earlier.id, "now": later.id}
    rows = {"changes": [change.model_dump() for change in changes]}
    print_result(values | rows, diff_report(changes, earlier.id, later.id), json)


@app.command(epilog="Example: raypipe report 2026-03-01-1a2b3c4d --out night.html")
def report(
    run_id: RunId = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path(
        "report.html"
    ),
    results: ResultsDir = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Write a run beside the one before it as one HTML file that needs no other.

    The newest evaluation, sweep and attack are in it, with their pictures.
    """
    from raypipe.cli.output.terminal import print_answer
    from raypipe.serving.reports.html import pictures_html, report_html, whole_page
    from raypipe.serving.reports.runs import night_report
    from raypipe.storage.files import writing_output
    from raypipe.storage.results import measured_in
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    run = store.get(run_id) if run_id else store.current()
    body = report_html(night_report(run, store.before(run)))
    body += pictures_html(measured_in(results or runs_dir.absolute().parent, 1))
    page = whole_page(f"Run {run.id}", body)
    with writing_output(out) as file:
        file.write(page.encode())
    print_answer({"file": str(out), "run": run.id}, f"report: {out}", json)


@runs_app.command("publish", epilog="Example: raypipe runs publish 2026-03-01-1a2b3c4d --force")
def runs_publish(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a finished run.")],
    force: Annotated[
        bool, typer.Option("--force", help="Publish a run that the guard has held back.")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Publish a finished run: one that was held back, or that is older than the published one."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    run = store.release(store.get(run_id), force)
    print_answer({"run": run.id}, f"published: {run.id}", json)


@runs_app.command("rollback", epilog="Example: raypipe runs rollback")
def runs_rollback(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Id of a run; default: the previously published one."),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Publish an earlier run again."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.storage.runs.store import RunStore

    run = RunStore(runs_dir).rollback(run_id)
    print_answer({"run": run.id}, f"published: {run.id}", json)


@runs_app.command("prune", epilog="Example: raypipe runs prune --keep 14")
def runs_prune(
    keep: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Number of newest runs to keep.")
    ] = None,
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=0, help="Delete only runs that are older, by their date."),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Delete old runs, except the published one and the one before it."""
    import datetime

    from raypipe.cli.output.terminal import print_answer
    from raypipe.errors import ConfigError
    from raypipe.storage.runs.store import RunStore

    if keep is None and older_than is None:
        raise ConfigError("found neither --keep nor --older-than; expected one of the two, or both")
    before = None
    if older_than is not None:
        today = datetime.datetime.now(datetime.timezone.utc).date()
        before = (today - datetime.timedelta(older_than)).isoformat()
    removed = [run.id for run in RunStore(runs_dir).prune(1 if keep is None else keep, before)]
    lines = [f"removed {len(removed)} runs", *(f"  {run_id}" for run_id in removed)]
    print_answer({"removed": removed}, "\n".join(lines), json)


#: What erasing leaves, for the person who answers a request.
_LEFT = (
    "left: the follows and exclusions of the account by index, without its id; digests; the input "
    "and tables that the config names, from which the next night reads it again; exports, backups, "
    "logs; what servers hold until they are started again"
)


@app.command(epilog="Example: raypipe erase jazz-0042")
def erase(
    account: Account,
    evaluations: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the evaluations.")
    ] = Path("evaluations"),
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Erase an account from the rejection store, from all runs and from evaluations.

    Its id becomes a marker; lists, neighbours and reasons that name it, notes and its events in the
    log go. After a kill, the same command continues. Readers are not disturbed.
    """
    from raypipe.cli.output.terminal import print_answer
    from raypipe.serving.erase import erase_from_runs, erase_from_tables
    from raypipe.serving.lookup import rejections_url
    from raypipe.storage.feedback.store import FeedbackStore
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    with closing(FeedbackStore(rejections_url(store, feedback))) as rejections:
        events = rejections.erase(account)
    runs = erase_from_runs(store, account)
    tables = erase_from_tables(evaluations, account)
    lines = [
        f"erased from {events:,} events, {len(runs):,} runs and {len(tables):,} tables of "
        "evaluations",
        *(f"  {run}: {', '.join(names)}" for run, names in runs.items()),
        _LEFT,
    ]
    values = {"events": events, "runs": runs, "evaluations": tables, "left": _LEFT}
    print_answer(values, "\n".join(lines), json)
