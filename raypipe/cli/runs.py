"""List, inspect, roll back and prune finished runs."""

from typing import Annotated

import typer

from raypipe.cli.app import runs_app
from raypipe.cli.options import DEFAULT_RUNS, Json, RunId, RunsDir


@runs_app.command("list", epilog="Example: raypipe runs list --json")
def runs_list(runs_dir: RunsDir = DEFAULT_RUNS, json: Json = False) -> None:
    """List finished runs, newest first; * marks the published one."""
    from raypipe.cli.output.terminal import print_rows
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    published = store.current_id()
    rows = [
        {
            "run": run.id,
            "published": run.id == published,
            "created": run.stored and run.stored.created,
            "accounts": run.stored and run.stored.counts.graph.accounts,
            "problem": run.problem,
        }
        for run in store.runs()
    ]
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
    keep: Annotated[int, typer.Option(metavar="COUNT", help="Number of newest runs to keep.")],
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Delete old runs, except the published one and the one before it."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.storage.runs.store import RunStore

    removed = [run.id for run in RunStore(runs_dir).prune(keep)]
    lines = [f"removed {len(removed)} runs", *(f"  {run_id}" for run_id in removed)]
    print_answer({"removed": removed}, "\n".join(lines), json)
