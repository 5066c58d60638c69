"""Phases of curves that are made by hand, and of simulated ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from simulations import crossed, few_resamples

from supertickets.evaluation.phases import phases_of
from supertickets.evaluation.significance import over_both, variances

__all__ = ["few_resamples"]  # the fixture
pytestmark = pytest.mark.usefixtures("few_resamples")


def curve_of(means: Mapping[float, float], error: float = 0.1) -> pd.DataFrame:
    """Differences with the same small error."""
    rows = {
        "difference": means.values(),
        "error": error,
        "freedom": 20.0,
        "seeds_error": error,
        "seeds": 6,
        "examples": 1000,
    }
    return pd.DataFrame({"ratio": means.keys(), **rows})


FALLS = {0.1: 0.5, 0.2: -0.2, 0.3: -3.0, 0.4: -6.0, 0.5: -20.0}


@pytest.mark.parametrize(
    ("random", "first", "third"),
    [
        ({0.1: 0.0, 0.2: 0.1, 0.3: 4.0, 0.4: 3.0, 0.5: 0.1}, (0.2, 0.2, 0.2), (0.5, 0.5, 0.5)),
        ({0.1: 0.0, 0.2: 0.1, 0.3: 0.2, 0.4: 0.1, 0.5: 0.1}, (0.2, 0.2, 0.2), (0.3, 0.3, 0.3)),
        ({0.1: 0.0, 0.2: 0.1, 0.3: 4.0, 0.4: 0.1, 0.5: 9.0}, (0.2, 0.2, 0.2), (np.inf, np.inf, np.inf)),
        # As good as the margin says: neither is shown.
        ({0.1: 0.0, 0.2: 0.1, 0.3: 4.0, 0.4: 1.0, 0.5: 1.0}, (0.2, 0.2, 0.2), (0.4, 0.4, np.inf)),
    ],
    ids=["three phases", "no second", "no third", "near the margin"],
)
def test_phases_end_and_begin_where_differences_say(
    random: dict[float, float], first: tuple[float, ...], third: tuple[float, ...]
) -> None:
    found = phases_of(curve_of(FALLS).iloc[::-1], curve_of(random).iloc[::-1], 1.0)
    assert tuple(found.values()) == (*first, *third)


def test_phases_without_random_tickets_spread_or_score() -> None:
    none = curve_of({})
    found = phases_of(curve_of({0.1: 0.0, 0.2: -0.9, 0.3: 1.0}, 2.0), none, 1.0)
    assert found["first_ends"] == 0.3 and (found["first_ends_low"], found["first_ends_high"]) == (0.0, 0.3)
    assert np.isnan([found["third_begins"], found["third_begins_low"], found["third_begins_high"]]).all()
    alone = phases_of(curve_of(FALLS, np.nan), curve_of(FALLS, np.nan), 1.0)
    assert (alone["first_ends"], alone["third_begins"]) == (0.2, 0.3)
    assert np.isnan(
        [alone[f"{name}_{end}"] for name in ("first_ends", "third_begins") for end in ("low", "high")]
    ).all()
    hidden = curve_of({0.1: 0.0, 0.2: np.nan, 0.3: 0.0})  # by an undefined score
    assert np.isnan([*phases_of(hidden, hidden, 1.0).values()]).all()
    seen = phases_of(curve_of({0.1: 0.0, 0.2: -3.0, 0.3: np.nan}), hidden, 1.0)
    assert seen["first_ends"] == 0.1 and np.isnan(seen["third_begins"])


@pytest.mark.slow
def test_intervals_of_boundaries_hold_the_true_ones() -> None:
    """Of simulated curves whose true differences are known, with effects of seeds, of examples, and of both."""
    random = np.random.default_rng(23)
    to_full = {0.1: 0.3, 0.2: -0.4, 0.3: -2.5, 0.4: -6.0, 0.5: -15.0}
    to_random = {0.1: 0.0, 0.2: 1.5, 0.3: 3.0, 0.4: 4.0, 0.5: 0.2}

    def drawn(means: Mapping[float, float]) -> pd.DataFrame:
        rows = []
        for ratio, mean in means.items():
            table = mean + crossed(random, 5, 200, 1.0, 8.0, 25.0)
            by_seed = table.mean(axis=1)
            counts = random.multinomial(200, np.full(200, 1 / 200), size=100) / 200
            error, freedom = over_both(variances(by_seed, table @ counts.T), 5, 200)
            row = {
                "ratio": ratio,
                "difference": by_seed.mean(),
                "error": error,
                "freedom": freedom,
                "seeds": 5,
                "examples": 200,
            }
            rows.append(row | {"seeds_error": by_seed.std(ddof=1) / np.sqrt(5)})
        return pd.DataFrame(rows)

    found = pd.DataFrame([phases_of(drawn(to_full), drawn(to_random), 1.0) for _ in range(150)])
    assert ((found["first_ends_low"] <= 0.2) & (found["first_ends_high"] >= 0.2)).mean() >= 0.9
    assert ((found["third_begins_low"] <= 0.5) & (found["third_begins_high"] >= 0.5)).mean() >= 0.9
    assert (found["first_ends_low"] < found["first_ends_high"]).mean() > 0.5  # for they say something
    assert (found["third_begins_low"] >= 0.4).mean() > 0.5
