"""A trained classifier in the form that transformers has for its family: config, names of weights, and full sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from supertickets.encoder.model import Classifier
from supertickets.encoder.rewind import kept_part
from supertickets.errors import blamed_on

#: Where the pooler and the task head are in each family's own model for classification, by ``model_type``: beginnings
#: of the names of weights, ours and theirs. All of them compute what a :class:`Classifier` does.
HEADS: dict[str, dict[str, str]] = {
    "bert": {},
    "roberta": {"roberta.pooler.": "classifier.", "classifier.": "classifier.out_proj."},
    "electra": {"pooler.": "classifier.", "classifier.": "classifier.out_proj."},
    "mpnet": {"mpnet.pooler.": "classifier.", "classifier.": "classifier.out_proj."},
    "distilbert": {"pooler.dense.": "pre_classifier."},
    "deberta-v2": {},
    "modernbert": {"pooler.": "head."},
}
#: Keys of configs that decide what these models compute after the encoder, and for which a classifier has one value.
FIXED: dict[str, dict[str, Any]] = {"deberta-v2": {"pooler_hidden_act": "gelu"}}


def plain_config(fields: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """The config of a family's full model for classification.

    Args:
        fields: the encoder's ``config.json``.
        labels: names of the classes, or of the one value of a regression.
    """
    return {**fields, **FIXED.get(fields["model_type"], {}), **label_fields(labels)}


def label_fields(labels: Sequence[str]) -> dict[str, Any]:
    """What a config says of its outputs."""
    problem = "regression" if len(labels) == 1 else "single_label_classification"
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}} | {
        "problem_type": problem
    }


def plain_tensors(model: Classifier) -> dict[str, Tensor]:
    """The weights of a classifier, cut as they are, by their names in transformers."""
    heads = HEADS[str(model.encoder.config.model_type)]
    tensors = {}
    for name, tensor in model.state_dict().items():
        ours = next((begin for begin in heads if name.startswith(begin)), "")
        tensors[heads.get(ours, "") + name.removeprefix(ours)] = tensor
    return tensors


def plain_model(model: Classifier, fields: Mapping[str, Any], labels: Sequence[str]) -> nn.Module:
    """The full model of transformers that computes what a cut classifier does: zeros stand for what is pruned.

    A pruned head has a value of zero, and the output projection takes nothing from it. A pruned block adds zero to the
    residual.

    Args:
        model: the classifier.
        fields: the encoder's ``config.json``.
        labels: names of its outputs.
    """
    with blamed_on("the model cannot be exported: transformers has another one for its config"):
        plain = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**plain_config(fields, labels)))
        kept, wide = plain_tensors(model), {}
        for name, full in plain.state_dict().items():
            axis, indices = kept_part(name, full.shape, model.ticket, model.architecture)
            wide[name] = torch.zeros_like(full)
            if len(indices):
                wide[name].index_copy_(axis, torch.from_numpy(indices), kept[name])
        plain.load_state_dict(wide)
    return plain.eval()
