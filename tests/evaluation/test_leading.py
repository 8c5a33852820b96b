"""Which strategy leads: tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from raypipe.config import load_config
from raypipe.evaluation.leading import decide
from raypipe.evaluation.splits import SEGMENTS
from raypipe.recommend.ladder import Tier

POPULAR, SIMILAR, FACTORS = ("popular",), ("similar", "popular"), ("factors", "popular")
THREE = tuple(Tier(0, sources) for sources in (POPULAR, SIMILAR, FACTORS))
TWO = THREE[:2]
NAMES = ("popular", "similar", "factors")


def values(*means: float, swing: float = 0.0) -> np.ndarray:
    """100 accounts of each phase; those of the last one swing around their mean."""
    found = np.repeat(np.array(means)[:, None], 100, axis=1)
    found[-1] += np.where(np.arange(100) % 2, swing, -swing)
    return found


def decide_at_no_cost(values, measurable, tried, config):
    """Decide as if every strategy were as much work as the plain night."""
    work = {segment: np.ones(len(tried)) for segment in values}
    return decide(values, measurable, tried, config, work)


@pytest.mark.parametrize(
    ("found", "leads", "why"),
    [
        (values(0.1, 0.2), SIMILAR, "larger mean"),
        (values(0.2, 0.1), POPULAR, "larger mean"),
        (values(0.2, 0.1999), POPULAR, "larger mean"),
        (values(0.2, 0.2), POPULAR, "equal means: the simpler"),
        (values(0.1, 0.2, 0.3), FACTORS, "larger beyond the interval"),
        (values(0.3, 0.2, 0.4), FACTORS, "larger beyond the interval"),
        (values(0.1, 0.2, 0.2), SIMILAR, "larger mean"),
        # The mean of 100 swings of .5 is known to .098: 1.96 * .5 / 10.
        (values(0.1, 0.2, 0.25, swing=0.5), SIMILAR, "larger mean"),
        (values(0.2, 0.1, 0.25, swing=0.5), POPULAR, "larger mean"),
        (values(0.1, 0.2, 0.35, swing=0.5), FACTORS, "larger beyond the interval"),
        # Better than phase 2, and not sure to be better than phase 1, which leads.
        (values(0.3, 0.1, 0.35, swing=0.5), POPULAR, "larger mean"),
    ],
)
def test_who_leads(found, leads, why):
    of_phases = TWO if len(found) == 2 else THREE
    ladder, rows = decide_at_no_cost({"warm": found}, [0, 0, 0, 100, 0], of_phases, load_config())
    assert [(tier.min_follows, tier.sources) for tier in ladder] == [(0, leads)]
    rows = [row for row in rows if row.segment == "warm"]
    assert [row.strategy for row in rows] == list(NAMES[: len(found)])
    (leader,) = (row for row in rows if row.leads)
    assert (leader.sources, leader.why) == (leads, why)


def test_a_row_says_what_it_was_compared_with():
    """Means .1, .3 and .2 to the last bit that a decimal has; all differences are certain."""
    _, rows = decide_at_no_cost(
        {"zero": values(0.1, 0.3, 0.2)}, [100, 3, 0, 0, 0], THREE, load_config()
    )
    shown = ("strategy", "ndcg", "against", "difference", "leads")
    assert [tuple(getattr(row, key) for key in shown) for row in rows[:3]] == [
        ("popular", pytest.approx(0.1), "similar", pytest.approx(-0.2), False),
        ("similar", pytest.approx(0.3), "factors", pytest.approx(0.1), True),
        ("factors", pytest.approx(0.2), "similar", pytest.approx(-0.1), False),
    ]
    for row in rows[:3]:
        assert row.low == pytest.approx(row.ndcg) == pytest.approx(row.high)
        assert row.difference_low == pytest.approx(row.difference)
        assert row.difference_high == pytest.approx(row.difference)
        assert (row.accounts, row.min_follows, row.max_follows) == (100, 0, 0)
    assert [row.why for row in rows[:3]] == [
        "smaller mean", "larger mean", "not larger beyond the interval",
    ]  # fmt: skip
    assert [(row.segment, row.accounts, row.leads, row.ndcg) for row in rows[3:]] == [
        (segment, 0, True, None) for segment in ("few", "cold", "warm", "hot")
    ]
    assert rows[3].why == "3 accounts of the 100 needed; as zero"


def test_a_strategy_over_the_budget_does_not_lead_and_its_gain_is_said():
    """Means .1, .2 and .3; the third strategy is 11 times the plain work where 10 are allowed."""
    found, work = {"warm": values(0.1, 0.2, 0.3)}, {"warm": np.array([0.1, 1.0, 11.0])}
    for budget, leads in ((10, SIMILAR), (11, FACTORS), (None, FACTORS)):
        config = load_config(None, {"budget": budget})
        ladder, rows = decide(found, [0, 0, 0, 100, 0], THREE, config, work)
        assert [tier.sources for tier in ladder] == [leads]
        assert [row.work for row in rows if row.ndcg is not None] == [0.1, 1.0, 11.0]
        why = [row.why for row in rows if row.why.startswith("over the budget")]
        left_out = ["over the budget (11 x a plain list); +0.100"]
        assert why == (left_out if leads == SIMILAR else [])


def test_phases_1_and_2_are_within_any_budget():
    config, work = load_config(None, {"budget": 0.01}), {"warm": np.array([1.0, 9.0, 9.0])}
    ladder, _ = decide({"warm": values(0.1, 0.2, 0.3)}, [0, 0, 0, 100, 0], THREE, config, work)
    assert [tier.sources for tier in ladder] == [SIMILAR]


BEST = {POPULAR: values(0.2, 0.1, 0.1), SIMILAR: values(0.1, 0.2, 0.1)}
BEST[FACTORS] = values(0.1, 0.1, 0.2)


@pytest.mark.parametrize(
    ("best", "tiers"),
    [
        ([SIMILAR] * 5, [(0, SIMILAR)]),
        (
            [POPULAR, SIMILAR, SIMILAR, FACTORS, POPULAR],
            [(0, POPULAR), (1, SIMILAR), (10, FACTORS), (50, POPULAR)],
        ),
        # A segment that was not measured is as the nearest; of two, as that with fewer follows.
        ([None, FACTORS, None, POPULAR, None], [(0, FACTORS), (10, POPULAR)]),
        ([FACTORS, None, None, POPULAR, None], [(0, FACTORS), (3, POPULAR)]),
        ([None, None, None, None, FACTORS], [(0, FACTORS)]),
        ([SIMILAR, None, None, None, None], [(0, SIMILAR)]),
    ],
)
def test_tiers(best, tiers):
    measured = {segment: BEST[lead] for segment, lead in zip(SEGMENTS, best, strict=True) if lead}
    ladder, rows = decide_at_no_cost(measured, [100] * 5, THREE, load_config())
    assert ladder == tuple(Tier(*tier) for tier in tiers)
    assert list(dict.fromkeys(row.segment for row in rows)) == list(SEGMENTS)
    assert [row.segment for row in rows if not row.accounts] == [
        segment for segment in SEGMENTS if segment not in measured
    ]
