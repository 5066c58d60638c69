"""Verdicts, and what experiments can show."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulations import crossed, few_resamples, outcomes

from supertickets.evaluation import resampling
from supertickets.evaluation.compare import constant_answer
from supertickets.evaluation.gain import HONEST, reports
from supertickets.evaluation.judge import corrected, with_verdicts
from supertickets.evaluation.power import Spread, needed
from supertickets.evaluation.predictions import Outcomes
from supertickets.evaluation.resampling import sample
from supertickets.evaluation.significance import difference, over_both, p_above, variances, wald

__all__ = ["few_resamples"]  # the fixture


REPORTED = {"model": "m", "task": "t", "train_size": "9", "split": "test", "metric": "accuracy", "reported": True}


def sweep(random: np.random.Generator, rights: dict[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate a chosen ticket and its curve.

    Args:
        random: the random generator.
        rights: probability of a correct prediction, by ratio.
    """
    parts = {}
    for split, count in (("validation", 80), ("test", 150)):
        labels = random.integers(0, 2, count).astype(float)
        parts[split] = {ratio: outcomes(random, labels, right, 5) for ratio, right in rights.items()}
    ratio, pairs, _ = reports("accuracy", parts, [HONEST])
    sampled = {ratio: sample("accuracy", runs.labels, runs.predicted) for ratio, runs in parts["test"].items()}
    base = {**REPORTED, "seeds": 5}
    base |= {"examples": 150, "chance": 50.0, "p_chance": 0.0}
    rows = [
        {**base, "kind": "winning", "ratio": cut, "weight_remaining": 1 - cut} | difference(sampled[0.0], sampled[cut])
        for cut in rights
        if cut > 0
    ]
    honest = {f"{name}_{HONEST}": value for name, value in difference(*pairs[HONEST]).items()}
    chosen = {**base, "ratio": ratio, "weight_remaining": 1 - ratio} | honest
    chosen |= {"lightest_by_others": 1 - ratio, "heaviest_by_others": 1.0 if ratio == 0.2 else 1 - ratio}
    return pd.DataFrame([chosen]), corrected(pd.DataFrame(rows))


MARGIN = {"t": 5.0}


@pytest.mark.slow
def test_a_sweep_of_labels_that_depend_on_nothing_reports_no_gain(few_resamples: None) -> None:
    random = np.random.default_rng(13)
    chance = dict.fromkeys(np.arange(5) / 10, 0.5)
    verdicts = [with_verdicts(*sweep(random, chance), MARGIN)["verdict"].iloc[0] for _ in range(30)]
    assert sum(verdict.startswith("gains") for verdict in verdicts) <= 30 * 0.05 + 2
    assert sum("loses" in verdict for verdict in verdicts) <= 30 * 0.05 + 2


@pytest.mark.parametrize(
    ("rights", "words", "keeps"),
    [
        ({0.0: 0.6, 0.1: 0.6, 0.2: 0.9, 0.3: 0.6}, r"gains (29|3\d)\.\d at 80 to 100% weight", 0.0),
        ({0.0: 0.95, 0.1: 0.98, 0.2: 0.98, 0.3: 0.55}, r"keeps within 5 down to 80% weight; loses [34]\d\.\d at", 0.2),
        ({0.0: 0.95, 0.1: 0.98, 0.2: 0.98, 0.3: 0.98}, "keeps within 5 down to 70% weight, the lightest tried", 0.3),
        ({0.0: 0.9, 0.1: 0.6, 0.2: 0.9, 0.3: 0.9}, r"loses [23]\d\.\d at 90% weight", 0.0),
        ({0.0: 0.6, 0.1: 0.6, 0.2: 0.6, 0.3: 0.6},
         r"undecided: a difference of \d+\.\d could have been found; about \d+ (seeds|examples).* within 5$", 0.0),
    ],
    ids=["gains", "keeps, then loses", "keeps", "loses", "undecided"],
)  # fmt: skip
def test_a_clear_curve_gets_its_verdict(
    few_resamples: None, rights: dict[float, float], words: str, keeps: float
) -> None:
    row = with_verdicts(*sweep(np.random.default_rng(17), rights), MARGIN).iloc[0]
    assert re.search(words, row["verdict"]), row["verdict"]
    assert row["keeps_ratio"] == keeps and row["keeps_weight"] == 1 - keeps and row["margin"] == 5


def test_a_true_loss_beyond_the_margin_is_not_said_to_be_kept(few_resamples: None) -> None:
    random = np.random.default_rng(18)
    rights = {0.0: 0.8, 0.1: 0.75}
    verdicts = [with_verdicts(*sweep(random, rights), MARGIN)["verdict"].iloc[0] for _ in range(60)]
    assert sum(verdict.startswith("keeps") for verdict in verdicts) <= 60 * 0.05 + 4


def test_runs_that_never_differ_have_no_interval_and_keep_their_score() -> None:
    labels = np.tile([0.0, 1.0], 20)
    same = sample("accuracy", labels, np.stack([labels, 1 - labels]))
    values = difference(same, same)
    assert values["difference"] == 0 and values["p"] == 1 and np.isnan([values["low"], values["high"]]).all()
    # As many examples as would show a difference of the margin, if there was one.
    told = "58 would show that an equal model keeps within 5"
    assert verdict_alone(values, 2) == f"undecided: no run differs on 40 examples; {told}"
    assert verdict_alone(values, 2, examples=60) == "keeps within 5 down to 90% weight, the lightest tried"


def verdict_alone(values: dict[str, float], seeds: int, p_chance: float = 0.0, examples: int = 40, **more: Any) -> str:
    """The verdict on a task with one ratio, from its difference."""
    base = {**REPORTED, "seeds": seeds, "ratio": 0.1, "weight_remaining": 0.9, "examples": examples}
    base |= {"chance": 50.0, "p_chance": p_chance, **more}
    rows = corrected(pd.DataFrame([base | {"kind": "winning"} | values]))
    base |= {"lightest_by_others": 0.9, "heaviest_by_others": 0.9}
    chosen = pd.DataFrame([base | {f"{name}_{HONEST}": value for name, value in values.items()}])
    return with_verdicts(chosen, rows, MARGIN)["verdict"].iloc[0]


@pytest.mark.parametrize(("difference", "error"), [(-3.5, 1.6), (-0.5, 2.5), (1.0, 4.0)], ids=["loss", "near", "gain"])
def test_what_enough_seeds_and_examples_did_not_decide_is_told_as_measured(difference: float, error: float) -> None:
    """They would show that a ticket as good as the full model keeps the margin; this one need not be as good."""
    values = {"full": 80.0, "difference": difference, "p": 2 * stats.t.sf(abs(difference) / error, 5), "p_seeds": 0.1}
    values |= {"error": error, "freedom": 50.0, "seeds_error": error}
    values |= {"variance_seeds": 1.0, "variance_examples": 0.01, "variance_residual": 0.005}
    verdict = verdict_alone(values, 6)
    measured = f"{difference:+.1f} was measured, shown to be neither a loss nor within the margin of 5"
    assert re.fullmatch(rf"undecided: a difference of \d\.\d could have been found; {re.escape(measured)}", verdict)


def of_luck(difference: float, by_seed: float, by_document: float) -> dict[str, float]:
    """A difference that is not significant, with variances over seeds and over documents."""
    error = (by_seed + by_document) ** 0.5
    values = {"full": 80.0, "difference": difference, "p": 0.9, "p_seeds": 0.9, "error": error, "freedom": 5.0}
    values |= {"seeds_error": by_seed**0.5, "variance_seeds": by_seed, "variance_examples": by_document}
    return values | {"variance_residual": 0.0}


@pytest.mark.parametrize(
    ("seeds", "variances_of", "documents", "metric", "words"),
    [
        (2, (100.0, 1.0), 40, "accuracy", "2 seeds could have found no difference; take 6 or more"),
        (2, (100.0, 1.0), 40, "pearson", r"a difference of 1\d\d\.\d could have been found; .*"),
        (6, (2500.0, 1.0), 40, "accuracy", "6 seeds could have found no difference; no affordable number of seeds .*"),
        (10, (1.0, 400.0), 2, "accuracy", r"2 documents could have found no difference; about \d+ documents would .*"),
    ],
    ids=["few seeds", "two seeds of a correlation", "seeds that fail", "two documents"],
)
def test_what_could_have_found_nothing_is_what_there_is_too_little_of(
    seeds: int, variances_of: tuple[float, float], documents: int, metric: str, words: str
) -> None:
    verdict = verdict_alone(of_luck(-1.0, *variances_of), seeds, documents=documents, metric=metric)
    assert re.fullmatch(f"undecided: {words}", verdict), verdict


def test_a_loss_that_is_kept_within_the_margin_is_no_loss_and_undefined_ratios_are_no_tests() -> None:
    def row(ratio: float, difference: float) -> dict[str, Any]:
        values = of_luck(difference, 0.01, 0.01) | {"p": 2 * stats.t.sf(abs(difference) / 0.02**0.5, 5)}
        values = values if difference == difference else dict.fromkeys(values, np.nan)
        base = {**REPORTED, "kind": "winning", "ratio": ratio, "weight_remaining": 1 - ratio, "seeds": 6}
        return base | {"examples": 900, "chance": 50.0, "p_chance": 0.0} | values

    def judged(*differences: float) -> pd.Series:
        rows = corrected(pd.DataFrame([row((place + 1) / 10, mean) for place, mean in enumerate(differences)]))
        chosen = rows[:1].assign(**{f"difference_{HONEST}": -1.0, f"p_{HONEST}": 0.9})
        return with_verdicts(chosen, rows, MARGIN).iloc[0]

    assert judged(-1.0, -1.0)["verdict"] == "keeps within 5 down to 80% weight, the lightest tried"
    assert judged(-1.0, -9.0)["verdict"] == "keeps within 5 down to 90% weight; loses 9.0 at 80% weight"
    names = ["detectable", "seeds_needed", "examples_needed"]
    assert judged(-1.0, np.nan)[names].tolist() == judged(-1.0)[names].tolist()


def test_one_seed_has_no_interval_and_no_verdict() -> None:
    labels = np.tile([0.0, 1.0], 20)
    full = sample("accuracy", labels, labels[None])
    values = difference(full, sample("accuracy", labels, 1 - labels[None]))
    assert values["difference"] == -100 and np.isnan([values[key] for key in ("low", "high", "p", "seeds_low")]).all()
    assert verdict_alone(values, 1) == "no verdict from one seed"


def test_a_full_model_that_has_learned_nothing_has_no_other_verdict() -> None:
    labels = np.tile([0.0, 1.0, 1.0, 1.0], 20)
    constant = np.ones((3, 80))
    outcomes = Outcomes(labels, np.stack([1 - constant, constant], axis=-1))
    answer = constant_answer("accuracy", outcomes, 3)
    assert answer.scores.tolist() == [75.0] * 3 and answer.resampled.shape == (3, resampling.RESAMPLES)
    assert constant_answer("matthews", outcomes, 3).scores.tolist() == [0.0] * 3
    assert constant_answer("pearson", Outcomes(labels, constant[..., None]), 2).scores.tolist() == [0.0] * 2
    values = difference(answer, sample("accuracy", labels, constant))
    assert values["p"] == 1
    verdict = verdict_alone(values, 3, values["p"])
    beats = "is not shown to beat 50.0, the score of one answer to all examples"
    assert verdict == f"the full model (75.0; 3 seeds, 40 examples) {beats}"
    verdict = verdict_alone(values, 3, values["p"], examples=1040, documents=7)
    assert verdict == f"the full model (75.0; 3 seeds, 1,040 examples in 7 documents) {beats}"


@pytest.mark.parametrize(
    ("p_chance", "learned"),
    [({"a": 0.03, "b": 0.04}, {"a": False, "b": False}), ({"a": 0.02, "b": 0.04}, {"a": True, "b": True})],
    ids=["each alone", "together"],
)
def test_chance_is_beaten_over_all_tasks_each_of_which_is_tested_once(
    few_resamples: None, p_chance: dict[str, float], learned: dict[str, bool]
) -> None:
    chosen, curve = sweep(np.random.default_rng(17), {0.0: 0.95, 0.1: 0.98, 0.2: 0.98})
    tasks = [(chosen.assign(task=task), curve.assign(task=task, p_chance=p)) for task, p in p_chance.items()]
    rows = corrected(pd.concat([of_task for _, of_task in tasks], ignore_index=True))
    assert rows.groupby("task")["p_chance_holm"].nunique().eq(1).all() and len(rows) == 4
    verdicts = with_verdicts(pd.concat([ticket for ticket, _ in tasks]), rows, dict.fromkeys(p_chance, 5.0))
    beaten = ~verdicts.set_index("task")["verdict"].str.contains("is not shown to beat 50.0")
    assert beaten.to_dict() == learned


def test_undefined_scores_have_no_difference_and_a_verdict_of_their_own() -> None:
    labels = np.arange(40.0)
    random = np.random.default_rng(2)
    full = sample("pearson", labels, labels + random.normal(size=(3, 40)))
    collapsed = labels + random.normal(size=(3, 40))
    collapsed[1] = 5.0
    values = difference(full, sample("pearson", labels, collapsed))
    assert np.isnan(list(values.values())).all()
    assert verdict_alone(values, 3) == (
        "undefined: some runs predict the same for all examples, or all labels are the same"
    )


@pytest.mark.slow
def test_a_pilot_says_how_many_seeds_and_examples_are_needed() -> None:
    """Components are recovered from simulated experiments, and what is planned from them is found as often as said."""
    random = np.random.default_rng(19)
    true = Spread(seeds=2.0, examples=10.0, residual=30.0)

    def row(seeds: int, examples: int, mean: float) -> dict[str, float]:
        table = mean + crossed(random, seeds, examples, true.seeds, true.examples, true.residual)
        counts = random.multinomial(examples, np.full(examples, 1 / examples), size=150) / examples
        parts = variances(table.mean(1), table @ counts.T)
        errors = [over_both(parts, seeds, examples), (stats.sem(table.mean(1)), seeds - 1)]
        names = ("variance_seeds", "variance_examples", "variance_residual")
        values = dict(zip(names, parts, strict=True)) | {"seeds": seeds, "examples": examples}
        return values | {"p": wald(table.mean(), errors)[2], "keeps": p_above(table.mean(), -2.0, errors, examples)}

    pilot = Spread.of(pd.DataFrame([row(6, 400, 0.0) for _ in range(60)]))
    assert (pilot.seeds, pilot.examples, pilot.residual) == pytest.approx((2.0, 10.0, 30.0), rel=0.35)
    for count, tests in ((3, 1), (8, 3)):
        found = [row(count, 400, true.detectable(count, 400, tests))["p"] <= 0.05 / tests for _ in range(400)]
        assert 0.74 < np.mean(found) < 0.86
    seeds, examples = needed(true, 2.0, 4, 400, 1)
    assert true.detectable(int(seeds), 400, 1, 1) <= 2.0 < true.detectable(int(seeds) - 1, 400, 1, 1)
    assert 0.68 < np.mean([row(int(seeds), 400, 0.0)["keeps"] <= 0.05 for _ in range(200)]) < 0.95
    assert examples == float("inf") or examples > 400
    assert needed(Spread(0.0, 0.0, 0.0), 1.0, 3, 100, 7) == (2.0, 2.0)
