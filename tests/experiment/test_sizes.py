"""Training sizes by task, with kinds and settings of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml
from made_up_runs import METRICS, judge_all, write_run

from supertickets.errors import UserError
from supertickets.experiment.config import check_config
from supertickets.experiment.grid import grid_of, groups_of, main_size, runs_of, scoped, sizes_of
from supertickets.experiment.resources import largest_settings
from supertickets.experiment.settings import scored_settings, training_of
from supertickets.experiment.shown import FIGURES
from supertickets.report.figures.data_size import draw_data_size
from supertickets.report.figures.kinds_by_size import draw_kinds_by_size

PAPER = Path(__file__).parents[2] / "configs/paper.yaml"
TWO = {"tasks": ["movie", "amazon"], "kinds": ["winning", "random", "losing"]}


def test_tasks_have_sizes_of_their_own_and_kinds_at_all_of_them() -> None:
    sizes = {"default": [180], "amazon": [180, 60], "minilm/movie": [180, 0.5, 90]}
    config = check_config({**TWO, "train_sizes": sizes, "kinds_at_other_sizes": ["winning", "losing"]})
    assert sizes_of(config["train_sizes"], "minilm", "movie") == [180, 0.5, 90] and main_size(sizes) == 180
    assert sizes_of(config["train_sizes"], "bert-base", "movie") == [180]
    groups = [(group["task"], group["train_size"], group["kind"]) for group in groups_of(grid_of(config))]
    first = [(task, 180, kind) for task in TWO["tasks"] for kind in TWO["kinds"]]
    other = [("movie", 0.5), ("movie", 90), ("amazon", 60)]
    assert sorted(map(str, groups)) == sorted(
        map(str, [*first, *((*trial, kind) for trial in other for kind in ("winning", "losing"))])
    )
    found = {scope: len(groups_of(scoped(grid_of(config), scope))) for scope in ("main", "kinds", "sizes", "all")}
    assert found == {"main": 2, "kinds": 6, "sizes": 2 + 3, "all": 12}


def test_usual_sizes_add_nothing_to_a_grid() -> None:
    assert "other_kinds" not in grid_of(check_config({}))
    figures = [name for name in ("data_size", "kinds_by_size") if FIGURES[name].possible(check_config({}))]
    assert figures == ["data_size"]
    more = check_config({"kinds_at_other_sizes": ["winning", "random"]})
    assert FIGURES["kinds_by_size"].possible(more)
    assert not FIGURES["data_size"].possible(check_config({"train_sizes": {"default": [180]}}))


def test_settings_of_a_size_win_over_those_of_none() -> None:
    overrides = {
        "movie": {"learning_rate": 0.5, "epochs": 4},
        "n60": {"learning_rate": 0.1},
        "movie/n60": {"learning_rate": 0.2, "importance_epoch": 2},
        "minilm/amazon/n60": {"epochs": 9},
        "n180": {"batch_size": 3},
    }
    config = check_config({**TWO, "train_sizes": [180, 60], "training_overrides": overrides})

    def of(task: str, *size: int) -> tuple[float, int, int]:
        settings = training_of(config, "minilm", task, *size)
        return settings["learning_rate"], settings["epochs"], settings["batch_size"]

    rate, epochs, batch = (config["training"][key] for key in ("learning_rate", "epochs", "batch_size"))
    assert of("movie") == of("movie", 180) == (0.5, 4, 3) and of("movie", 60) == (0.2, 4, batch)
    assert of("amazon") == (rate, epochs, 3) and of("amazon", 60) == (0.1, 9, batch)
    scored = {size: scored_settings(config, "minilm", "movie", size)["model_epoch"] for size in (180, 60)}
    assert scored == {180: "last", 60: 2}
    assert largest_settings(config, "minilm", ["amazon"], 60)["epochs"] == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_sizes": {"movie": [180]}}, "train_sizes: 'default' is a required property"),
        ({"train_sizes": {"default": [180], "rte": [180, 9]}}, "train_sizes.rte: not a task or model/task of this"),
        (
            {"train_sizes": {"default": [180], "movie": [90]}},
            r"train_sizes.movie\[0\] is 90: the main size is the",
        ),
        ({"train_sizes": {"default": [9], "movie": [9, 10**6]}}, r"train_sizes.movie\[1\] is 1000000: task movie has"),
        ({"train_sizes": 9}, r"train_sizes is 9: a list is needed, like \[9\]"),
        ({"kinds_at_other_sizes": ["losing"]}, "kinds_at_other_sizes is .*: winning has to be among them"),
        (
            {"kinds": ["winning"], "kinds_at_other_sizes": ["winning", "losing"]},
            r"kinds_at_other_sizes\[1\] is 'losing': it is not among kinds, which are winning",
        ),
        (
            {"training_overrides": {"movie/n7": {"epochs": 1}}},
            "training_overrides.movie/n7: not a task, .* 180, 60, 3",
        ),
        ({"training_overrides": {"x/n60": {"epochs": 1}}}, "training_overrides.x/n60: not a task"),
        (
            {"training_overrides": {"movie/n60": {"importance_epoch": 9}}},
            "importance_epoch of minilm/movie is 9: it is trained for 3 epochs",
        ),
    ],
)
def test_wrong_sizes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_config(changes)


def test_the_papers_config_trains_what_was_published() -> None:
    config = check_config(yaml.safe_load(PAPER.read_text()))
    runs = list(runs_of(grid_of(config)))
    others = {(run["model"], run["task"], run["train_size"]) for run in runs if run["train_size"] != "all"}
    assert others == {("bert-base", "mnli", size) for size in (0.2, 0.1, 0.01)}
    at_one = [run for run in runs if run["train_size"] == 0.01]
    assert {run["kind"] for run in at_one} == {"full", "winning", "random", "losing"} and len(at_one) == 5 * 25
    assert {run["ratio"] for run in runs if run["model"] == "bert-large"} >= {0.05, 0.35}
    small = training_of(config, "bert-base", "mnli", 0.01)
    assert (small["learning_rate"], small["epochs"], small["classifier_dropout"]) == (1e-4, 6, 0.2)
    assert training_of(config, "bert-base", "mnli", 0.1)["epochs"] == 3
    assert training_of(config, "bert-base", "mnli")["learning_rate"] == 5e-5


GRID: dict[str, Any] = {
    "models": ["minilm"], "tasks": ["movie", "rating"], "train_sizes": {"default": [64], "movie": [64, 32]},
    "seeds": [1, 2, 3], "kinds": ["winning", "random", "losing"], "other_kinds": ["winning", "losing"],
    "draws": {"winning": 1, "random": 1, "losing": 1}, "ratios": [0.1, 0.3],
}  # fmt: skip


def test_figures_of_sizes_are_of_the_tasks_that_have_several(tmp_path: Path, drawn: list[plt.Figure]) -> None:
    random = np.random.default_rng(0)
    for run in runs_of(GRID):
        write_run(tmp_path, run, random)
    assert set(GRID["tasks"]) <= METRICS.keys()
    judge_all(tmp_path, GRID)
    files = {"pdf": tmp_path / "f.pdf", "png": tmp_path / "f.png"}
    draw_data_size(tmp_path, scoped(GRID, "sizes"), **files)
    assert [axis.get_title(loc="left") for axis in drawn[-1].axes] == ["movie"]
    draw_kinds_by_size(tmp_path, scoped(GRID, "all"), **files)
    titles = [axis.get_title(loc="left") for axis in drawn[-1].axes]
    assert titles == ["movie, 64 training examples", "movie, 32 training examples"]
    labels = [[container.get_label() for container in axis.containers] for axis in drawn[-1].axes]
    assert all({"winning", "losing"} <= {*found} and "random" not in found for found in labels)
