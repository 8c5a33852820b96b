"""Serve the published run over HTTP, and make tokens for it."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from raypipe.cli.app import app
from raypipe.cli.options import DEFAULT_RUNS, Feedback, Json, ResultsDir, RunsDir

_DRAIN_SECONDS = 10


@app.command(epilog="Example: raypipe serve --runs-dir runs --port 8000")
def serve(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="A YAML file; only feedback.url is used."),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
    host: Annotated[
        str, typer.Option(envvar="RAYPIPE_HOST", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="RAYPIPE_PORT", metavar="NUMBER", min=0, max=65535, help="Port.")
    ] = 8000,
    workers: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="Processes that answer.")
    ] = 1,
    tokens: Annotated[
        Path | None,
        typer.Option(
            envvar="RAYPIPE_TOKENS",
            metavar="FILE",
            help="Tokens that may ask; see raypipe token. Needed where the address is not "
            "a loopback address.",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(metavar="COUNT", min=0.1, help="Requests a second of one person.")
    ] = 20.0,
    mastodon: Annotated[
        bool, typer.Option("--mastodon", help="Also answer clients of Mastodon.")
    ] = False,
    names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV or Parquet: accountId, name, and avatar (a URL)."),
    ] = None,
    results: ResultsDir = None,
    maps: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of mapped lists; default: RUNS/.serve."),
    ] = None,
    feedback: Feedback = None,
) -> None:
    """Serve the lists over HTTP, and take feedback.

    Serves the published run, the next one as soon as it is published, and every rejection, block,
    follow and opt-out from the moment it is acknowledged. GET /docs describes the API.
    """
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from raypipe.errors import ConfigError
    from raypipe.serving.http.server import VARIABLE, Server, ServeSettings

    if tokens is None and not _is_loopback(host):
        raise ConfigError(
            f"--host {host}: others can reach this address, so --tokens FILE is needed; "
            "make one with: raypipe token FILE --scope read --scope write"
        )
    if config is not None and feedback is None:
        from raypipe import load_config

        feedback = load_config(config).feedback.url
    settings = ServeSettings(
        runs_dir=runs_dir.absolute(),
        feedback=feedback,
        tokens=tokens and tokens.absolute(),
        maps=maps and maps.absolute(),
        rate=rate,
        mastodon=mastodon,
        names=names and names.absolute(),
        results=results and results.absolute(),
    )
    server = Server(settings)
    server.live.check()  # what cannot be served is said before anything listens
    if workers == 1:
        server.begin()
    else:
        import tempfile

        os.environ[VARIABLE] = settings.model_dump_json()
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="raypipe-"))
    own = {"raypipe": {"handlers": ["default"], "level": "INFO"}}
    uvicorn.run(
        server if workers == 1 else "raypipe.serving.http.server:from_environment",
        factory=workers > 1,
        host=host,
        port=port,
        workers=workers,
        log_config={**LOGGING_CONFIG, "loggers": {**LOGGING_CONFIG["loggers"], **own}},
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


@app.command(epilog="Example: raypipe token tokens.jsonl --scope read --scope write")
def token(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of tokens; made if needed.")],
    scope: Annotated[
        list[str], typer.Option(metavar="SCOPE", help="read, write or admin; may be repeated.")
    ],
    subject: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="The token is this account's, and sees it alone."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="TEXT", help="What the token is for.")] = "token",
    json: Json = False,
) -> None:
    """Make a token, store its SHA-256, and print it: it is shown once."""
    from raypipe.cli.output.terminal import print_answer
    from raypipe.serving.http.access import add_token

    made = add_token(file, scope, subject, name)
    print_answer({"token": made, "file": str(file)}, made, json)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
