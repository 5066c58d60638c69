"""What every unit contributes to the gradient of the loss: one pass forward and one back, through activations only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .batches import Batch
from .model import Classifier

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Activity:
    """Inner products <gradient, activation>, summed over the tokens of each batch; the loss is the batch's mean.

    Each is a list over layers, or feed-forward blocks, of arrays of shape (batches, heads) or (batches,).

    Attributes:
        head_inputs: of a head's query, key and value together. For a linear map y = W x + b this is
            <dL/dW, W> + <dL/db, b>, of the rows that make y, without ever computing dL/dW.
        contexts: of a head's context vectors, which is <dL/dW, W> of their columns of the output projection.
        context_sizes: the same with the absolute value taken for each token.
        ffn_inputs: of what a block's inner layer puts out, before its nonlinearity.
        ffn_outputs: of a block's output, before the residual add.
        ffn_output_sizes: the same with the absolute value taken for each token.
    """

    head_inputs: Arrays
    contexts: Arrays
    context_sizes: Arrays
    ffn_inputs: Arrays
    ffn_outputs: Arrays
    ffn_output_sizes: Arrays


def measure(model: Classifier, losses: Iterator[tuple[Tensor, Batch, Tensor]], batches: int) -> Activity:
    """The activity of a model.

    Args:
        model: dropout is switched off in it, and gradients for its parameters.
        losses: for some batches at once the sum of their mean losses, with its graph; their examples; and the number
            of each example's batch.
        batches: how many batches there are in all.
    """
    model.eval().requires_grad_(False)
    heads = [len(kept) for kept in model.ticket.heads]
    units = (heads, heads, heads, *[[1] * len(model.ticket.ffn)] * 3)
    sums = [[torch.zeros(batches, count, dtype=torch.float64) for count in counts] for counts in units]
    with _watching(model) as seen:
        for loss, batch, numbers in losses:
            tensors = [tensor for found in seen.values() for tensor in found]
            gradients = iter(torch.autograd.grad(loss, tensors))
            parts = {name: [(tensor.detach(), next(gradients)) for tensor in found] for name, found in seen.items()}
            for found in seen.values():
                found.clear()
            _add(sums, parts, heads, batch, numbers)
    arrays = [[total.numpy() for total in totals] for totals in sums]
    return Activity(*arrays[:3], *([array[:, 0] for array in blocks] for blocks in arrays[3:]))


def _add(
    sums: list[list[Tensor]],
    parts: dict[str, list[tuple[Tensor, Tensor]]],
    heads: list[int],
    batch: Batch,
    numbers: Tensor,
) -> None:
    """Add what some batches contribute to the sums, in the order of :class:`Activity`."""
    packing = batch.packing
    of_token = numbers[torch.div(packing.places, packing.packed.shape[1], rounding_mode="floor")]

    def add(total: Tensor, values: Tensor) -> None:
        # The last layer has the first tokens only. Null tokens have no gradient and count nothing.
        index = of_token if len(values) == len(of_token) else numbers
        found = torch.zeros_like(total, device=values.device).index_add_(0, index, values.double())
        total += found.cpu()

    def products(pair: tuple[Tensor, Tensor], count: int) -> Tensor:
        """Of each token and unit."""
        value, gradient = (tensor[0].to(torch.promote_types(tensor.dtype, torch.float32)) for tensor in pair)
        return (value * gradient).unflatten(-1, (count, -1)).sum(-1)

    for layer, count in enumerate(heads):
        per_layer = len(parts["head_inputs"]) // len(heads)
        for pair in parts["head_inputs"][layer * per_layer : (layer + 1) * per_layer]:
            add(sums[0][layer], products(pair, count))
        found = products(parts["contexts"][layer], count)
        add(sums[1][layer], found)
        add(sums[2][layer], found.abs())
    for block, (inner, output) in enumerate(zip(parts["ffn_inputs"], parts["ffn_outputs"], strict=True)):
        add(sums[3][block], products(inner, 1))
        found = products(output, 1)
        add(sums[4][block], found)
        add(sums[5][block], found.abs())


@contextmanager
def _watching(model: Classifier) -> Iterator[dict[str, list[Tensor]]]:
    """Collect the activations of every forward pass, layer by layer, with what is needed to differentiate by them."""
    seen: dict[str, list[Tensor]] = {"head_inputs": [], "contexts": [], "ffn_inputs": [], "ffn_outputs": []}
    places = model.architecture
    hooks = [model.encoder.get_input_embeddings().register_forward_hook(_requiring_gradient)]
    for index, layer in enumerate(model.layers):
        for path in places.head_inputs:
            hooks.append(layer.get_submodule(path).register_forward_hook(_keep_output(seen["head_inputs"])))
        hooks.append(layer.get_submodule(places.head_output).register_forward_pre_hook(_keep_input(seen["contexts"])))
        if index in model.ticket.ffn:
            for module in layer.get_submodule(places.ffn_inner).modules():
                if isinstance(module, nn.Linear):
                    hooks.append(module.register_forward_hook(_keep_output(seen["ffn_inputs"])))
            product = layer.get_submodule(places.ffn_product)
            hooks.append(product.register_forward_hook(_keep_output(seen["ffn_outputs"])))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _requiring_gradient(module: nn.Module, args: Any, output: Tensor) -> Tensor:
    return output.requires_grad_(True)


def _keep_input(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args: store.append(args[0])


def _keep_output(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args, output: store.append(output)
