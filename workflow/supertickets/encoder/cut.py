"""Cut an encoder's modules down to a ticket: smaller matrices, and no pruned feed-forward blocks.

:func:`supertickets.encoder.rewind.cut_tensors` does the same for weight files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from supertickets.encoder.families import Architecture
from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError


def cut_modules(encoder: nn.Module, ticket: Ticket, architecture: Architecture) -> None:
    """Give an encoder, in place, the shapes of the tensors from :func:`~supertickets.encoder.rewind.cut_tensors`.

    Afterwards its weights are meaningless until new ones are loaded.

    Args:
        encoder: a full encoder of the architecture.
        ticket: the units to keep.
        architecture: the adapter that locates heads and blocks.

    Raises:
        UserError: the encoder and the ticket differ in the number of layers.
    """
    layers = list(encoder.get_submodule(architecture.layers).children())
    if len(layers) != len(ticket.heads):
        raise UserError(f"the ticket has {len(ticket.heads)} layers, the encoder {len(layers)}")
    for index, (layer, heads) in enumerate(zip(layers, ticket.heads, strict=True)):
        if len(heads) < ticket.heads_per_layer:
            modules = dict(layer.named_modules())
            for path in architecture.projections(modules):
                full = cast(nn.Linear, modules[path])
                rows = full.out_features // ticket.heads_per_layer * len(heads)
                layer.set_submodule(path, _linear_like(full, full.in_features, rows))
            full = cast(nn.Linear, layer.get_submodule(architecture.head_output))
            columns = full.in_features // ticket.heads_per_layer * len(heads)
            layer.set_submodule(architecture.head_output, _linear_like(full, columns, full.out_features))
            _update_attention(layer.get_submodule(architecture.attention), heads, ticket.heads_per_layer, architecture)
        if index not in ticket.ffn:
            for path, instead in architecture.ffn_parts:
                layer.set_submodule(path, _replacement(layer, instead, architecture))


def _update_attention(attention: nn.Module, heads: Sequence[int], full: int, architecture: Architecture) -> None:
    """Update an attention module's head counts and head biases, which are not in its matrices."""
    for name in ("num_attention_heads", "all_head_size"):
        if hasattr(attention, name):
            setattr(attention, name, getattr(attention, name) // full * len(heads))
    if architecture.shared_bias:
        kept_heads = list(heads)

        def with_own_bias(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return (*args[:2], args[2][:, kept_heads], *args[3:])

        attention.register_forward_pre_hook(with_own_bias)


def _replacement(layer: nn.Module, instead: str, architecture: Architecture) -> nn.Module:
    """The module that replaces a part of a pruned feed-forward block."""
    if instead == "norm":
        return _NormOfResidual(architecture.ffn_norm.rpartition(".")[2], layer.get_submodule(architecture.ffn_norm))
    return {"identity": nn.Identity, "zero": _Zero}[instead]()


def _linear_like(full: nn.Linear, columns: int, rows: int) -> nn.Linear:
    """A linear map of another size, on the same device and of the same type."""
    return nn.Linear(columns, rows, bias=full.bias is not None, device=full.weight.device, dtype=full.weight.dtype)


class _Zero(nn.Module):
    """A pruned feed-forward block whose output is added to the residual by its caller."""

    def forward(self, states: Tensor) -> Tensor:
        """A zero to add to the residual."""
        return states.new_zeros(())


class _NormOfResidual(nn.Module):
    """The remaining norm of a pruned feed-forward block: ``norm(0 + residual)``."""

    def __init__(self, name: str, norm: nn.Module) -> None:
        super().__init__()
        self.add_module(name, norm)  # the name in the full block, so that weight files agree
        self._name = name

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """Hidden states of the same shape as ``residual``; ``inner`` is ignored."""
        return self.get_submodule(self._name)(residual)
