"""A super ticket: an encoder with a task head, without the attention heads and feed-forward blocks that are pruned.

This file needs torch and transformers alone. It lies beside the weights of every exported ticket, where transformers
finds it: ``AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)``. The family's own model
is built from its config, and what the ticket prunes is replaced: matrices by smaller ones, blocks by nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class SuperTicketConfig(PretrainedConfig):
    """What a super ticket is made of.

    Args:
        full: the config of the full model for classification, as transformers has it.
        ticket: the kept units: ``heads`` of each layer, the layers in ``ffn`` whose feed-forward block is kept, and
            ``heads_per_layer`` of the full model.
        places: where heads and blocks are in a model of this family.
        others: labels and the like.
    """

    model_type = "super_ticket"

    def __init__(
        self,
        full: dict[str, Any] | None = None,
        ticket: dict[str, Any] | None = None,
        places: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        self.full, self.ticket, self.places = full or {}, ticket or {}, places or {}
        super().__init__(**others)


class SuperTicketForSequenceClassification(PreTrainedModel):
    """The cut model. Weights have the names of the family's own model, below ``model``."""

    config_class = SuperTicketConfig
    config: SuperTicketConfig
    base_model_prefix = "model"

    def __init__(self, config: SuperTicketConfig) -> None:
        super().__init__(config)
        labels = {"id2label": config.id2label, "label2id": config.label2id, "problem_type": config.problem_type}
        self.model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**config.full | labels))
        layers = self.model.get_submodule(config.places["layers"]).children()
        for index, (layer, heads) in enumerate(zip(layers, config.ticket["heads"], strict=True)):
            if len(heads) < config.ticket["heads_per_layer"]:
                _keep_heads(layer, heads, config.ticket["heads_per_layer"], config.places)
            if index not in config.ticket["ffn"]:
                for path, instead in config.places["ffn_parts"]:
                    layer.set_submodule(path, _replacement(layer, instead, config.places["ffn_norm"]))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Leave weights to the family's own model: all of them are loaded."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        """Logits of n sentences, and their loss where labels are given.

        Args:
            input_ids, attention_mask, token_type_ids: shape (n, tokens), as the tokenizer makes them.
            labels: shape (n,).
            others: what the family's own model takes besides.
        """
        if self.config.places["token_types"]:
            others["token_type_ids"] = token_type_ids
        return self.model(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **others)


def _keep_heads(layer: nn.Module, heads: Sequence[int], full: int, places: Mapping[str, Any]) -> None:
    """Give the attention of a layer the sizes of its kept heads, of ``full`` ones."""
    modules = dict(layer.named_modules())
    for path in places["head_inputs"]:
        if path in modules:
            old = modules[path]
            size = old.out_features // full * len(heads)
            layer.set_submodule(path, nn.Linear(old.in_features, size, bias=old.bias is not None))
    old = modules[places["head_output"]]
    size = old.in_features // full * len(heads)
    layer.set_submodule(places["head_output"], nn.Linear(size, old.out_features, bias=old.bias is not None))
    attention = modules[places["attention"]]
    for name in ("num_attention_heads", "all_head_size"):
        if hasattr(attention, name):
            setattr(attention, name, getattr(attention, name) // full * len(heads))
    if places["shared_bias"]:  # of all heads, as third argument
        kept = list(heads)
        attention.register_forward_pre_hook(lambda _, args: (*args[:2], args[2][:, kept], *args[3:]))


def _replacement(layer: nn.Module, instead: str, norm: str) -> nn.Module:
    """What stands in the place of a part of a pruned feed-forward block."""
    if instead == "norm":
        return _NormOfResidual(norm.rpartition(".")[2], layer.get_submodule(norm))
    return {"identity": nn.Identity, "zero": _Zero}[instead]()


class _Zero(nn.Module):
    """A block whose output the layer adds to the residual."""

    def forward(self, states: Tensor) -> Tensor:
        """A zero to add."""
        return states.new_zeros(())


class _NormOfResidual(nn.Module):
    """The norm of a block's sum with the residual, which stays, under its name."""

    def __init__(self, name: str, norm: nn.Module) -> None:
        super().__init__()
        self.add_module(name, norm)
        self._name = name

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """The normed residual, of its shape; ``inner`` has no part in it."""
        return self.get_submodule(self._name)(residual)


SuperTicketConfig.register_for_auto_class()
SuperTicketForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
