"""Jobs on a Ray cluster: submit, follow, list and stop."""

import datetime
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from raypipe.cli.app import app, jobs_app
from raypipe.cli.options import Config, Date, Follows, Json, Settings, resolve
from raypipe.errors import ConfigError

if TYPE_CHECKING:  # this module imports Ray
    from raypipe.compute.ray_jobs import Code

Word = TypeVar("Word", bound=str)

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar=["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"],
        show_envvar=False,
        metavar="URL",
        help="URL of the job server; default: RAY_API_SERVER_ADDRESS or RAY_ADDRESS.",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job, from raypipe jobs list.")]


@app.command(epilog="Example: raypipe submit configs/nightly.yaml --address http://127.0.0.1:8265")
def submit(
    config: Config = None,
    address: Address = None,
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="The command: run, evaluate or sweep.")
    ] = "run",
    follows: Follows = None,
    date: Date = None,
    settings: Settings = None,
    folder: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder on the cluster for relative paths; default: the current folder.",
        ),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(
            "--runs-dir",
            "--sweeps-dir",
            "--out",
            metavar="DIR",
            help="Folder of the results; default: runs, sweeps or evaluations.",
        ),
    ] = None,
    code: Annotated[
        str,
        typer.Option(
            metavar="FROM",
            help="package: send this raypipe. image: use the one installed on the cluster.",
        ),
    ] = "package",
    again: Annotated[
        bool, typer.Option("--again", help="Start a new attempt if the last one has ended.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --again: continue an unfinished sweep.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow the log until the job ends.")
    ] = True,
    json: Json = False,
) -> None:
    """Submit a run, an evaluation or a sweep to a Ray cluster, and follow it.

    Exits with the job's exit code. The same config and date follow the same job; Ctrl-C leaves it
    running. The token comes from RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.
    """
    from raypipe.compute import jobs

    job_kind = _one_of("--kind", kind, jobs.RESULTS)
    codes: tuple[Code, Code] = ("package", "image")
    job_code = _one_of("--code", code, codes)
    if date and kind != "run":
        raise ConfigError(f"--date: found with --kind {kind}, expected only for run; leave it out")
    if resume and not (again and kind == "sweep"):
        raise ConfigError("--resume: expected with --kind sweep --again, to continue that sweep")
    resolved = resolve(config, follows, settings)
    day = (date or datetime.datetime.now()).date().isoformat()
    job = jobs.job_of(job_kind, day, resolved, folder or str(Path.cwd()), results, resume)
    client = _connect(address)

    from raypipe.compute import ray_jobs

    attempt, known = ray_jobs.attempt_of(client, job)
    new = known is None or (again and known.status.is_terminal())
    attempt += 1 if new else 0
    job_id = jobs.submission_id(job, attempt)
    if new:
        ray_jobs.submit(client, job, attempt, job_code)
        _say(f"{job_id}: submitted")
    elif known:
        ended = known.status.is_terminal()
        _say(f"{job_id}: exists already, {known.status}" + ("; --again runs it again" * ended))
    if not wait:
        _end(job_id, ray_jobs.job_details(client, job_id), new, json)
        return
    _follow(client, job_id, new, json)


@jobs_app.command("list", epilog="Example: raypipe jobs list --address http://127.0.0.1:8265")
def list_jobs(address: Address = None, json: Json = False) -> None:
    """List the jobs on the server, newest first."""
    from raypipe.cli.output.terminal import print_json, print_table

    client = _connect(address)

    from raypipe.compute import ray_jobs

    jobs = ray_jobs.jobs(client)
    if json:
        print_json(
            [
                {
                    "id": each.submission_id,
                    "status": str(each.status),
                    "started": _time(each.start_time),
                    "ended": _time(each.end_time),
                    "exit_code": each.driver_exit_code,
                }
                for each in jobs
            ]
        )
        return
    rows = [
        # Users copy ids, so the other columns are narrow: at 80 columns, no id is cut.
        [
            each.submission_id,
            str(each.status),
            (_time(each.start_time) or "")[:-3],
            _took(each.start_time, each.end_time),
            each.driver_exit_code,
        ]
        for each in jobs
    ]
    print_table(["id", "status", "started", "took", "exit"], rows)


@jobs_app.command("logs", epilog="Example: raypipe jobs logs run-2026-03-01-1a2b3c4d")
def logs(job_id: JobId, address: Address = None) -> None:
    """Follow the log of a job; exits with the job's exit code."""
    _follow(_connect(address), job_id, False, False)


@jobs_app.command("stop", epilog="Example: raypipe jobs stop run-2026-03-01-1a2b3c4d")
def stop(job_id: JobId, address: Address = None) -> None:
    """Stop a job; finished work and published lists are kept."""
    client = _connect(address)

    from raypipe.compute import ray_jobs

    stopped = ray_jobs.stop(client, job_id)
    _say(f"{job_id}: {'stop requested' if stopped else 'has already ended'}")


def _connect(address: str | None) -> Any:
    from raypipe.compute.jobs import check_address, warning

    address = check_address(address)

    from raypipe.compute import ray_jobs  # imports Ray, which takes a second

    token = ray_jobs.token()
    caution = warning(address, token)
    if caution:
        _say(f"warning: {caution}")
    return ray_jobs.connect(address, token)


def _follow(client: Any, job_id: str, new: bool, json: bool) -> None:
    from raypipe.compute import ray_jobs

    out = sys.stderr if json else sys.stdout

    def write(text: str) -> None:
        out.write(text)
        out.flush()

    try:
        details = ray_jobs.follow(client, job_id, write, _say)
    except KeyboardInterrupt:
        _say(f"{job_id}: still running; see raypipe jobs logs, or stop it with raypipe jobs stop")
        raise typer.Exit(130) from None
    _end(job_id, details, new, json)


def _end(job_id: str, details: Any, new: bool, json: bool) -> None:
    """Print the last line, and exit with the job's exit code if it has failed."""
    from raypipe.cli.output.terminal import print_json
    from raypipe.compute.jobs import cure, exit_code

    status = str(details.status)
    ended = details.status.is_terminal()
    code = exit_code(status, details.driver_exit_code) if ended else None
    if json:
        print_json({"id": job_id, "new": new, "status": status, "exit_code": code})
    if code:
        result = "was stopped" if status == "STOPPED" else f"failed with exit code {code}"
        message = " ".join((details.message or "").split())
        reason = "" if details.driver_exit_code else f" ({message})"
        _say(f"{job_id}: {result}{reason[:300]}; {cure(job_id, code)}")
        raise typer.Exit(code)
    if ended:
        _say(f"{job_id}: succeeded")


def _one_of(option: str, value: str, known: Iterable[Word]) -> Word:
    for word in known:
        if word == value:
            return word
    raise ConfigError(f"{option} {value}: expected {', '.join(known)}")


def _say(line: str) -> None:
    typer.echo(f"raypipe: {line}", err=True)


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return f"{datetime.datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M:%S}"


def _took(start: int | None, end: int | None) -> str:
    """Duration of a finished job as hours, minutes and seconds."""
    if start is None or end is None:
        return ""
    return str(datetime.timedelta(seconds=(end - start) // 1000))
