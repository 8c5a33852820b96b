"""Rejections: add, withdraw, list, import and export."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raypipe.cli.app import app, rejections_app
from raypipe.cli.options import DEFAULT_RUNS, Account, Candidate, Feedback, Json, Limit, RunsDir

if TYPE_CHECKING:  # this module imports SQLAlchemy
    from raypipe.storage.feedback.store import Answer, FeedbackStore

RequestId = Annotated[
    str | None, typer.Option(metavar="ID", help="A unique id; the same request again counts once.")
]


@app.command(epilog="Example: raypipe reject jazz-0042 star-01 --reason spam")
def reject(
    account: Account,
    candidate: Candidate,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Free-text note stored with the rejection.")
    ] = None,
    request_id: RequestId = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Accept ids that the published run does not know.")
    ] = False,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Never show a candidate to an account again, from now on."""
    from raypipe.serving.lookup import check_known
    from raypipe.storage.runs.store import RunStore

    if not unknown:
        check_known(RunStore(runs_dir), account, candidate)
    with _store(feedback, runs_dir) as store:
        answer = store.reject(account, candidate, reason, request_id)
    _say(answer, f"{candidate} will not be shown to {account} again", json)


@app.command(epilog="Example: raypipe unreject jazz-0042 star-01")
def unreject(
    account: Account,
    candidate: Candidate,
    request_id: RequestId = None,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Withdraw a rejection: the candidate may be shown again."""
    with _store(feedback, runs_dir) as store:
        answer = store.unreject(account, candidate, request_id)
    _say(answer, f"{candidate} may be shown to {account}", json)


@rejections_app.command("list", epilog="Example: raypipe rejections list jazz-0042 --json")
def rejections_list(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Only rejections of this account.")
    ] = None,
    limit: Limit = None,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """List the rejections in force, by account and candidate."""
    from raypipe.cli.output.terminal import print_rows

    with _store(feedback, runs_dir) as store:
        print_rows(store.rejections(account, limit), "no rejections", json)


@rejections_app.command("import", epilog="Example: raypipe rejections import rejected.parquet")
def rejections_import(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Parquet: accountId, candidateId, reason.")
    ],
    quarantine: Annotated[
        Path, typer.Option(metavar="FILE", help="Parquet or CSV file for the invalid rows.")
    ] = Path("rejections.quarantine.parquet"),
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Reject every pair in a file, all or none; existing rejections stay as they are.

    Invalid rows are skipped, counted, and written to the quarantine with the reason.
    """
    from raypipe.cli.output.terminal import print_facts, print_json
    from raypipe.storage.feedback.tables import read_rejections
    from raypipe.storage.tables import write_table

    rejected = read_rejections(file)
    invalid = rejected.quarantine.num_rows
    if invalid:
        write_table(quarantine, rejected.quarantine)
    with _store(feedback, runs_dir) as store:
        imported = store.import_table(rejected.rows)._asdict()
    facts = {"rows": rejected.rows.num_rows + invalid, **imported, "quarantined": invalid}
    if json:
        print_json(facts)
        return
    print_facts({name.replace("_", " "): count for name, count in facts.items()})
    if invalid:
        typer.echo(f"quarantine: {quarantine}")


@rejections_app.command("export", epilog="Example: raypipe rejections export rejected.parquet")
def rejections_export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Parquet if it ends in .parquet, else CSV.")
    ],
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet", help="Put an apostrophe before each formula, for reading only."
        ),
    ] = False,
    feedback: Feedback = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Write the rejections in force to a file that `rejections import` reads."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.storage.tables import count_formulas, without_formulas, write_table

    with _store(feedback, runs_dir) as store:
        table = store.export_table()
    formulas = count_formulas(table)
    write_table(file, without_formulas(table) if spreadsheet else table)
    line = f"{file}: {table.num_rows:,} rows"
    if formulas and not spreadsheet:
        line += f"; a spreadsheet takes {formulas:,} cells for formulas (--spreadsheet)"
    facts = {"file": str(file), "rows": table.num_rows, "formulas": formulas}
    print_answer(facts, line, json)


@rejections_app.command("accept", epilog="Example: raypipe rejections accept")
def rejections_accept(
    feedback: Feedback = None, runs_dir: RunsDir = DEFAULT_RUNS, json: Json = False
) -> None:
    """Use this store from now on, in place of the one that the newest run has used.

    For a store that is lost, or was moved by export and import. What only the other one held is
    forgotten.
    """
    from raypipe.cli.output.terminal import print_answer
    from raypipe.config.feedback_url import without_password
    from raypipe.serving.lookup import place_of_rejections
    from raypipe.storage.feedback.quick_read import state_of
    from raypipe.storage.runs.feedback_used import StoreState, accept
    from raypipe.storage.runs.store import RunStore

    store = RunStore(runs_dir)
    url = place_of_rejections(store, feedback)
    found = StoreState(*state_of(url))
    run = accept(store, found)
    line = f"{without_password(url)}: used from event {found.watermark:,} on"
    print_answer({"run": run, **found._asdict()}, line, json)


def _store(feedback: str | None, runs_dir: Path) -> AbstractContextManager[FeedbackStore]:
    """The feedback store, open until the block ends."""
    from raypipe.serving.lookup import rejections_url
    from raypipe.storage.feedback.store import FeedbackStore
    from raypipe.storage.runs.store import RunStore

    return closing(FeedbackStore(rejections_url(RunStore(runs_dir), feedback)))


def _say(answer: Answer, sentence: str, json: bool) -> None:
    from raypipe.cli.output.terminal import print_answer
    from raypipe.serving.reports.cells import text

    if answer.repeated:
        sentence = "nothing to do: this request was processed before"
    elif not answer.changed:
        sentence += "; nothing changed"
    print_answer(answer._asdict(), text(sentence), json)
