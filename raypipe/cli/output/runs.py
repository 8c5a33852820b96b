"""What people read after a command: runs, plans, statistics, lists."""

from __future__ import annotations

from typing import Any

from raypipe.cli.output.ladder import print_ladder
from raypipe.cli.output.terminal import print_facts, print_line, print_table
from raypipe.columns import ACCOUNT
from raypipe.storage.records import SimilarityRecord
from raypipe.storage.runs.run import Run


def print_rows(rows: list[dict[str, Any]], title: str) -> None:
    """The rows of one account, without the column that names it."""
    if rows:
        names = [name for name in rows[0] if name != ACCOUNT]
        print_table(names, ([row[name] for name in names] for row in rows), title)
    else:
        print_line(f"{title}: none")


def print_explanation(facts: dict[str, Any]) -> None:
    """What ``explain.explain`` returned, as a dict."""
    print_line(f"{facts['candidate']} to {facts['account']}, run {facts['run']}")
    is_it = "recommended" if facts["recommended"] else "not recommended:"
    print_line(f"{is_it} {facts['because']}")
    if facts["reason"]:
        print_line(f"reason: {facts['reason']}")
    if facts["sources"]:
        shares = {row["source"]: row["share"] for row in facts["shares"]}
        print_table(
            ["source", "place", "rank by itself", "score", "share"],
            (
                [row["source"], row["place"], _rank(row), row["score"], shares.get(row["source"])]
                for row in facts["sources"]
            ),
        )


def _rank(row: dict[str, Any]) -> str:
    if row["rank"] is None:
        return "not among its best" if row["deep"] else "does not bring it"
    return f"{row['rank']:,}"


def print_plan(planned: dict[str, Any]) -> None:
    """What ``plan.plan_night`` returned."""
    print_facts(planned["counts"])
    print_table(
        ["stage", "seconds"],
        ((name.replace("_", " "), float(value)) for name, value in planned["seconds"].items()),
        f"{planned['nodes']} nodes of {planned['cpus']} CPUs",
    )
    if "training" in planned["memory_bytes"] and "train" not in planned["seconds"]:
        print_line("the training of the model is not among the seconds")
    if planned["column_blocks"]:
        print_line(f"similarity: in column blocks: {planned['column_blocks']}, built by each shard")
    print_table(
        ["memory of a node", "MB"],
        ((name.replace("_", " "), value / 1e6) for name, value in planned["memory_bytes"].items()),
    )
    print_table(
        ["costliest", "followers", "share of co_follow_pairs"],
        (
            (hub["account"], hub["followers"], hub["share_of_co_follow_pairs"])
            for hub in planned["hubs"]
        ),
    )
    _print_similarity(SimilarityRecord(**planned["similarity"]))


def print_nothing_to_do(run: Run, published: str | None) -> None:
    """That the run was there already, and which one readers see if it is not this one."""
    print_line("nothing to do: this input has been run with this config and date before")
    if published != run.id:
        print_line(
            f"published is {published}; to publish this one again: raypipe runs rollback {run.id}"
        )


def print_run(run: Run) -> None:
    """What a run read, made and took."""
    manifest = run.manifest
    counts, engines = manifest.counts, manifest.engines
    print_table(
        ["stage", "seconds", "peak MB"],
        ((s.stage, s.seconds, s.peak_memory_mb) for s in manifest.stages),
        title=f"run {run.id}",
    )
    rows = counts.rows
    print_facts(
        {
            "rows in": rows.rows_in,
            "= used": rows.rows_used,
            "+ duplicates": rows.duplicates,
            "+ self-follows": rows.self_follows,
            "+ quarantined": rows.quarantined,
            "+ dropped by transform": rows.dropped_by_transform,
            "accounts": counts.graph.accounts,
            "accounts with lists": counts.audience,
            "neighbours": counts.neighbours,
            "recommendations": sum(counts.recommendations.values()),
            **{f"from {source}": count for source, count in counts.recommendations.items()},
        }
    )
    _print_filters(counts.filters)
    print_ladder(manifest.ladder)
    _print_similarity(manifest.similarity)
    where = (engines.frames, engines.cluster, engines.similarity)
    for line in (*filter(None, where), f"result: {run.path}"):
        print_line(line)


def _print_filters(counts: dict[str, int]) -> None:
    """The number of pairs and accounts of each filter; no line where there are none."""
    from raypipe.recommend.filters.registry import count_words

    found = count_words(counts)
    if found:
        print_line(f"filters: {', '.join(found)}")


def _print_similarity(facts: SimilarityRecord) -> None:
    """What the limit on hubs costs; nothing where there is none."""
    limit = facts.max_followers
    if limit is None:
        return
    if not facts.hubs_left_out:
        print_line(f"similarity: exact; no account has more than {limit:,} followers")
        return
    found = "which share of the exact neighbours is found is not known"
    if facts.sample and facts.recall is not None:
        found = (
            f"{facts.recall:.3f} of the exact neighbours are found "
            f"[{facts.low:.3f}, {facts.high:.3f}; 95 %, {facts.sample:,} accounts]"
        )
    print_line(
        f"similarity: {facts.hubs_left_out:,} accounts with more than {limit:,} followers left "
        f"out, {facts.share_of_co_follow_pairs_left:.1%} of the co-follow pairs left; {found}"
    )


def print_statistics(statistics: dict[str, Any], title: str) -> None:
    """What ``statistics.graph_statistics`` said, and ``triangle_statistics`` if it was asked."""
    plain = {name: value for name, value in statistics.items() if not isinstance(value, dict)}
    print_facts({name.replace("_", " "): value for name, value in plain.items()}, title)
    described = ("follows_per_follower", "followers_per_followee")
    print_table(
        ["", *(name.replace("_", " ") for name in described)],
        (
            [key, *(_whole(statistics[name][key]) for name in described)]
            for key in ("count", "mean", "std", "min", "25%", "50%", "75%", "max")
        ),
    )


def _whole(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number
