"""The predicted cost of a night."""

from raypipe.serving.reports.content import Content, Facts, Line, Report, Table, Value, numbers
from raypipe.serving.reports.runs import factor_report, similarity_report
from raypipe.storage.plans import Plan


def plan_report(plan: Plan) -> Report:
    """Counts, seconds by stage, memory by part, the costliest hubs."""
    memory = {name.replace("_", " "): size for name, size in plan.memory_bytes.items()}
    found: list[Content] = [
        Facts(numbers(plan.counts.model_dump())),
        Table(
            ("stage", "seconds"),
            numbers(plan.seconds),
            f"{plan.nodes} nodes of {plan.cpus} CPUs",
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
