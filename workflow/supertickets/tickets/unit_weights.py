"""Sums over the weights of each unit: a head's part of four projections, or a feed-forward block's matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from supertickets.encoder.model import Classifier
from supertickets.tickets.importance_table import RawScores

Elementwise = Callable[[Tensor], Tensor]


def sum_by_unit(model: Classifier, values: Elementwise) -> RawScores:
    """Sum a function of the weights over the weights of each unit.

    The output projection's bias does not belong to any head.

    Args:
        model: any model, whole or cut.
        values: function of a parameter; it returns a tensor of the same shape.
    """
    head_sums = []
    for layer, modules in enumerate(_head_modules(model)):
        count = len(model.ticket.heads[layer])
        total = torch.zeros(count, dtype=torch.float64)
        for module, axis in modules:
            for parameter in [module.weight, module.bias] if axis == 0 and module.bias is not None else [module.weight]:
                fused = model.architecture.fused if axis == 0 else 1
                by_head = values(parameter).detach().unflatten(axis, (fused, count, -1))
                total += by_head.movedim(axis + 1, 0).flatten(1).sum(1, dtype=torch.float64).cpu()
        head_sums.append(total.numpy())
    blocks = [
        sum(
            values(parameter).detach().sum(dtype=torch.float64).cpu()
            for module in _ffn_modules(model, layer)
            for parameter in module.parameters()
        )
        for layer in model.ticket.ffn
    ]
    return head_sums, torch.tensor(blocks, dtype=torch.float64).numpy()


def _head_modules(model: Classifier) -> Iterator[list[tuple[nn.Linear, int]]]:
    """For each layer the projections whose weights belong to heads, with the axis that runs over heads."""
    places = model.architecture
    for layer in model.layers:
        modules = dict(layer.named_modules())
        inputs = [(cast(nn.Linear, modules[path]), 0) for path in places.projections(modules)]
        yield [*inputs, (cast(nn.Linear, layer.get_submodule(places.head_output)), 1)]


def _ffn_modules(model: Classifier, layer: int) -> list[nn.Module]:
    places = model.architecture
    return [model.layers[layer].get_submodule(path) for path in (places.ffn_inner, places.ffn_product)]
