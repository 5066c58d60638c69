"""Cut an encoder's modules down to a ticket: smaller matrices, no pruned feed-forward blocks.

The counterpart for weight files is :func:`supertickets.encoder.rewind.cut_tensors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from supertickets.encoder.families import Architecture
from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError


def cut_modules(encoder: nn.Module, ticket: Ticket, architecture: Architecture) -> None:
    """Give an encoder, in place, the shapes that :func:`~supertickets.encoder.rewind.cut_tensors` leaves.

    Its weights are meaningless afterwards, until they are loaded.

    Args:
        encoder: a full encoder of the architecture.
        ticket: the units to keep.
        architecture: where heads and blocks are.

    Raises:
        UserError: the encoder has other layers than the ticket.
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
            _tell_attention(layer.get_submodule(architecture.attention), heads, ticket.heads_per_layer, architecture)
        if index not in ticket.ffn:
            for path, instead in architecture.ffn_parts:
                layer.set_submodule(path, _stand_in(layer, instead, architecture))


def _tell_attention(attention: nn.Module, heads: Sequence[int], full: int, architecture: Architecture) -> None:
    """Correct what an attention module knows of its heads besides its matrices."""
    for name in ("num_attention_heads", "all_head_size"):
        if hasattr(attention, name):
            setattr(attention, name, getattr(attention, name) // full * len(heads))
    if architecture.shared_bias:
        kept = list(heads)

        def with_own_bias(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return (*args[:2], args[2][:, kept], *args[3:])

        attention.register_forward_pre_hook(with_own_bias)


def _stand_in(layer: nn.Module, instead: str, architecture: Architecture) -> nn.Module:
    """What is in the place of a part of a pruned feed-forward block."""
    if instead == "norm":
        return _NormOfResidual(architecture.ffn_norm.rpartition(".")[2], layer.get_submodule(architecture.ffn_norm))
    return {"identity": nn.Identity, "zero": _Zero}[instead]()


def _linear_like(full: nn.Linear, columns: int, rows: int) -> nn.Linear:
    """A linear map of another size on the same device, of the same type."""
    return nn.Linear(columns, rows, bias=full.bias is not None, device=full.weight.device, dtype=full.weight.dtype)


class _Zero(nn.Module):
    """A pruned feed-forward block that is added to the residual outside of it."""

    def forward(self, states: Tensor) -> Tensor:
        """Zero, to add."""
        return states.new_zeros(())


class _NormOfResidual(nn.Module):
    """What stays of a pruned feed-forward block: ``norm(0 + residual)``."""

    def __init__(self, name: str, norm: nn.Module) -> None:
        super().__init__()
        self.add_module(name, norm)  # the name it has in the full block, so that weight files agree
        self._name = name

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """Hidden states of the same shape as ``residual``; ``inner`` is ignored."""
        return self.get_submodule(self._name)(residual)
