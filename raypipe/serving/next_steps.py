"""Next steps after a run: a command that shows a list, and a setting that improves the lists."""

import shlex
from pathlib import Path

from raypipe.config import RunConfig
from raypipe.storage.runs.run import Run

_LEARNED = "lists from all sources: --set blend.method=learned_ranker"
_MODEL = "with a trained model: --set sources.factors.algorithm=TruncatedSVD"
_MEASURED = "how good the lists are: raypipe evaluate"


def next_steps(
    run: Run, config: RunConfig, runs_dir: Path | None = None, command: str = "raypipe"
) -> list[str]:
    """Lines for the end of a run.

    Args:
        config: config of the run.
        runs_dir: folder of the runs; None: the default.
        command: the command with which the user starts raypipe.
    """
    lines = []
    account = next((part.first for part in run.manifest.parts["recommendations"] if part.first), "")
    if account:
        words = [command, "recommend", account]
        words += ["--runs-dir", str(runs_dir)] if runs_dir else []
        lines.append(f"next: {shlex.join(words)}")
    counts = run.manifest.counts.recommendations
    total = sum(counts.values())
    share = f"{counts.get('popular', 0) / total:.0%} popular" if total else "no recommendations"
    if config.blend.method != "learned_ranker":
        more = _LEARNED
    else:
        more = _MEASURED if config.sources.factors.trained else _MODEL
    return [*lines, f"lists: {share}; {more}"]
