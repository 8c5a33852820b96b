"""The guard: a run that differs too much from the published one is finished and held back.

A green night can be a wrong one: half of the input was missing, the lists are all popular, another
network was read. Every limit is a key of the config section ``guard``.
"""

from raypipe.config import RunConfig
from raypipe.config.guard import GuardConfig
from raypipe.errors import HeldError, RunError
from raypipe.graph.follow_graph import FollowGraph
from raypipe.storage.runs.compare import Side, changes_between, in_words, share_of_ids
from raypipe.storage.runs.manifest import ChangeRecord, GuardRecord
from raypipe.storage.runs.run import Run

#: Networks that share less of the accounts of the smaller one are two networks.
MIN_COMMON = 0.1


def check_network_name(config: RunConfig, published: Run | None) -> None:
    """Refuse a network of another name than the runs folder's, before anything is read.

    Raises:
        RunError: the names differ.
    """
    found = published.manifest.network if published else None
    if published and found and config.network and found != config.network:
        raise RunError(
            f"{published.path.parent}: run {published.id} is of network {found!r}, found network "
            f"{config.network!r}; {_CURE}"
        )


def check_network(config: RunConfig, published: Run | None, graph: FollowGraph) -> None:
    """Refuse another network than the one of the runs folder, where names do not tell.

    Raises:
        RunError: the graphs have too few ids in common.
    """
    if published is None or (config.network and published.manifest.network):
        return
    share = share_of_ids(published, graph.ids)
    if share is not None and share < MIN_COMMON:
        raise RunError(
            f"{published.path.parent}: found {share:.1%} of the accounts in common with run "
            f"{published.id}, expected {MIN_COMMON:.0%} or more of the same network; {_CURE}"
        )


_CURE = "use another --runs-dir for another network"


def compare(config: GuardConfig, published: Run | None, now: Side) -> GuardRecord:
    """The comparison with the published run, for the manifest."""
    changes = changes_between(published, now)
    return GuardRecord(
        against=published and published.id, changes=changes, breaches=breaches(config, changes)
    )


def breaches(config: GuardConfig, changes: tuple[ChangeRecord, ...]) -> tuple[str, ...]:
    """The numbers outside the limits, one line each: both values, and the key of the limit.

    Example:
        >>> changes = [ChangeRecord(name="accounts", before=100, now=50, is_share=False)]
        >>> breaches(GuardConfig(), tuple(changes))
        ('accounts: 50, before 100; expected at least 70 (guard.max_loss)',)
    """
    by_name = {change.name: change for change in changes}
    lines = []
    total = by_name.get("recommendations")
    if total and not total.now:
        lines.append(f"recommendations: 0, before {in_words(total)[0]}; expected at least 1")
    before = by_name["accounts"].before
    if before is None or before < config.min_accounts:
        return tuple(lines)
    for change in changes:
        for key, limit, is_minimum in _limits(config, change):
            if change.now is None or limit is None:
                continue
            if change.now < limit if is_minimum else change.now > limit:
                old, new, bound = in_words(change, limit)
                word = "at least" if is_minimum else "at most"
                was = f", before {old}" if change.before is not None else ""
                lines.append(f"{change.name}: {new}{was}; expected {word} {bound} (guard.{key})")
    return tuple(lines)


def _limits(config: GuardConfig, change: ChangeRecord) -> list[tuple[str, float | None, bool]]:
    """Key, limit and whether it is a minimum, for one number; a limit that is off is None."""
    before = change.before

    def times(factor: float | None, sign: int) -> float | None:
        return None if factor is None or before is None else before * (1 + sign * factor)

    def plus(points: float | None, sign: int) -> float | None:
        return None if points is None or before is None else before + sign * points

    limits: dict[str, list[tuple[str, float | None, bool]]] = {
        "with_lists": [("max_lists_loss", plus(config.max_lists_loss, -1), True)],
        "from_popular": [("max_popular_rise", plus(config.max_popular_rise, 1), False)],
        "quality": [("max_quality_loss", times(config.max_quality_loss, -1), True)],
        "suspects": [("max_suspects_rise", plus(config.max_suspects_rise, 1), False)],
        "overlap": [("min_overlap", config.min_overlap, True)],
        "top": [("min_top", config.min_top, True)],
    }
    for name in ("accounts", "follows"):
        limits[name] = [
            ("max_loss", times(config.max_loss, -1), True),
            ("max_growth", times(config.max_growth, 1), False),
        ]
    return limits.get(change.name, [])


def release(run: Run, config: GuardConfig) -> None:
    """Refuse to publish a finished run that is outside the limits.

    Raises:
        HeldError: one line for each breach.
    """
    record = run.manifest.guard
    lines = breaches(config, record.changes) if record else ()
    if lines:
        against = record and record.against
        diff = f"compare: raypipe runs diff {against} {run.id}; " if against else ""
        raise HeldError(
            "\n  ".join((f"run {run.id} is finished and held back, not published:", *lines))
            + f"\n{diff}publish it all the same: raypipe runs publish {run.id} --force"
        )
