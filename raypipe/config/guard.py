"""Section ``guard``: how far a run may differ from the published one before it is held back."""

from pydantic import Field

from raypipe.config.section import SPEED_ONLY, Section


def _limit(default: float, description: str, most: float | None = None) -> float | None:
    """A limit that null turns off; no limit changes a list, so it is not part of the digest."""
    found: float | None = Field(
        default, ge=0, le=most, json_schema_extra=SPEED_ONLY, description=description
    )
    return found


class GuardConfig(Section):
    """How far a run may differ from the last published run of its network; null: any distance.

    A run outside of these limits is finished and held back; see `raypipe runs publish`. A run
    without any recommendation is always held back.
    """

    min_accounts: int = Field(
        20,
        ge=0,
        json_schema_extra=SPEED_ONLY,
        description="The limits hold if the published run has at least this number of accounts.",
    )
    max_loss: float | None = _limit(
        0.3, "Share of the accounts, and of the follows, that may be lost.", 1
    )
    max_growth: float | None = _limit(
        1.0, "Growth of the accounts, and of the follows; 1.0: they may double."
    )
    max_lists_loss: float | None = _limit(
        0.1, "Fall of the share of the audience that has a list that is not empty.", 1
    )
    max_popular_rise: float | None = _limit(
        0.3, "Rise of the share of recommendations from the source popular.", 1
    )
    min_overlap: float | None = _limit(
        0.05, "Share of a list that was in it before; mean of up to 300 accounts.", 1
    )
    max_quality_loss: float | None = _limit(
        0.5, "Share of the held-out quality (of the strategies that lead) that may be lost.", 1
    )
    max_suspects_rise: float | None = _limit(
        0.1, "Rise of the share of accounts that a detector suspects.", 1
    )
    min_top: float | None = _limit(
        0.5, "Share of the 10 most followed accounts that were among the 30 most followed.", 1
    )
