"""The predicted cost of a night."""

from typing import Any

from raypipe.storage.contract import Contract, Result
from raypipe.storage.records import FactorRecord, GraphCounts, SimilarityRecord


class PlanCounts(GraphCounts):
    """The size of the graph and of the audience."""

    audience: int


class HubRow(Contract):
    """One of the most followed accounts.

    Attributes:
        accountId: None where only degrees are known.
        share_of_co_follow_pairs: pairs of its followers, as a share of all such pairs.
    """

    accountId: str | None
    followers: int
    share_of_co_follow_pairs: float


class Plan(Result):
    """The prediction of a night.

    Attributes:
        column_blocks: number of blocks of the similarity index; 0: one index.
        seconds: by stage, and ``total``; ``recommend_on_one_cpu`` is not part of the total.
        nodes: machines that the shards would run on.
        cpus: of each machine.
        memory_bytes: of one machine, by part.
        hubs: the most followed accounts, which cost most.
        factors: how the model's candidates are retrieved; None: no model is trained.
    """

    counts: PlanCounts
    column_blocks: int
    seconds: dict[str, float]
    nodes: int
    cpus: int
    memory_bytes: dict[str, int]
    hubs: tuple[HubRow, ...]
    similarity: SimilarityRecord
    factors: FactorRecord | None = None

    def rows(self) -> list[dict[str, Any]]:
        """One row a stage: ``stage`` and ``seconds``."""
        return [{"stage": stage, "seconds": seconds} for stage, seconds in self.seconds.items()]
