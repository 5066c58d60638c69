"""An encoder with a task head, whole or cut to a ticket, built from files."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import activations, initialization, modeling_utils

from supertickets.encoder.batches import Batch
from supertickets.encoder.cut import cut_modules
from supertickets.encoder.families import Architecture, architecture_of, load_classes
from supertickets.encoder.first_token import only_first_token
from supertickets.encoder.ticket import Ticket
from supertickets.encoder.weights import read_weights
from supertickets.engine.attention import NAME, Packing, packed_attention
from supertickets.engine.dropout import cheapen_dropouts
from supertickets.engine.linear import speed_up_linears
from supertickets.errors import DamagedError, blamed_on
from supertickets.files import read_json, replacing


class Pooler(nn.Module):
    """The pooler of families whose encoder has none: a linear map and an activation function before the task head."""

    def __init__(self, hidden: int, activation: str) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.activation = getattr(nn.functional, activation)

    def forward(self, states: Tensor) -> Tensor:
        """Pooled states of the same shape."""
        return self.activation(self.dense(states))


class Classifier(nn.Module):
    """Encoder, dropout on the pooled state of each sentence, and one linear map to the task's outputs.

    A sentence's state is that of its first token, or the mean over its tokens if the model's config says so. ``ticket``
    holds the units of the encoder. Parameter names are those of the family in transformers; an own pooler is named
    ``pooler``, the task head ``classifier``.
    """

    def __init__(
        self,
        encoder: nn.Module,
        architecture: Architecture,
        ticket: Ticket,
        outputs: int,
        dropout: float,
        pooler: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.ticket = ticket
        self.add_module(architecture.prefix, encoder)
        if pooler is not None:
            self.pooler = pooler
        self.pooling = getattr(encoder.config, "classifier_pooling", "cls")
        self.first_position = architecture.first_position(encoder.config.to_dict())
        self.first_only = bool(architecture.last_layer) and self.pooling == "cls"
        if self.first_only:
            only_first_token(self.layers[-1], architecture.last_layer)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.config.hidden_size, outputs)

    @property
    def encoder(self) -> nn.Module:
        """The encoder, without pooler and task head of the classifier."""
        return self.get_submodule(self.architecture.prefix)

    @property
    def word_embedding(self) -> nn.Embedding:
        """The encoder's embedding of tokens."""
        return self.encoder.get_input_embeddings()

    def replace_word_embedding(self, embedding: nn.Embedding) -> None:
        """Give the encoder another embedding of tokens."""
        self.encoder.set_input_embeddings(embedding)

    @property
    def pad(self) -> int:
        """Id of the padding token."""
        return int(self.encoder.config.pad_token_id)

    @property
    def layers(self) -> list[nn.Module]:
        """The encoder's layers, first to last."""
        return list(self.encoder.get_submodule(self.architecture.layers).children())

    def forward(self, batch: Batch) -> Tensor:
        """Logits, or predicted values, for a batch of n sentences, shape (n, outputs)."""
        states = self.encoder(**self._inputs(batch))
        dtype = self.classifier.weight.dtype
        if self.architecture.pooler:
            pooled = states.pooler_output
        else:
            pooled = self.pooler(self._sentence_states(states.last_hidden_state, batch.packing).to(dtype))
        return self.classifier(self.dropout(pooled.to(dtype)))

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        """Arguments of the encoder's forward: packed sentences, or padded ones if its attention requires padding."""
        inputs: dict[str, Any] = {"input_ids": batch.input_ids}
        inputs["position_ids"] = batch.position_ids + self.first_position
        if self.architecture.token_types:
            inputs["token_type_ids"] = batch.token_type_ids
        if not self.architecture.packed:
            tokens, real = batch.packing.rows()
            return {name: values[0, tokens] for name, values in inputs.items()} | {"attention_mask": real.long()}
        if self.architecture.masks:
            inputs["attention_mask"] = dict.fromkeys(self.architecture.masks)
        return inputs | {"packing": batch.packing}

    def _sentence_states(self, states: Tensor, packing: Packing) -> Tensor:
        """One state for each sentence, shape (n, hidden)."""
        if self.pooling == "mean":
            # A matrix product, because a GPU adds scattered rows in no fixed order.
            of_sentence = packing.sentences == torch.arange(len(packing.starts), device=states.device)[:, None]
            sums = of_sentence.to(states.dtype) @ states[0, : packing.tokens]
            return sums / packing.lengths[:, None]
        if self.first_only or not self.architecture.packed:
            return states[:, 0]
        return states[0, packing.starts]


def build(
    config: Mapping[str, Any],
    ticket: Ticket | None,
    outputs: int,
    classifier_dropout: float,
    origin: str = "config.json",
) -> Classifier:
    """Build a classifier with the shapes of a ticket; its weights are meaningless until they are loaded.

    Args:
        config: content of the encoder's ``config.json``.
        ticket: units to keep; None for the full encoder.
        outputs: number of classes, 1 for regression.
        classifier_dropout: dropout before the task head.
        origin: the file of the config, for messages.

    Raises:
        UserError: transformers makes no encoder of the config, or the ticket belongs to another encoder.
    """
    architecture = architecture_of(config, origin)
    config_class, model_class = load_classes(architecture.config_class, architecture.model_class)
    unmade = f"{origin}: transformers makes no encoder of it"
    with blamed_on(unmade):
        model_config = config_class.from_dict(dict(config))
    model_config._attn_implementation = NAME if architecture.packed else "eager"
    modeling_utils.ALL_ATTENTION_FUNCTIONS.register(NAME, packed_attention)

    with initialization.no_init_weights():  # every weight is loaded or drawn later
        with blamed_on(unmade):
            encoder = model_class(model_config)
            activations.get_activation(getattr(model_config, "conv_act", "tanh"))  # DeBERTa reads it only in training
        layers, heads = (getattr(model_config, name) for name in architecture.dimensions[:2])
        if ticket is not None:
            ticket.require_dimensions(layers, heads, "ticket")
            cut_modules(encoder, ticket, architecture)
        units = ticket or Ticket.full(layers, heads)
        with blamed_on(unmade):
            pooler = _own_pooler(architecture, model_config)
        model = Classifier(encoder, architecture, units, outputs, classifier_dropout, pooler)
    cheapen_dropouts(model)
    speed_up_linears(model.encoder)  # what is outside of it has one row for each sentence
    return model


def _own_pooler(architecture: Architecture, config: Any) -> nn.Module | None:
    """The classifier's own pooler, or None if the encoder has one."""
    if architecture.pooler:
        return None
    if architecture.pooler_class:
        return load_classes(architecture.pooler_class)[0](config)
    return Pooler(config.hidden_size, architecture.pooler_activation)


def drawn_weights(model: Classifier, known: Container[str], generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights for a missing task head or pooler, which weight files may lack.

    Matrices are drawn from a normal distribution with standard deviation ``initializer_range`` of the config. Biases
    are zero, weights of norms one.

    Args:
        model: the model that needs the tensors.
        known: names of the tensors that are not missing.
        generator: source of the random numbers.
    """
    pooler = f"{model.architecture.pooler_name}."
    spread = model.encoder.config.initializer_range
    drawn = {}
    for name, parameter in model.state_dict().items():
        if name not in known and name.startswith(("classifier.", pooler)):
            norm = name.endswith("norm.weight")
            drawn[name] = torch.full(parameter.shape, float(norm))
            if parameter.dim() > 1:
                drawn[name].normal_(0.0, spread, generator=generator)
    return drawn


def load_weights(model: Classifier, weights: Path, generator: torch.Generator) -> None:
    """Load a weight file; a missing task head or pooler is drawn (:func:`drawn_weights`).

    Raises:
        UserError: the file cannot be read, or a tensor is missing, unknown or of another shape.
    """
    tensors = read_weights(weights)
    try:
        model.load_state_dict(tensors | drawn_weights(model, tensors, generator))
    except RuntimeError as error:
        what = f"the file that it is made from is not of its config.json, or this one is damaged ({error})"
        raise DamagedError(weights, f"does not fit the model: {what}") from error


def read_model(
    config: Path,
    weights: Path,
    ticket: Path | None,
    outputs: int,
    classifier_dropout: float,
    generator: torch.Generator,
) -> Classifier:
    """Read a classifier from a model's ``config.json``, a weight file and, for a cut model, its ticket."""
    units = None if ticket is None else Ticket.read(ticket)
    model = build(read_json(config), units, outputs, classifier_dropout, str(config))
    load_weights(model, weights, generator)
    return model


def save_weights(model: nn.Module, path: Path) -> None:
    """Write all weights as one safetensors file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(path) as part:
        save_file(tensors, part)
