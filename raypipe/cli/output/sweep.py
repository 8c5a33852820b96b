"""What people read after a sweep."""

from __future__ import annotations

from typing import Any

from raypipe.cli.output.terminal import print_facts, print_line, print_table
from raypipe.sweeps.run import BEST, Sweep
from raypipe.sweeps.trials import setting_text, settings_text, value_text


def print_sweep(sweep: Sweep) -> None:
    """Its failed trials, its best one, and both of its figures."""
    facts, best, again = sweep.facts, sweep.facts["best"], sweep.facts["measured_again"]
    if facts["failed"]:
        print_table(
            ["failed", "error", "settings"],
            ([f["trial"], f["error"], settings_text(f["settings"])] for f in facts["failed"]),
        )
    counts = ", ".join(f"{count} {state}" for state, count in facts["trials"].items() if count)
    print_facts(
        {
            "trials": counts,
            "best": f"trial {best['trial']}",
            **{key.rpartition(".")[2]: setting_text(v) for key, v in best["settings"].items()},
            **({} if best["epochs"] is None else {"epochs": best["epochs"]}),
        },
        sweep.folder.name,
    )
    shown = {"in the sweep": best["measures"], "again": again}
    misled = facts["misled"]
    if misled and misled["picks"]:
        shown[f"what {misled['objective']} picks"] = misled["picks"]["measures"]
    print_table(
        ["", *shown],
        ([name, *(value_text(m.get(name)) for m in shown.values())] for name in best["measures"]),
    )
    for told, place in zip(shown, facts["measured_on"], strict=False):
        print_line(f"{told}: {place}")
    if misled:
        print_line(_misled_text(misled))
    if not sweep.new:
        print_line("this sweep was finished before")
    print_line(f"result: {sweep.folder / BEST}")


def _misled_text(misled: dict[str, Any]) -> str:
    name, picked = misled["objective"], misled["picks"]
    if picked is None:
        return f"{name}: no trial has one; only the scores of SVD are estimates of 0 and 1"
    epochs = "" if picked["epochs"] is None else f" after {picked['epochs']} epochs"
    return (
        f"{name} would have picked trial {picked['trial']}{epochs}, "
        f"{settings_text(picked['settings'])}"
    )
