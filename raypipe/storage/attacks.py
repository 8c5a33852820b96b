"""The stored result of simulated attacks: what fake follows have bought."""

from collections.abc import Sequence
from typing import Any

from raypipe.storage.contract import Contract
from raypipe.storage.records import NetworkResult

RESULT = "attack.json"
#: The row of honest newcomers, beside those of the attacks; they and sleepers have several nights.
NEWCOMERS, SLEEPER = "newcomers", "sleeper"


class Estimate(Contract):
    """A mean over accounts with its 95 % interval.

    Attributes:
        value: None: undefined, as the mean of no account.
        low, high: None: fewer than two accounts.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


class DetectionRecord(Contract):
    """How well a suspicion score tells fake accounts from real ones.

    Attributes:
        auc: share of pairs of a fake and a real account in which the fake has the larger score;
            equal scores count half; None: there are no fakes.
        detected: share of the fakes with a score above 0; None: there are no fakes.
        false_positives: share of the real accounts with a score above 0.
    """

    auc: float | None
    detected: float | None
    false_positives: float


class Bought(Contract):
    """What an attack has bought on some lists.

    Attributes:
        lists: number of real accounts whose lists were made.
        reached: lists with a fake or the target; of an attack that demotes, with the target.
        first: the same, at rank 1.
        reached_before, first_before: both without the attack, when there is no fake.
        exposure, exposure_first: shares of the lists: ``reached / lists`` and ``first / lists``.
        price: lists won for each fake follow or rejection: ``(reached - reached_before) /
            (follows + rejections)``; below 0 where lists are lost.
        rank_shift: ranks by which the target rises in a list, on average; without a target, those
            of the best fake. An account that is not in the list has the rank after the last.
        recall_before: of the hidden follows, without the attack.
        recall_lost: recall without the attack minus recall with it, account by account.
    """

    lists: int
    reached: int
    first: int
    reached_before: int
    first_before: int
    exposure: Estimate
    exposure_first: Estimate
    price: Estimate
    rank_shift: Estimate
    recall_before: float | None
    recall_lost: Estimate


class AttackRow(Contract):
    """One attack with one budget and seed in one night, on the lists of one strategy.

    Attributes:
        night: from 1; of a sleeper, the last one is the attack.
        leads: what led in this night on the ladder: sources or a blend, by number of follows.
        target: the account that is promoted or demoted; None: the fakes promote themselves.
        accounts: number of fake accounts, or of newcomers.
        follows, rejections: of these accounts, up to this night.
        detection: by the suspicion score of the attacked night.
    """

    attack: str
    strategy: str
    budget: int
    seed: int
    night: int
    leads: tuple[str, ...]
    target: str | None
    accounts: int
    follows: int
    rejections: int
    bought: Bought
    detection: DetectionRecord


class AttackResult(NetworkResult):
    """``attack.json``; its ladder is that of the clean night.

    Attributes:
        length: of the lists.
        retrain: what each attacked night learned anew, as ``attack.retrain`` says.
    """

    length: int
    retrain: str
    attacks: tuple[AttackRow, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row per attack, budget, seed, night and strategy; ``exposure_low`` is a bound."""
        return [_flat(row.model_dump(mode="json")) for row in self.attacks]


def over_seeds(found: Sequence[Estimate]) -> Estimate:
    """Mean of the estimates of several seeds, with the widest of their bounds.

    Example:
        >>> over_seeds([Estimate(value=1, low=0, high=2), Estimate(value=2, low=1, high=3)])
        Estimate(value=1.5, low=0.0, high=3.0)
    """
    values, lows, highs = (
        [bound for bound in (getattr(one, key) for one in found) if bound is not None]
        for key in ("value", "low", "high")
    )
    if not values:
        return Estimate(value=None)
    mean = sum(values) / len(values)
    return Estimate(value=mean, low=min(lows, default=None), high=max(highs, default=None))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Nested values as columns: ``value`` by the name of its field, bounds with it in front."""
    flat: dict[str, Any] = {}
    for name, field in row.items():
        if name in ("bought", "detection"):
            flat |= _flat(field)
        elif isinstance(field, dict):
            flat |= {name if key == "value" else f"{name}_{key}": field[key] for key in field}
        else:
            flat[name] = field
    return flat
