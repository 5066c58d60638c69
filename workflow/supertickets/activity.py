"""What every unit contributes to the gradient of the loss: one pass forward and one back, through activations only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


def measure(model: Classifier, losses: Iterable[tuple[Tensor, Batch, Tensor]]) -> Activity:
    """The activity of a model.

    Args:
        model: dropout is switched off in it, and gradients for its parameters.
        losses: for some batches at once the sum of their mean losses, with its graph; their examples; and which of
            these batches each example is of, from 0.
    """
    model.eval().requires_grad_(False)
    heads = [len(kept) for kept in model.ticket.heads]
    found = []
    with _watching(model) as seen:
        for loss, batch, numbers in losses:
            tensors = [tensor for kept in seen.values() for tensor in kept]
            gradients = iter(torch.autograd.grad(loss, tensors))
            products = {name: [_products(tensor, next(gradients)) for tensor in kept] for name, kept in seen.items()}
            for kept in seen.values():
                kept.clear()
            found.append(_sums(products, heads, batch, numbers))
    # For each kind of sum and layer the batches of all passes, one after another.
    joined = [
        [torch.cat(parts).cpu().numpy() for parts in zip(*kind, strict=True)] for kind in zip(*found, strict=True)
    ]
    return Activity(*joined[:3], *([sums[:, 0] for sums in kind] for kind in joined[3:]))


def _products(value: Tensor, gradient: Tensor) -> Tensor:
    """Elementwise, in float32 at least, shape (tokens, width)."""
    dtype = torch.promote_types(value.dtype, torch.float32)
    return (value.detach().to(dtype) * gradient.to(dtype))[0]


def _sums(
    products: dict[str, list[Tensor]], heads: list[int], batch: Batch, numbers: Tensor
) -> tuple[list[Tensor], ...]:
    """What :class:`Activity` holds, of some batches: each of shape (batches, heads) or (batches, 1)."""
    of_token = numbers[batch.packing.sentences]
    batches = torch.arange(int(numbers[-1]) + 1, device=numbers.device)[:, None]

    def by_batch(values: Tensor) -> Tensor:
        # The last layer has the first tokens only. Null tokens have no gradient and count nothing.
        members = numbers if len(values) == len(numbers) else of_token
        return (members == batches).double() @ values[: len(members)].double()

    def by_unit(values: Tensor, count: int) -> Tensor:
        return values.unflatten(-1, (count, -1)).sum(-1)

    each = len(products["head_inputs"]) // len(heads)  # query, key and value of a layer
    inputs = [
        sum(by_batch(by_unit(values, count)) for values in products["head_inputs"][layer * each : (layer + 1) * each])
        for layer, count in enumerate(heads)
    ]
    contexts = [by_unit(values, count) for values, count in zip(products["contexts"], heads, strict=True)]
    inner, outputs = ([by_unit(values, 1) for values in products[name]] for name in ("ffn_inputs", "ffn_outputs"))
    signed = [[by_batch(values) for values in kind] for kind in (contexts, inner, outputs)]
    sizes = [[by_batch(values.abs()) for values in kind] for kind in (contexts, outputs)]
    return inputs, signed[0], sizes[0], signed[1], signed[2], sizes[1]


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
