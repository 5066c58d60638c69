"""The catalogue and the published numbers, held against tables written down anew from their sources."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from conftest import PROJECT

from supertickets.experiment.config import CATALOGUE
from supertickets.submission.archive import FILES

TASKS = yaml.safe_load(CATALOGUE.read_text())["tasks"]
PUBLISHED = yaml.safe_load((PROJECT / "workflow" / "published.yaml").read_text())
ENTAILMENT = ["entailment", "not_entailment"]
INFERENCE = ["entailment", "neutral", "contradiction"]

#: From the dataset cards of nyu-mll/glue, stanfordnlp/snli and allenai/scitail: configuration, columns of texts and
#: label, classes by number. From the published code: epochs of the base and the large model, dropout before the head.
EXPECTED: dict[str, tuple[str | None, list[str], list[str] | None, tuple[int, int, float] | None]] = {
    "cola": ("cola", ["sentence", "label"], ["0", "1"], (6, 6, 0.05)),
    "sst2": ("sst2", ["sentence", "label"], ["0", "1"], (6, 4, 0.1)),
    "mrpc": ("mrpc", ["sentence1", "sentence2", "label"], ["0", "1"], (6, 6, 0.1)),
    "qqp": ("qqp", ["question1", "question2", "label"], ["0", "1"], (6, 5, 0.1)),
    "stsb": ("stsb", ["sentence1", "sentence2", "label"], None, (6, 6, 0.1)),
    "mnli": ("mnli", ["premise", "hypothesis", "label"], INFERENCE, (3, 3, 0.2)),
    "qnli": ("qnli", ["question", "sentence", "label"], ENTAILMENT, (3, 5, 0.1)),
    "rte": ("rte", ["sentence1", "sentence2", "label"], ENTAILMENT, (6, 6, 0.1)),
    "wnli": ("wnli", ["sentence1", "sentence2", "label"], ["0", "1"], None),
    "snli": (None, ["premise", "hypothesis", "label"], INFERENCE, None),
    "scitail": ("snli_format", ["sentence1", "sentence2", "gold_label"], ["entails", "neutral"], None),
}


@pytest.mark.parametrize("task", EXPECTED)
def test_tasks_are_those_of_the_hub_and_the_published_code(task: str) -> None:
    configuration, columns, labels, published = EXPECTED[task]
    entry = TASKS[task]
    assert entry["hub"].get("name") == configuration
    places = entry["hub"]["columns"]
    assert [places[field] for field in ("text", "text_pair", "target") if field in places] == columns
    assert entry.get("labels") == labels
    if published:
        base, large, dropout = published
        scored = {"importance_epoch": {"base": 4, "large": 5}} if task == "rte" else {}
        assert entry["published"] == {"epochs": {"base": base, "large": large}, "classifier_dropout": dropout, **scored}
    else:
        assert "published" not in entry
    # Numbers are classes by their place in "labels"; SciTail's are spelt out, in another way than in its own files.
    assert entry["hub"].get("numbered", False) == (task not in ("stsb", "scitail"))
    assert entry["hub"].get("labels") == (["entailment", "neutral"] if task == "scitail" else None)


def test_submissions_name_classes_in_the_order_of_the_catalogue() -> None:
    for file in FILES:
        labels = TASKS[file.task].get("labels")
        assert (list(file.labels) if file.labels else None) == labels, file.name
        assert file.part in TASKS[file.task]["hub"]["parts"], file.name


#: Heads and blocks that super tickets lack, and scores on the development sets without and with tickets sharing.
BASE: dict[str, tuple[tuple[int, int], list[float], list[float]]] = {
    "mnli": ((0, 0), [84.6, 84.2], [84.5, 84.1]),
    "qnli": ((14, 1), [90.5], [91.0]),
    "qqp": ((14, 1), [90.6, 87.4], [90.7, 87.5]),
    "sst2": ((28, 2), [92.2], [92.7]),
    "mrpc": ((43, 3), [80.6, 86.2], [87.0, 90.5]),
    "cola": ((0, 0), [54.0], [52.0]),
    "stsb": ((14, 1), [86.2, 86.4], [87.7, 87.5]),
    "rte": ((14, 1), [79.0], [81.2]),
}
LARGE: dict[str, tuple[tuple[int, int], list[float], list[float]]] = {
    "mnli": ((38, 2), [86.5, 86.0], [86.7, 86.0]),
    "qnli": ((19, 1), [92.2], [92.1]),
    "qqp": ((76, 4), [91.2, 88.1], [91.3, 88.4]),
    "sst2": ((134, 7), [93.5], [93.2]),
    "mrpc": ((115, 6), [85.2, 89.4], [88.4, 91.5]),
    "cola": ((153, 8), [56.2], [61.8]),
    "stsb": ((76, 4), [87.2, 86.9], [89.2, 89.1]),
    "rte": ((76, 4), [83.0], [80.5]),
}


@pytest.mark.parametrize(
    ("model", "gain", "weights", "tasks"),
    [("bert-base", 0.9, (0.923, 0.929), BASE), ("bert-large", 1.0, (0.820, 0.833), LARGE)],
)
def test_published_numbers_are_as_published(
    model: str, gain: float, weights: tuple[float, float], tasks: dict[str, Any]
) -> None:
    numbers = PUBLISHED[model]
    assert (numbers["average_gain"], *numbers["shared_weight"].values()) == (gain, *weights)
    # Heads of a layer, width, width of a block, and all parameters with a task head.
    heads_of_a_layer, width, inner, total = {
        "bert-base": (12, 768, 3072, 109.48e6), "bert-large": (16, 1024, 4096, 335.14e6)
    }[model]  # fmt: skip
    cuts = [
        2 * width * inner * ffn + 4 * width * width / heads_of_a_layer * heads for (heads, ffn), *_ in tasks.values()
    ]
    assert 1 - sum(cuts) / len(cuts) / total == pytest.approx(weights[0], abs=0.0005)
    assert numbers["tasks"].keys() == tasks.keys()
    for task, (pruned, full, shared) in tasks.items():
        found = numbers["tasks"][task]
        assert (found["pruned"]["heads"], found["pruned"]["ffn"]) == pruned
        assert list(found["full"].values()) == full and list(found["shared"].values()) == shared
        metrics = [name.removesuffix("_mismatched") for name in found["full"]]
        assert list(dict.fromkeys(metrics)) == TASKS[task]["metrics"] and list(found["shared"]) == list(found["full"])
