"""Cut an encoder's modules down to a ticket: smaller matrices, no pruned feed-forward blocks.

The counterpart for weight files is :func:`supertickets.rewind.cut_tensors`.
"""

from __future__ import annotations

from torch import Tensor, nn

from .architectures import Architecture
from .errors import UserError
from .tickets import Ticket


def cut_modules(encoder: nn.Module, ticket: Ticket, architecture: Architecture) -> None:
    """Give an encoder, in place, the shapes that :func:`~supertickets.rewind.cut_tensors` leaves.

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
            for path in architecture.head_inputs:
                full = layer.get_submodule(path)
                rows = full.out_features // ticket.heads_per_layer * len(heads)
                layer.set_submodule(path, _linear_like(full, full.in_features, rows))
            full = layer.get_submodule(architecture.head_output)
            columns = full.in_features // ticket.heads_per_layer * len(heads)
            layer.set_submodule(architecture.head_output, _linear_like(full, columns, full.out_features))
        if index not in ticket.ffn:
            norm = layer.get_submodule(architecture.ffn_norm)
            layer.set_submodule(architecture.ffn_inner, nn.Identity())
            name = architecture.ffn_norm.rpartition(".")[2]
            layer.set_submodule(architecture.ffn_output, _NormOfResidual(name, norm))


def _linear_like(full: nn.Linear, columns: int, rows: int) -> nn.Linear:
    """A linear map of another size on the same device, of the same type."""
    return nn.Linear(columns, rows, bias=full.bias is not None, device=full.weight.device, dtype=full.weight.dtype)


class _NormOfResidual(nn.Module):
    """What stays of a pruned feed-forward block: ``norm(0 + residual)``."""

    def __init__(self, name: str, norm: nn.Module) -> None:
        super().__init__()
        self.add_module(name, norm)  # the name it has in the full block, so that weight files agree
        self._name = name

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """Hidden states of the same shape as ``residual``; ``inner`` is ignored."""
        return self.get_submodule(self._name)(residual)
