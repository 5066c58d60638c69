"""What every unit contributes to the gradient of the loss: one pass forward and one back, through activations only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supertickets.encoder.batches import Batch
from supertickets.encoder.model import Classifier

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
            units = [kept for members in seen.values() for kept in members]
            tensors = [tensor for kept in units for tensor in kept]
            gradients = iter(torch.autograd.grad(loss, tensors, materialize_grads=True))
            products = {
                name: [[_products(tensor, next(gradients)) for tensor in kept] for kept in members]
                for name, members in seen.items()
            }
            for kept in units:
                kept.clear()
            found.append(_sums(products, heads, model.architecture.fused, batch, numbers))
    # For each kind of sum and layer the batches of all passes, one after another.
    joined = [
        [torch.cat(parts).cpu().numpy() for parts in zip(*kind, strict=True)] for kind in zip(*found, strict=True)
    ]
    return Activity(*joined[:3], *([sums[:, 0] for sums in kind] for kind in joined[3:]))


def _products(value: Tensor, gradient: Tensor) -> Tensor:
    """Elementwise, in float32 at least, shape (tokens, width); in padded rows, which have no gradient, too."""
    dtype = torch.promote_types(value.dtype, torch.float32)
    return (value.detach().to(dtype) * gradient.to(dtype)).flatten(0, -2)


def _sums(
    products: dict[str, list[list[Tensor]]], heads: list[int], fused: int, batch: Batch, numbers: Tensor
) -> tuple[list[Tensor], ...]:
    """What :class:`Activity` holds, of some batches: each of shape (batches, heads) or (batches, 1)."""
    of_token = numbers[batch.packing.sentences]
    batches = torch.arange(int(numbers[-1]) + 1, device=numbers.device)[:, None]

    def by_batch(values: Tensor) -> Tensor:
        if len(batches) == 1:
            return values.double().sum(0, keepdim=True)
        # The last layer may have the first tokens only. Null tokens have no gradient and count nothing.
        members = numbers if len(values) == len(numbers) else of_token
        return (members == batches).double() @ values[: len(members)].double()

    def by_unit(values: Tensor, count: int, parts: int = 1) -> Tensor:
        return values.unflatten(-1, (parts, count, -1)).sum((-3, -1))

    inputs = [
        sum((by_batch(by_unit(values, count, fused)) for values in layer), torch.zeros((), dtype=torch.float64))
        for layer, count in zip(products["head_inputs"], heads, strict=True)
    ]
    contexts = [by_unit(values, count) for (values,), count in zip(products["contexts"], heads, strict=True)]
    inner, outputs = ([by_unit(values, 1) for (values,) in products[name]] for name in ("ffn_inputs", "ffn_outputs"))
    signed = [[by_batch(values) for values in kind] for kind in (contexts, inner, outputs)]
    sizes = [[by_batch(values.abs()) for values in kind] for kind in (contexts, outputs)]
    return inputs, signed[0], sizes[0], signed[1], signed[2], sizes[1]


@contextmanager
def _watching(model: Classifier) -> Iterator[dict[str, list[list[Tensor]]]]:
    """Collect the activations of every forward pass, by layer or block, with what is needed to differentiate by them.

    A projection may be used twice in a pass, for tokens and for relative positions.
    """
    names = ("head_inputs", "contexts", "ffn_inputs", "ffn_outputs")
    seen: dict[str, list[list[Tensor]]] = {name: [] for name in names}

    def store(name: str) -> list[Tensor]:
        seen[name].append([])
        return seen[name][-1]

    places = model.architecture
    hooks = [model.word_embedding.register_forward_hook(_requiring_gradient)]
    for index, layer in enumerate(model.layers):
        modules = dict(layer.named_modules())
        keep = _keep_output(store("head_inputs"))
        hooks += [modules[path].register_forward_hook(keep) for path in places.projections(modules)]
        hooks.append(modules[places.head_output].register_forward_pre_hook(_keep_input(store("contexts"))))
        if index in model.ticket.ffn:
            hooks.append(modules[places.ffn_inner].register_forward_hook(_keep_output(store("ffn_inputs"))))
            hooks.append(modules[places.ffn_product].register_forward_hook(_keep_output(store("ffn_outputs"))))
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
    # What is computed of relative positions comes from no token, and so requires no gradient yet.
    return lambda module, args, output: store.append(output if output.requires_grad else output.requires_grad_(True))
