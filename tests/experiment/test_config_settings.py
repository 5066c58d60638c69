"""What a checked config comes to: settings of trainings and tickets, runs and their paths."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import yaml

from supertickets.experiment.config import SCHEMA, check_config
from supertickets.experiment.grid import SELECTION, grid_of, groups_of, runs_of, scoped
from supertickets.experiment.multi_task import OF_SINGLE_TASKS
from supertickets.experiment.paths import kind_and_draw, run_folder
from supertickets.experiment.settings import (
    TAUGHT,
    outputs_of,
    pruning_of,
    separators_of,
    teacher_of,
    training_of,
    with_separators,
)
from supertickets.training.settings import Settings, Steps


def test_a_key_of_training_has_its_default_in_the_schema_and_is_of_all_trainings_or_of_single_tasks() -> None:
    keys = check_config({})["training"]
    reached = {field.name: field.default for field in fields(Settings) if field.name in keys}
    assert reached == dict.fromkeys(keys.keys() - {"importance_epoch"}, MISSING)  # it says which training is scored
    assert check_config({})["selection"] == SELECTION
    assert keys.keys() - {field.name for field in fields(Steps)} == {*OF_SINGLE_TASKS}


def test_overrides_reach_their_model_and_task_only_and_the_more_particular_wins() -> None:
    overrides = {
        "movie": {"learning_rate": 0.5},
        "minilm": {"learning_rate": 0.4, "epochs": 7},
        "bert-base/movie": {"epochs": 9},
    }
    config = check_config({"models": ["minilm", "bert-base"], "training_overrides": overrides})
    found = {
        (model, task): tuple(training_of(config, model, task)[key] for key in ("learning_rate", "epochs"))
        for model in config["models"]
        for task in config["tasks"]
    }
    rate, epochs = config["training"]["learning_rate"], config["training"]["epochs"]
    assert found == {
        ("minilm", "movie"): (0.5, 7), ("minilm", "amazon"): (0.4, 7),
        ("bert-base", "movie"): (0.5, 9), ("bert-base", "amazon"): (rate, epochs),
    }  # fmt: skip
    assert (outputs_of(config, "movie"), outputs_of(config, "movie_rating")) == (2, 1)


def test_separators_are_those_of_tasks_that_have_documents() -> None:
    config = check_config({})
    assert separators_of(config, ["movie", "amazon", "nyt"]) == {"separators": {"amazon": "_", "nyt": "_"}}
    assert separators_of(config, ["movie", "cola", "mnli"]) == {}
    assert with_separators({"seeds": [1]}, config, ["amazon"]) == {"seeds": [1], "separators": {"amazon": "_"}}
    assert with_separators({"seeds": [1]}, config, ["movie"]) == {"seeds": [1]}


def test_published_settings_are_those_of_the_encoders_size() -> None:
    config = {"models": ["bert-base", "bert-large", "minilm"], "tasks": ["cola", "qqp", "wnli"], "train_sizes": ["all"]}
    config |= {"evaluate": {"validation": "all", "test": "all"}, "published_settings": True}
    checked = check_config(config | {"training_overrides": {"bert-large/qqp": {"classifier_dropout": 0.3}}})

    def found(model: str, task: str) -> tuple[int, float]:
        settings = training_of(checked, model, task)
        return settings["epochs"], settings["classifier_dropout"]

    assert found("bert-base", "cola") == (6, 0.05) and found("bert-base", "qqp") == (6, 0.1)
    assert found("bert-large", "qqp") == (5, 0.3) and found("bert-large", "wnli") == (3, 0.1)
    assert found("minilm", "cola") == (3, 0.05)  # its size is none of the two


def test_what_is_predicted_is_the_same_for_all_tasks_or_by_task() -> None:
    tasks = {"tasks": ["movie", "mnli"], "train_sizes": ["all"]}

    def found(task: str, **evaluate: Any) -> dict[str, int | None]:
        return training_of(check_config(tasks | {"evaluate": evaluate}), "minilm", task)["evaluate"]

    # More than there are: all are predicted.
    assert found("movie", test=100_000) == {"validation": 100, "test": 100_000}
    by_task = {"validation": {"default": 30, "mnli": "all"}, "test": {"default": "all", "movie": 40}}
    assert found("movie", **by_task) == {"validation": 30, "test": 40}
    assert found("mnli", **by_task) == {"validation": None, "test": None, "validation_mismatched": None}
    assert found("movie", test={"default": 1000}) == found("movie")


def test_paths_of_runs_are_pinned() -> None:
    config = check_config(
        {"tasks": ["movie"], "ratios": [0.3, 0.05], "train_sizes": [64, 0.25], "seeds": [2], "kinds": ["winning"]}
    )
    folders = [run_folder(run) for run in runs_of(grid_of(config))]
    assert folders == [
        "runs/minilm/movie/n64/seed2/full",
        "runs/minilm/movie/n64/seed2/winning-0.30",
        "runs/minilm/movie/n64/seed2/winning-0.05",
        "runs/minilm/movie/n0.25/seed2/full",
        "runs/minilm/movie/n0.25/seed2/winning-0.30",
        "runs/minilm/movie/n0.25/seed2/winning-0.05",
    ]
    config = check_config(
        {
            "tasks": ["movie"],
            "train_sizes": [64],
            "ratios": [0.5],
            "seeds": [1],
            "kinds": ["winning", "random"],
            "random_draws": 2,
        }
    )
    names = [run_folder(run).rpartition("/")[2] for run in runs_of(grid_of(config))]
    assert names == ["full", "winning-0.50", "random-0.50", "random.2-0.50"]
    assert [kind_and_draw(name.partition("-")[0]) for name in names[2:]] == [("random", 1), ("random", 2)]


def test_other_kinds_are_trained_at_the_first_size_alone() -> None:
    kinds = {"mine": {"steps": 2}, "lucky": {"like": "random", "units": "heads"}}
    config = check_config(
        {
            "tasks": ["movie"],
            "train_sizes": [64, 32],
            "seeds": [1],
            "ratios": [0.5],
            "kinds": ["winning", "mine", "lucky"],
            "random_draws": 2,
            "define": {"kinds": kinds},
        }
    )
    grid = grid_of(config)
    groups = {scope: [(g["train_size"], g["kind"]) for g in groups_of(scoped(grid, scope))] for scope in (
        "main", "kinds", "sizes", "all"
    )}  # fmt: skip
    first = [(64, "winning"), (64, "mine"), (64, "lucky")]
    assert groups == {
        "main": first[:1], "kinds": first, "sizes": [(64, "winning"), (32, "winning")], "all": [*first, (32, "winning")]
    }  # fmt: skip
    assert [(run["kind"], run["draw"]) for run in runs_of(grid) if run["train_size"] == 64] == [
        ("full", 1), ("winning", 1), ("mine", 1), ("lucky", 1), ("lucky", 2)
    ]  # fmt: skip
    assert pruning_of(config, "mine") == config["pruning"] | {"like": "winning", "steps": 2}
    assert pruning_of(config, "lucky")["units"] == "heads" and pruning_of(config, "lucky")["steps"] == 1


def test_a_known_kind_with_other_settings_stays_that_kind_and_unused_settings_change_nothing() -> None:
    config = check_config({"define": {"kinds": {"losing": {"units": "heads"}}}, "pruning": {"steps": 3}})
    assert pruning_of(config, "losing") == config["pruning"] | {"like": "losing", "units": "heads", "steps": 1}
    assert pruning_of(config, "winning")["steps"] == 3
    other = check_config({"pruning": {"importance": "magnitude", "weights": "pretrained"}})
    assert pruning_of(other, "random") == pruning_of(check_config({}), "random")
    assert pruning_of(other, "losing") != pruning_of(check_config({}), "losing")


def test_a_teacher_says_how_tickets_are_trained_and_not_how_they_are_drawn() -> None:
    kinds = {"taught": {"teacher": "full"}, "softly": {"teacher": "full", "temperature": 5, "teacher_weight": 0.1}}
    config = check_config({"kinds": ["winning", *kinds], "define": {"kinds": kinds}})
    assert teacher_of(config, "taught") == {"teacher": {"temperature": 2.0, "weight": 0.5}}
    assert teacher_of(config, "softly") == {"teacher": {"temperature": 5, "weight": 0.1}}
    assert teacher_of(config, "winning") == {}
    described = yaml.safe_load(SCHEMA.read_text())["$defs"]["kind"]["properties"]
    for key, left_out in TAUGHT.items():
        assert key == "teacher" or f"{left_out:g} if left out" in described[key]["description"]
    assert pruning_of(config, "softly") == pruning_of(config, "winning")
