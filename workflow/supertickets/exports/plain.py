"""Classifiers in the form that transformers has for their families: config, names of weights, full and cut sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from supertickets.encoder.families import Architecture, architecture_of
from supertickets.encoder.model import Classifier, build
from supertickets.encoder.rewind import kept_part
from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError, blamed_on
from supertickets.exports.modeling_super_ticket import SuperTicketConfig, SuperTicketForSequenceClassification


def plain_config(fields: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """The config of a family's full model for classification.

    Args:
        fields: the encoder's ``config.json``.
        labels: names of the classes, or of the one value of a regression.
    """
    return {**fields, **architecture_of(fields, "the encoder's config").fixed, **label_fields(labels)}


def label_fields(labels: Sequence[str]) -> dict[str, Any]:
    """What a config says of its outputs."""
    problem = "regression" if len(labels) == 1 else "single_label_classification"
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}} | {
        "problem_type": problem
    }


def plain_name(name: str, architecture: Architecture) -> str:
    """The name in transformers of a weight of a :class:`Classifier`."""
    ours = next((begin for begin in architecture.plain if name.startswith(begin)), "")
    return architecture.plain.get(ours, "") + name.removeprefix(ours)


def plain_tensors(model: Classifier) -> dict[str, Tensor]:
    """The weights of a classifier, cut as they are, by their names in transformers."""
    return {plain_name(name, model.architecture): tensor for name, tensor in model.state_dict().items()}


def classifier_of(plain: PreTrainedModel) -> Classifier:
    """The classifier that computes what a full model of transformers does.

    Raises:
        UserError: its family is not covered, or its config asks for something that no classifier computes.
    """
    fields, origin = plain.config.to_dict(), "the model's config"
    architecture = architecture_of(fields, origin)
    for key, value in architecture.fixed.items():
        if fields.get(key, value) != value:
            raise UserError(f"{origin} says {key} {fields[key]!r}; only {value!r} is covered")
    model = build(fields, None, plain.config.num_labels, 0.0, origin)
    tensors = plain.state_dict()
    names = {name: plain_name(name, architecture) for name in model.state_dict()}
    if missing := [name for name in names.values() if name not in tensors]:
        raise UserError(f"the model has no {missing[0]}: a model for classification is needed")
    model.load_state_dict({ours: tensors[theirs] for ours, theirs in names.items()})
    return model.to(plain.device).eval()


def cut_tensors(tensors: Mapping[str, Tensor], ticket: Ticket, architecture: Architecture) -> dict[str, Tensor]:
    """The part of a full model's weights that a ticket keeps, by their names in transformers."""
    kept = {}
    for name, tensor in tensors.items():
        axis, indices = kept_part(name, tensor.shape, ticket, architecture)
        if len(indices):
            kept[name] = tensor.index_select(axis, torch.from_numpy(indices).to(tensor.device))
    return kept


def plain_model(
    kept: Mapping[str, Tensor], fields: Mapping[str, Any], ticket: Ticket, architecture: Architecture
) -> PreTrainedModel:
    """The full model of transformers that computes what a cut one does: zeros stand for what is pruned.

    A pruned head has a value of zero, and the output projection takes nothing from it. A pruned block adds zero to the
    residual.

    Args:
        kept: weights of the ticket's sizes, by their names in transformers.
        fields: the config of the full model (:func:`plain_config`).
        ticket: the units that it keeps.
        architecture: the adapter of its family.
    """
    with blamed_on("the model cannot be exported: transformers has another one for its config"):
        plain = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**fields))
        wide = {}
        for name, full in plain.state_dict().items():
            axis, indices = kept_part(name, full.shape, ticket, architecture)
            wide[name] = torch.zeros_like(full)
            if len(indices):
                wide[name].index_copy_(axis, torch.from_numpy(indices), kept[name])
        plain.load_state_dict(wide)
    return plain.eval()


def cut_model(
    kept: Mapping[str, Tensor], fields: Mapping[str, Any], ticket: Ticket, architecture: Architecture
) -> SuperTicketForSequenceClassification:
    """The cut model, in the class that transformers loads without this library.

    Args:
        kept, fields, ticket, architecture: as of :func:`plain_model`.
    """
    outputs = ("id2label", "label2id", "problem_type")
    config = SuperTicketConfig(
        full=dict(fields),
        ticket=ticket.as_json(),
        places=places_of(architecture),
        **{key: fields[key] for key in outputs if key in fields},
    )
    cut = SuperTicketForSequenceClassification(config)
    cut.load_state_dict({f"{cut.base_model_prefix}.{name}": tensor for name, tensor in kept.items()})
    return cut.eval()


def places_of(architecture: Architecture) -> dict[str, Any]:
    """Where heads and blocks are in a model of transformers, for its config."""
    names = ("head_inputs", "head_output", "attention", "ffn_parts", "ffn_norm", "shared_bias", "token_types")
    layers = f"{architecture.prefix}.{architecture.layers}"
    return {"layers": layers} | {name: getattr(architecture, name) for name in names}
