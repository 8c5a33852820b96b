"""What people read after a sweep."""

from __future__ import annotations

from raypipe.show import print_facts, print_line, print_table
from raypipe.sweep import BEST, Sweep
from raypipe.sweeps.watch import setting_text, settings_text, value_text


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
            **({} if best["epochs"] is None else {"n_epochs": best["epochs"]}),
        },
        sweep.folder.name,
    )
    print_table(
        ["", *best["measures"]],
        [
            [told, *(value_text(measures[name]) for name in best["measures"])]
            for told, measures in (
                (f"in the sweep, folds of seed {facts['seed']}", best["measures"]),
                (f"again, folds of seed {again['seed']} that no trial saw", again),
            )
        ],
    )
    if not sweep.new:
        print_line("this sweep was finished before")
    print_line(f"result: {sweep.folder / BEST}")
