"""Super tickets that are chosen in another way than usual: the full model too, and each seed by its own score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_runs import judge_all, score_of, write_run

from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError
from supertickets.evaluation.best_run import exported_run
from supertickets.evaluation.results import chosen_ratio, ratio_of_seed, read_groups
from supertickets.evaluation.select_ticket import choose_own
from supertickets.experiment.config import check_config
from supertickets.experiment.grid import grid_of, groups_of, ratios_of, runs_of
from supertickets.experiment.multi_task import ticket_inputs
from supertickets.experiment.repeated import repeated_grid
from supertickets.files import write_json
from supertickets.multi_task.scores import multi_task_trained
from supertickets.multi_task.share_tickets import share_tickets
from supertickets.report.figures.ticket_masks import kept_shares, ratio_text
from supertickets.report.tables.seed_sensitivity import write_seed_sensitivity
from supertickets.report.tables.super_tickets import write_super_tickets

GRID: dict[str, Any] = {
    "models": ["minilm"], "tasks": ["movie"], "train_sizes": [64], "seeds": [1, 2, 3], "kinds": ["winning"],
    "draws": {"winning": 1}, "ratios": [0.1, 0.3, 0.5],
}  # fmt: skip
GROUP = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}


def chosen(folder: Path, monkeypatch: pytest.MonkeyPatch, right: dict[float, float], **selection: str) -> pd.Series:
    """The selection of made-up runs that are right this often, by ratio."""
    monkeypatch.setattr("made_up_runs.RIGHT", right)
    random = np.random.default_rng(5)
    grid = GRID | ({"selection": selection} if selection else {})
    for run in runs_of(grid):
        write_run(folder, run, random)
    judge_all(folder, grid)
    return read_groups(folder, "selections", [GROUP]).iloc[0]


def validation(folder: Path, seed: int, ratio: float) -> float:
    kind = "winning" if ratio else "full"
    return score_of(folder, "accuracy", "validation", task="movie", seed=seed, ratio=ratio, kind=kind)


def test_the_full_model_can_be_chosen_and_is_carried_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = {0.0: 0.9, 0.1: 0.6, 0.3: 0.6, 0.5: 0.6}
    row = chosen(tmp_path, monkeypatch, right, candidates="with_full")
    grid = GRID | {"selection": {"candidates": "with_full"}}
    assert (row["ratio"], row["heads_pruned"], row["weight_remaining"]) == (0, 0, 1)
    assert row["difference_other_seeds"] == row["difference_same_split"] == 0 and row["p_other_seeds"] == 1
    assert chosen_ratio(tmp_path, GROUP, 2) == 0
    assert exported_run(tmp_path, grid, GROUP, "accuracy", "super")["kind"] == "full"
    shares = kept_shares(tmp_path, row, grid)
    assert (shares[0] == 1).all() and (shares[1] == 1).all()
    write_super_tickets(tmp_path, grid, *(tmp_path / f"table.{ending}" for ending in ("csv", "md", "tex")))
    assert "The full model can be chosen, too (ratio 0)" in (tmp_path / "table.md").read_text()


def test_usually_a_ticket_is_chosen_however_good_the_full_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = chosen(tmp_path, monkeypatch, {0.0: 0.9, 0.1: 0.6, 0.3: 0.7, 0.5: 0.6})
    assert row["ratio"] == 0.3 and "ratios" not in row


def test_each_seed_can_have_its_own_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = dict.fromkeys((0.0, *GRID["ratios"]), 0.75)
    row = chosen(tmp_path, monkeypatch, right, ratio="by_seed")
    grid = GRID | {"selection": {"ratio": "by_seed"}}
    scores = {seed: {ratio: validation(tmp_path, seed, ratio) for ratio in GRID["ratios"]} for seed in GRID["seeds"]}
    own = {seed: max(by_ratio, key=lambda ratio: (by_ratio[ratio], -ratio)) for seed, by_ratio in scores.items()}
    assert len({*own.values()}) > 1
    assert {seed: ratio_of_seed(row, seed) for seed in GRID["seeds"]} == own
    assert {seed: chosen_ratio(tmp_path, GROUP, seed) for seed in GRID["seeds"]} == own
    assert row["weight_remaining"] == pytest.approx(np.mean([1 - ratio / 2 for ratio in own.values()]))
    best = np.mean([scores[seed][own[seed]] for seed in own])
    assert row["ticket_same_split"] == pytest.approx(best)
    # What the others choose is as ever.
    assert chosen(tmp_path / "usual", monkeypatch, right)["ticket_other_seeds"] == row["ticket_other_seeds"]
    run = exported_run(tmp_path, grid, GROUP, "accuracy", "super")
    first = max(own, key=lambda seed: (scores[seed][own[seed]], -seed))
    assert (run["seed"], run["ratio"]) == (first, own[first])
    low, high = min(own.values()), max(own.values())
    assert ratio_text(row, GRID["seeds"]) == f"ratios {low:g} to {high:g}"
    table = [tmp_path / f"table.{ending}" for ending in ("csv", "md", "tex")]
    write_super_tickets(tmp_path, grid, *table)
    assert " ".join(f"{seed}:{ratio:g}" for seed, ratio in own.items()) in table[1].read_text()
    write_seed_sensitivity(tmp_path, grid, {}, *table)
    reported = [
        score_of(tmp_path, "accuracy", "test", task="movie", seed=seed, ratio=ratio) for seed, ratio in own.items()
    ]
    assert pd.read_csv(table[0])["super_mean"].iloc[0] == pytest.approx(np.mean(reported))


def test_the_ticket_that_tasks_share_is_the_seeds_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen(tmp_path, monkeypatch, dict.fromkeys((0.0, *GRID["ratios"]), 0.75), ratio="by_seed")
    own = {seed: chosen_ratio(tmp_path, GROUP, seed) for seed in GRID["seeds"]}
    shape = {"layers": 2, "heads": 3, "hidden": 6, "ffn": 12, "parameters": 1000}
    write_json(tmp_path / "shape.json", shape)
    for seed in GRID["seeds"]:
        path = tmp_path / f"runs/minilm/movie/n64/seed{seed}/tickets/winning-{own[seed]:.2f}.json"
        write_json(path, Ticket(((0,), (1, 2)), (seed % 2,), 3).as_json())
        trials = [{**GROUP, "seed": seed}]
        out = tmp_path / f"tickets{seed}.json"
        share_tickets(tmp_path, trials, "super", {}, tmp_path / "shape.json", {"movie": 2}, out)
        assert f'"ratio": {own[seed]}' in out.read_text()
    grid = {
        "shared": "movie", "model": "minilm", "train_size": 64, "seeds": [1, 2, 3], "modes": [], "then_single": [],
        "ratios": {}, "metrics": {"movie": ["accuracy"]},
    }  # fmt: skip
    runs = multi_task_trained(tmp_path, grid)[0].runs["single_super"]
    assert [(run["seed"], run["ratio"]) for run in runs] == [*own.items()]


def test_an_undefined_score_is_not_chosen_by_its_seed() -> None:
    ratios = choose_own({0.1: np.array([np.nan, 2.0]), 0.2: np.array([np.nan, 1.0])})
    assert np.isnan(ratios[0]) and ratios[1] == 0.1


def test_models_can_have_ratios_of_their_own() -> None:
    given = {"default": [0.1, 0.4], "bert-large": [0.05, 0.35]}
    config = check_config({"models": ["bert-base", "bert-large"], "ratios": given, "kinds": ["winning"]})
    assert ratios_of(config["ratios"], "bert-base") == [0.1, 0.4]
    found = {(run["model"], run["ratio"]) for run in runs_of(grid_of(config)) if run["kind"] == "winning"}
    assert found == {("bert-base", 0.1), ("bert-base", 0.4), ("bert-large", 0.05), ("bert-large", 0.35)}
    assert repeated_grid(config, "bert-large")["ratios"] == [0.05, 0.35]
    found = {model: ticket_inputs(config, "amazon+movie", model, "super", 1) for model in config["models"]}
    assert {model for model, paths in found.items() if any("0.35" in path for path in paths)} == {"bert-large"}


def test_tables_of_models_with_other_ratios_are_told_apart(tmp_path: Path) -> None:
    grid = GRID | {"models": ["a", "b"], "ratios": {"default": [0.1, 0.3], "b": [0.5]}}
    random = np.random.default_rng(0)
    for run in runs_of(grid):
        write_run(tmp_path, run, random)
    judge_all(tmp_path, grid)
    found = read_groups(tmp_path, "scores", groups_of(grid))
    assert {(model, *rows["ratio"].unique()) for model, rows in found.groupby("model")} == {
        ("a", 0.0, 0.1, 0.3), ("b", 0.0, 0.5)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratios": {"minilm": [0.1]}}, "ratios: 'default' is a required property"),
        (
            {"ratios": {"default": [0.1], "bert": [0.2]}},
            "ratios.bert: not a model of this experiment; known are default",
        ),
        ({"ratios": {"default": [0.1], "minilm": [0.125]}}, r"ratios.minilm\[0\] is 0.125: a ratio has at most two"),
        ({"selection": {"candidates": "full"}}, "selection.candidates is 'full'"),
        ({"selection": {"ratio": "own"}}, "selection.ratio is 'own'"),
    ],
)
def test_wrong_choices_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_config(changes)


def test_what_is_usual_adds_nothing_to_a_grid() -> None:
    usual = {"selection": {"candidates": "tickets", "ratio": "common"}}
    assert "selection" not in grid_of(check_config({})) and grid_of(check_config(usual)) == grid_of(check_config({}))
    assert grid_of(check_config({"selection": {"ratio": "by_seed"}}))["selection"] == {"ratio": "by_seed"}
