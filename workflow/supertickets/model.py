"""An encoder with a task head, whole or cut to a ticket, built from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from . import packing
from .architectures import Architecture, architecture_of
from .batches import Batch
from .dropout import cheapen_dropouts
from .errors import UserError
from .files import read_json, replacing
from .first_token import only_first_token
from .lean import import_modules
from .surgery import cut_modules
from .tickets import Ticket


class Classifier(nn.Module):
    """Encoder, dropout on its pooled [CLS] state, and one linear map to the task's outputs.

    ``ticket`` says which units it has. Parameter names are those of the family's ``...ForSequenceClassification`` in
    transformers.
    """

    def __init__(
        self, encoder: nn.Module, architecture: Architecture, ticket: Ticket, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.ticket = ticket
        self.add_module(architecture.prefix, encoder)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.config.hidden_size, outputs)

    @property
    def encoder(self) -> nn.Module:
        """The encoder alone."""
        return self.get_submodule(self.architecture.prefix)

    @property
    def layers(self) -> list[nn.Module]:
        """The encoder's layers, first to last."""
        return list(self.encoder.get_submodule(self.architecture.layers).children())

    def forward(self, batch: Batch) -> Tensor:
        """Logits, or predicted values, of shape (n, outputs), of a batch of n sentences."""
        states = self.encoder(
            input_ids=batch.input_ids,
            token_type_ids=batch.token_type_ids,
            position_ids=batch.position_ids,
            packing=batch.packing,
        )
        return self.classifier(self.dropout(states.pooler_output.to(self.classifier.weight.dtype)))


def build(config: Mapping[str, Any], ticket: Ticket | None, outputs: int, classifier_dropout: float) -> Classifier:
    """A classifier with the shapes of a ticket and no meaningful weights yet.

    Args:
        config: content of the encoder's ``config.json``.
        ticket: units to keep; None for the full encoder.
        outputs: number of classes, 1 for regression.
        classifier_dropout: dropout before the task head.
    """
    architecture = architecture_of(config, "config.json")
    modules = [path.partition(":")[0] for path in (architecture.config_class, architecture.model_class)]
    config_module, model_module = import_modules(modules)
    model_config = getattr(config_module, architecture.config_class.partition(":")[2]).from_dict(dict(config))
    model_config._attn_implementation = packing.NAME
    from transformers import initialization, modeling_utils  # only after the lean import

    modeling_utils.ALL_ATTENTION_FUNCTIONS.register(packing.NAME, packing.packed_attention)

    with initialization.no_init_weights():  # every weight is loaded or drawn later
        encoder = getattr(model_module, architecture.model_class.partition(":")[2])(model_config)
        if ticket is not None:
            cut_modules(encoder, ticket, architecture)
        layers, heads = (getattr(model_config, name) for name in architecture.dimensions[:2])
        kept = ticket or Ticket.full(layers, heads)
        model = Classifier(encoder, architecture, kept, outputs, classifier_dropout)
    cheapen_dropouts(model)
    only_first_token(model.layers[-1], model_config.model_type)
    return model


def load_weights(model: Classifier, weights: Path, generator: torch.Generator) -> None:
    """Load a weight file; what it may lack, task head and pooler, is drawn from ``generator``.

    Matrices are drawn from a normal distribution with the config's ``initializer_range``, biases are zero.

    Raises:
        UserError: the file cannot be read, or a tensor is missing, unknown or of another shape.
    """
    try:
        tensors = load_file(weights)
    except SafetensorError as error:
        raise UserError(f"{weights}: not a readable safetensors file ({error}); delete it to have it made again")
    pooler = f"{model.architecture.prefix}.{model.architecture.pooler}."
    spread = model.encoder.config.initializer_range
    for name, parameter in model.state_dict().items():
        if name not in tensors and name.startswith(("classifier.", pooler)):
            tensors[name] = torch.zeros(parameter.shape)
            if parameter.dim() > 1:
                tensors[name].normal_(0.0, spread, generator=generator)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{weights}: does not fit the model: {error}") from error


def read_model(
    config: Path,
    weights: Path,
    ticket: Path | None,
    outputs: int,
    classifier_dropout: float,
    generator: torch.Generator,
) -> Classifier:
    """A classifier from a model's ``config.json``, a weight file and, for a cut model, its ticket."""
    kept = None if ticket is None else Ticket.read(ticket)
    model = build(read_json(config), kept, outputs, classifier_dropout)
    load_weights(model, weights, generator)
    return model


def save_weights(model: nn.Module, path: Path) -> None:
    """Write all weights as one safetensors file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(path) as part:
        save_file(tensors, part)
