"""Whether pruning is worth it: every kind of sentence, and what the candidates are compared by."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawing import points
from made_up_runs import FIRST, MAIN, verdicts, write_latency
from scipy import stats
from statsmodels.stats.multitest import multipletests
from test_rivals import compared_verdicts, group_of, write_rival_runs

from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.int8 import compare_int8, read_int8
from supertickets.evaluation.judge import corrected, with_verdicts
from supertickets.evaluation.predictions import predictions_file
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.rivals import compare_rivals, read_rivals
from supertickets.evaluation.significance import NAMES, p_above
from supertickets.evaluation.worth import (
    IN_TURN,
    INT8,
    INT8_TICKET,
    KEEPS,
    TICKET,
    answered,
    candidates_of,
    holm_in_turn,
    judged,
    speeds_of,
    with_lightest,
)
from supertickets.experiment.grid import groups_of
from supertickets.experiment.int8 import WHICH
from supertickets.exports.predict_int8 import _joined, _runs
from supertickets.report.figures.speed import draw_speed
from supertickets.report.tables.worth import write_worth

RIVAL = "the first 4 layers"


# Sentences.


def row(candidate: str, difference: float, speedup: float, error: float = 0.1, **more: Any) -> dict[str, Any]:
    """A candidate of six seeds and 1,000 examples, whose speed-up is known within 3%."""
    seeds = more.get("seeds", 6)
    p = 2 * stats.t.sf(abs(difference) / error, seeds - 1) if error else 1.0
    return {
        **{"model": "minilm", "task": "movie", "train_size": "64", "candidate": candidate, "turn": None},
        **{"split": "test", "metric": "accuracy"},
        **{"seeds": seeds, "examples": 1000, "chance": 50.0, "p_chance_holm": 0.001, "full": 80.0, "full_model": 80.0},
        **{"difference": difference, "p": p, "error": error, "freedom": 50.0, "seeds_error": error},
        **{"variance_seeds": error**2, "variance_examples": error**2 / 4, "variance_residual": error**2 / 8},
        **{"speedup": speedup, "speedup_low": 0.97 * speedup, "speedup_high": 1.03 * speedup, **more},
    }


def answers(*rows: dict[str, Any], margin: float = 1.0) -> list[str]:
    table = pd.DataFrame(rows)
    found = answered(judged(table, dict.fromkeys(table["task"], margin)))
    return found.drop_duplicates(["model", "task"])["answer"].tolist()


UNKNOWN = {"p": np.nan, "full": np.nan, "full_model": np.nan}
BEATS = "is not shown to beat 50.0, the score of one answer to all examples"
NO_SCORE = "undefined: some runs predict the same for all examples, or all labels are the same"
SENTENCES = {
    "keeps": ([row(TICKET, -0.2, 1.5)], "worth it: 1.50 times as fast (1.46 to 1.54), keeps within 1 point"),
    "gains": ([row(TICKET, 2, 1.5)], "worth it: 1.50 times as fast (1.46 to 1.54), gains 2.0 points"),
    "a faster rival": (
        [row(TICKET, -0.2, 1.5), row(RIVAL, -0.1, 1.6)],
        "take the first 4 layers: 1.60 times as fast (1.55 to 1.65), keeps within 1 point",
    ),
    "int8": (
        [row(TICKET, 0, 1.5), row(INT8, 0, 2)],
        "take int8: 2.00 times as fast (1.94 to 2.06), keeps within 1 point",
    ),
    "the ticket in int8": (
        [row(INT8, 0, 2), row(INT8_TICKET, 0, 2.5)],
        "take the super ticket in int8: 2.50 times as fast (2.42 to 2.58), keeps within 1 point",
    ),
    "the fastest loses": (
        [row(TICKET, 0, 1.5), row(RIVAL, -5, 4)],
        "worth it: 1.50 times as fast (1.46 to 1.54), keeps within 1 point",
    ),
    "the fastest is undecided": (
        [row(TICKET, 0, 1.5), row(RIVAL, -0.5, 4, error=2)],
        "worth it: 1.50 times as fast (1.46 to 1.54), keeps within 1 point",
    ),
    "as fast, and better": (
        [row(TICKET, -0.2, 1.5), row(RIVAL, 0.1, 1.498)],
        "take the first 4 layers: 1.50 times as fast (1.45 to 1.54), keeps within 1 point",
    ),
    "equals": (
        [row(TICKET, 0, 1.5), row(RIVAL, 0, 1.5)],
        "worth it: 1.50 times as fast (1.46 to 1.54), keeps within 1 point",
    ),
    "never another answer": (
        [row(INT8, 0, 2, error=0.0)],
        "take int8: 2.00 times as fast (1.94 to 2.06), keeps within 1 point",
    ),
    "no speed": ([row(TICKET, 0.5, 1.01)], "no: not shown to be faster: the super ticket"),
    "slower, and undecided": ([row(TICKET, 0.5, 0.9, error=3)], "no: not shown to be faster: the super ticket"),
    "all lose": (
        [row(TICKET, -5, 1.5), row(RIVAL, -6.04, 2), row(INT8, 0, 1)],
        "no: loses 5.0 with the super ticket, 6.0 with the first 4 layers; not shown to be faster: int8",
    ),
    "some undefined": (
        [row(TICKET, np.nan, np.nan, **UNKNOWN), row(RIVAL, -6, 2)],
        "no: loses 6.0 with the first 4 layers; undefined: the super ticket",
    ),
    "all undefined": ([row(TICKET, np.nan, 1.5, **UNKNOWN), row(INT8, np.nan, 2, **UNKNOWN)], NO_SCORE),
    "one seed": ([row(TICKET, 0, 1.5, seeds=1, seeds_error=np.nan, error=np.nan)], "no answer from one seed"),
    "one document": ([row(TICKET, 0, 1.5, documents=1, error=np.nan)], "no answer from one document of test"),
    "nothing learned": (
        [row(TICKET, 0, 1.5, p_chance_holm=0.2, full=49.7, full_model=50.1)],  # of halves, and of the whole split
        f"no answer: the full model (50.1; 6 seeds, 1,000 examples) {BEATS}",
    ),
    "nobody knows if it has": (
        [row(TICKET, np.nan, 1.5, **UNKNOWN), row(RIVAL, 0, 2, p_chance_holm=np.nan, full_model=np.nan)],
        f"no answer: the full model (80.0; 6 seeds, 1,000 examples) {BEATS}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_the_sentence(rows: list[dict[str, Any]], expected: str) -> None:
    rows = [one | {"p_chance_holm": rows[-1]["p_chance_holm"]} for one in rows]  # of the full model, the same for all
    assert answers(*rows) == [expected]


def test_the_margin_is_that_of_the_task() -> None:
    (answer,) = answers(row(TICKET, -1.5, 1.5), margin=2.5)
    assert answer.endswith("keeps within 2.5 points")
    (answer,) = answers(row(TICKET, -1.5, 1.5), margin=1)
    assert answer == "no: loses 1.5 with the super ticket"


def test_what_is_undecided_says_what_would_decide_it() -> None:
    (answer,) = answers(row(TICKET, -0.5, 1.5, error=1.0), row(RIVAL, -0.9, 2, error=1.0), row(INT8, 0.3, 0.8))
    assert answer.startswith("undecided about the super ticket, 1.50 times as fast: a difference of ")
    assert answer.endswith(" would show that an equal model keeps within 1") and " seeds " in answer
    # A loss that is shown, within the margin as measured, but not to be within it.
    (answer,) = answers(row(TICKET, -0.9, 1.5, error=0.06))
    assert answer.startswith("undecided about the super ticket")
    assert answer.endswith("; -0.9 was measured, shown to be a loss, but not one within the margin of 1")
    (answer,) = answers(row(INT8, 0, 2, error=0, examples=20))
    needed = "no run differs on 20 examples; 298 would show that an equal model keeps within 1"
    assert answer == f"undecided about int8, 2.00 times as fast: {needed}"
    (answer,) = answers(row(TICKET, -0.5, 1.5, error=12.0, seeds=2))
    assert answer.endswith("2 seeds could have found no difference; take 6 or more")
    of_documents = {"documents": 40, "seeds_error": 0.3, "variance_seeds": 0.1, "variance_examples": 9.0}
    (answer,) = answers(row(TICKET, -0.5, 1.5, error=3.0, **of_documents))
    assert " documents" in answer and "examples" not in answer


def test_tests_are_corrected_over_candidates_and_tasks_of_a_model() -> None:
    alone = row(TICKET, 0, 1.5, error=0.42)  # p 0.03 of six seeds
    assert answers(alone)[0].startswith("worth it")
    other = row(TICKET, -9, 1.5, error=3) | {"task": "rating"}
    for beside in (row(RIVAL, -9, 2, error=3), other):
        assert answers(alone, beside)[0].startswith("undecided about the super ticket")
    assert answers(alone, other | {"model": "bert-base"})[0].startswith("worth it")


# The lightest ticket.


def test_tests_in_turn_count_as_one_and_stop_at_the_first_that_fails() -> None:
    turns = pd.Series([0, 1, 1, 1, 2])
    found = holm_in_turn(pd.Series([0.02, 0.001, 0.004, 0.3, 0.01]), turns)
    # The turn passes nothing on, as its last test fails: 0.01 and 0.02 are two of three.
    np.testing.assert_allclose(found, [0.04, 0.003, 0.012, 0.3, 0.03])
    found = holm_in_turn(pd.Series([0.02, 0.001, 0.2, 0.003, 0.01]), turns)
    np.testing.assert_allclose(found, [0.04, 0.003, 0.2, 0.2, 0.03])  # none after one that fails
    found = holm_in_turn(pd.Series([0.02, 0.001, 0.001, 0.001, 0.01]), turns)
    np.testing.assert_allclose(found, [0.02, 0.003, 0.003, 0.003, 0.02])  # all of it passes, as Holm's of three


def named(place: int) -> dict[str, Any]:
    return {"variant": f"minilm-{place / 10:.2f}", "rounded": False}


def tickets(*losses: float, kept: int) -> list[dict[str, Any]]:
    """Tickets of a task in turn, of which the verdict keeps so many; each lighter one is faster."""
    return [
        row(f"ticket {place}", -loss, 1 + place / 10, p=np.nan, turn=IN_TURN, kept=place <= kept, **named(place))
        for place, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ("losses", "kept", "expected"),
    [
        ([0, 0.2, 0.1, 4], 3, ["ticket 3"]),
        ([0, 0.2, 0.1, 4], 2, ["ticket 2"]),  # so many the verdict keeps
        ([0, 4, 0, 0], 3, []),  # ticket 1 is the super ticket
        ([4, 0, 0, 0], 3, []),
    ],
)
def test_the_lightest_ticket_that_keeps_the_score_is_a_candidate(
    losses: list[float], kept: int, expected: list[str]
) -> None:
    first = row(TICKET, 0.3, 1.0, **named(1))
    table = with_lightest(judged(pd.DataFrame([first, *tickets(*losses, kept=kept)]), {"movie": 1.0}))
    assert table["candidate"].tolist() == [TICKET, *expected] and set(table["tests"]) == {2}
    (answer,) = answered(table)["answer"].unique()
    if expected:
        assert set(table["score"]) == {KEEPS} and table["p_holm"].isna().tolist() == [False, True]
        speed = 1 + int(expected[0][-1]) / 10
        assert answer.startswith(f"take {expected[0]}: {speed:.2f} times as fast") and answer.endswith("within 1 point")
    else:
        assert answer == "no: not shown to be faster: the super ticket"


# Speeds.


def test_speeds_are_of_the_first_batches_where_a_user_would_compute() -> None:
    places = [("torch", "cpu", 1), ("torch", "cpu", 4), ("torch", "cuda", 1), ("int8", "cpu", 1), ("int8", "cpu", 4)]
    rows = [
        {
            **{"model": "m", "task": "t", "variant": variant, "ratio": ratio, "batch_size": count, "length": length},
            **{"backend": backend, "device": device, "threads": threads, "speedup": number + ratio},
            **{"speedup_low": 0.9, "speedup_high": 1.1, "milliseconds": 10.0 - 4 * ratio - 5 * (backend == "int8")},
            **{"milliseconds_low": 9.0 - 5 * (backend == "int8"), "milliseconds_high": 12.0 - 5 * (backend == "int8")},
        }
        for number, (backend, device, threads) in enumerate(places)
        for count in (8, 1)
        for length in (64, 16)
        for variant, ratio in (("m", 0.0), ("m-0.50", 0.5))
    ]
    table = pd.DataFrame(rows)
    found = speeds_of(table, int8=False)
    assert found[["backend", "device"]].drop_duplicates().to_numpy().tolist() == [["torch", "cuda"]]
    assert found["speedup"].tolist() == [2, 2.5] and not found["rounded"].any()
    found = speeds_of(table, int8=True).set_index(["variant", "rounded"])
    assert set(found["device"]) == {"cpu"} and set(found["threads"]) == {4}
    assert set(found["batch_size"]) == {8} and set(found["length"]) == {64}
    assert found.loc[("m-0.50", False), "speedup"] == 1.5
    assert found.loc[("m", True), "speedup"] == 10 / 5 and found.loc[("m-0.50", True), "speedup"] == 10 / 3
    assert found.loc[("m", True), ["speedup_low", "speedup_high"]].tolist() == [9 / 7, 12 / 4]
    first = pd.concat([table[table["backend"] == "int8"], table[table["backend"] != "int8"]])
    pd.testing.assert_frame_equal(speeds_of(first, int8=True), speeds_of(table, int8=True))


# From runs.


TWO = MAIN | {"tasks": ["movie", "dev_only"]}
RIVALS = {"minilm": ["cut", "small"]}


@pytest.fixture(scope="module")
def rounded(tmp_path_factory: pytest.TempPathFactory, results: Path) -> Path:
    """Rivals and, in int8, models that predict what they did before."""
    folder = tmp_path_factory.mktemp("worth")
    write_rival_runs(folder, results)
    for task in TWO["tasks"]:
        where, metric = group_of(task), FIRST[task]
        compare_rivals(folder, TWO, where, RIVALS["minilm"], metric, folder / f"rivals/minilm/{task}.csv")
        for seed, which in product(TWO["seeds"], WHICH):
            parts = _runs(folder, TWO, where, metric, which, seed)
            tables = [(pd.read_parquet(predictions_file(folder, run)), rows) for run, rows in parts]
            path = predictions_file(folder, {**where, "seed": seed, "int8": which})
            path.parent.mkdir(parents=True)
            _joined(tables).to_parquet(path)
        compare_int8(folder, TWO, where, metric, folder / f"int8/minilm/{task}.csv")
    write_latency(folder, TWO, ("torch", "int8"), {"cut": 0.7, "small": 0.25})
    return folder


def test_int8_that_change_nothing_gain_what_the_models_do(rounded: Path) -> None:
    table = read_int8(rounded, TWO).set_index(["task", "way"])
    for task, chosen in verdicts(compared_verdicts(rounded)).loc[TWO["tasks"]].iterrows():
        full, ticket = table.loc[(task, "full")], table.loc[(task, "super")]
        assert full["difference"] == 0 and full["p"] == 1 and full["weight_remaining"] == 1
        for name in NAMES:  # of dev_only from halves of validation
            assert ticket[name] == pytest.approx(chosen[f"{name}_{HONEST}"], nan_ok=True, abs=1e-12), (task, name)
        assert (ticket["ratio"], ticket["weight_remaining"]) == (chosen["ratio"], chosen["weight_remaining"])
    assert table["split"].unstack()["super"].to_dict() == {"movie": "test", "dev_only": "validation"}


def test_a_seed_s_ticket_is_the_one_that_the_others_chose(rounded: Path) -> None:
    for task, count in (("movie", 1), ("dev_only", 2)):
        for seed in TWO["seeds"]:
            parts = [*_runs(rounded, TWO, group_of(task), FIRST[task], "super", seed)]
            assert len(parts) == count and all(run["seed"] == seed and run["ratio"] > 0 for run, _ in parts)
            if count == 2:  # the halves are all of validation
                assert sorted([*parts[0][1], *parts[1][1]]) == list(range(200))
            ((run, _),) = _runs(rounded, TWO, group_of(task), FIRST[task], "full", seed)
            assert (run["seed"], run["ratio"], run["kind"]) == (seed, 0, "full")


@pytest.mark.usefixtures("closed")
def test_the_figure_of_speed_has_int8_beside_the_curves(rounded: Path, tmp_path: Path, drawn: list[plt.Figure]) -> None:
    files = (tmp_path / "unused.pdf", tmp_path / "unused.png")
    draw_speed(rounded, TWO, MARGINS, RIVALS, 1, *files)
    for axis, (_, rows) in zip(drawn[-1].axes, read_int8(rounded, TWO).groupby("task", sort=False), strict=True):
        for label, row in zip(("full model in int8", "super ticket in int8"), rows.to_dict("records"), strict=True):
            (place,), (value,) = points(axis, label)
            assert (place, value) == (pytest.approx(2 / (1 - row["ratio"])), row["difference"])
            bars = next(each for each in axis.containers if each.get_label() == label).lines[2]
            across, along = (segments for each in bars for segments in each.get_segments())
            np.testing.assert_allclose(across[:, 0], place * np.array([0.9 / 1.1, 1.1 / 0.9]))
            ends = np.array([row["low"], row["high"]])  # none where no run differs
            np.testing.assert_allclose(along[:, 1], np.where(np.isnan(ends), row["difference"], ends))
    assert "In int8, by onnxruntime and batches of 32" in " ".join(drawn[-1].get_supxlabel().split())
    for folder in ("comparisons", "selections", "rivals", "int8"):
        (tmp_path / folder).symlink_to(rounded / folder)
    write_latency(tmp_path, TWO, ("torch", "int8"), {"cut": 0.7, "small": 0.25})
    for path in tmp_path.glob("latency/minilm/*.csv"):
        path.write_text(path.read_text().replace(",torch,cpu,", ",torch,cuda,"))
    draw_speed(tmp_path, TWO, MARGINS, RIVALS, 1, *files)  # beside the speed-ups of a GPU there are none of a CPU
    assert "int8" not in drawn[-1].get_supxlabel()


WORDS = {"minilm": {"cut": "the first 4 layers", "small": "small"}}
MARGINS = {"movie": 1.0, "rating": 2.0, "dev_only": 3.0}


def test_candidates_are_compared_as_elsewhere_and_tested_together(rounded: Path) -> None:
    table, machines = candidates_of(rounded, TWO, MARGINS, WORDS, int8=True)
    assert len(table) == 2 * 5 and set(machines) == {("minilm", task) for task in TWO["tasks"]}
    assert table["task"].unique().tolist() == TWO["tasks"]
    assert table["candidate"].tolist()[:5] == [TICKET, "the first 4 layers", "small", INT8, INT8_TICKET]
    rows = table.set_index(["task", "candidate"])
    others = read_rivals(rounded, TWO).query("way == 'rival'").set_index(["task", "rival"])
    chosen = verdicts(compared_verdicts(rounded))
    chance = corrected(read_groups(rounded, "comparisons", groups_of(TWO))).query("reported").groupby("task").first()
    for task in TWO["tasks"]:
        assert rows.loc[(task, "small"), [*NAMES]].equals(others.loc[(task, "small"), [*NAMES]])
        assert rows.loc[(task, TICKET), "difference"] == chosen.loc[task, f"difference_{HONEST}"]
        for name, of_all in (("p_chance_holm", "p_chance_holm"), ("full_model", "full")):
            assert set(rows.loc[task, name]) == {chance.loc[task, of_all]}
        assert set(rows.loc[task, "split"]) == {chosen.loc[task, "split"]}
        ratio = chosen.loc[task, "ratio"]
        assert rows.loc[(task, TICKET), "speedup"] == pytest.approx(1 / (1 - ratio))
        assert rows.loc[(task, INT8_TICKET), "speedup"] == pytest.approx(2 / (1 - ratio))
        assert rows.loc[(task, INT8), ["speedup", "speedup_low"]].tolist() == pytest.approx([2, 2 * 0.9 / 1.1])
        assert rows.loc[(task, "small"), ["speedup", "speedup_high"]].tolist() == pytest.approx([4, 4.4])
    curves = read_groups(rounded, "comparisons", groups_of(TWO), TWO).query("reported")
    p, of_tickets = (
        [
            p_above(one["difference"], -MARGINS[one["task"]],
                    [(one["error"], one["freedom"]), (one["seeds_error"], 2)], one["examples"])
            for one in rows.to_dict("records")
        ]
        for rows in (table, curves)
    )  # fmt: skip
    last = pd.Series(of_tickets).groupby(curves["task"].to_numpy()).max()  # the tickets of a task are one more
    np.testing.assert_allclose(table["p_keeps"], multipletests([*p, *last], method="holm")[1][:10])
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])


def test_the_lightest_ticket_is_that_of_the_verdict(rounded: Path) -> None:
    margins = dict.fromkeys(TWO["tasks"], 90.0)  # which three seeds show to be kept
    chosen, compared = (read_groups(rounded, folder, groups_of(TWO), TWO) for folder in ("selections", "comparisons"))
    told = with_verdicts(chosen, corrected(compared), margins).set_index("task")
    curves = compared.query("reported").set_index(["task", "ratio"])
    table, _ = candidates_of(rounded, TWO, margins, WORDS, int8=True)
    for task, rows in table.groupby("task", sort=False):
        ratio, weight = told.loc[task, ["keeps_ratio", "keeps_weight"]]
        assert ratio > told.loc[task, "ratio"]
        assert rows["candidate"].tolist()[:2] == [TICKET, f"the ticket at {weight:.0%} weight"]
        own, expected = rows.iloc[1], curves.loc[(task, ratio)]
        for name in ("difference", "error", "ticket", "full", "examples"):
            assert own[name] == expected[name]
        assert own["speedup"] == pytest.approx(1 / (1 - ratio)) and own["weight"] == weight
        assert own["score"] == KEEPS and own[["low", "high", "p_holm"]].isna().all()


def test_without_rivals_and_int8_the_ticket_is_alone(results: Path) -> None:
    table, _ = candidates_of(results, MAIN, MARGINS, {"minilm": {}}, int8=False)
    assert table["candidate"].tolist() == [TICKET] * 3 and not table["rounded"].any()


def test_the_table_has_a_sentence_for_each_task(rounded: Path, tmp_path: Path) -> None:
    files = {suffix: tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")}
    write_worth(rounded, TWO, MARGINS, WORDS, 1, **files)
    table, md = pd.read_csv(files["csv"]), files["md"].read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in md.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 10 and [bool(cells[3]) for cells in rows[2:]] == ([True] + [False] * 4) * 2
    assert rows[2][3] == table["answer"][0] and table.groupby("task")["answer"].nunique().max() == 1
    cells = next(cells for cells in rows if cells[1:5:3] == ["movie", "small"])
    small = table.query("task == 'movie' and candidate == 'small'").iloc[0]
    assert cells[5:7] == ["25.0%", f"{small['difference']:+.1f}"] and cells[8:] == [
        small["score"],
        "4.00 (3.60 to 4.40)",
    ]
    for words in ("batches of 1 x 32 tokens by torch on 4 CPU threads, A processor", "onnxruntime", "seeds: 1, 2, 3"):
        assert words in md
    assert "nan" not in md and "first 4 layers" in files["tex"].read_text()


def test_no_ticket_has_no_speed(results: Path, tmp_path: Path) -> None:
    for folder in ("comparisons", "latency"):
        (tmp_path / folder).symlink_to(results / folder)
    grid = MAIN | {"tasks": ["movie"]}
    path = tmp_path / "selections/minilm/movie/n64/winning.csv"
    path.parent.mkdir(parents=True)
    chosen = pd.read_csv(results / "selections/minilm/movie/n64/winning.csv")
    nothing = ["ratio", "weight_remaining", *(f"{name}_{HONEST}" for name in NAMES)]
    chosen.assign(**dict.fromkeys(nothing, np.nan)).to_csv(path, index=False)
    files = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
    write_worth(tmp_path, grid, MARGINS, {"minilm": {}}, 0, *files)
    assert pd.read_csv(files[0])["answer"].tolist() == [NO_SCORE] and "nan" not in files[1].read_text()
