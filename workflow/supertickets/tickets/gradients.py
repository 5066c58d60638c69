"""Each unit's share in the gradient of the loss, from activations only: one forward and one backward pass."""

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
    """Inner products <gradient, activation>, summed over the tokens of each batch. The loss is the batch's mean.

    Each attribute is a list over layers, or feed-forward blocks, of arrays of shape (batches, heads) or (batches,).

    Attributes:
        head_inputs: inner products of a head's query, key and value, added up. For a linear map y = W x + b this is
            <dL/dW, W> + <dL/db, b> of the rows that make y, without computing dL/dW.
        contexts: inner products of a head's context vectors, which equal <dL/dW, W> of their columns of the output
            projection.
        context_sizes: sums of the absolute values of each token's inner product of context vectors.
        ffn_inputs: inner products of the output of a block's inner layer, before the nonlinearity.
        ffn_outputs: inner products of a block's output, before the residual add.
        ffn_output_sizes: sums of the absolute values of each token's inner product of block outputs.
    """

    head_inputs: Arrays
    contexts: Arrays
    context_sizes: Arrays
    ffn_inputs: Arrays
    ffn_outputs: Arrays
    ffn_output_sizes: Arrays


def measure(model: Classifier, losses: Iterable[tuple[Tensor, Batch, Tensor]]) -> Activity:
    """Measure the activity of a model.

    Args:
        model: the model; its dropout and the gradients of its parameters are switched off.
        losses: one item for each group of batches that is computed at once: the sum of their mean losses, with its
            graph; their examples; and for each example the number of its batch in the group, from 0.
    """
    model.eval().requires_grad_(False)
    heads = [len(kept) for kept in model.ticket.heads]
    passes = []
    with _recording(model) as recorded:
        for loss, batch, numbers in losses:
            units = [activations for members in recorded.values() for activations in members]
            tensors = [tensor for activations in units for tensor in activations]
            gradients = iter(torch.autograd.grad(loss, tensors, materialize_grads=True))
            products = {
                name: [[_products(tensor, next(gradients)) for tensor in activations] for activations in members]
                for name, members in recorded.items()
            }
            for activations in units:
                activations.clear()
            passes.append(_sums(products, heads, model.architecture.fused, batch, numbers))
    # For each kind of sum and each layer, concatenate the batches of all passes.
    joined = [
        [torch.cat(parts).cpu().numpy() for parts in zip(*kind, strict=True)] for kind in zip(*passes, strict=True)
    ]
    return Activity(*joined[:3], *([sums[:, 0] for sums in kind] for kind in joined[3:]))


def _products(value: Tensor, gradient: Tensor) -> Tensor:
    """Elementwise products in float32 or better, shape (tokens, width); zero for padding, which has no gradient."""
    dtype = torch.promote_types(value.dtype, torch.float32)
    return (value.detach().to(dtype) * gradient.to(dtype)).flatten(0, -2)


def _sums(
    products: dict[str, list[list[Tensor]]], heads: list[int], fused: int, batch: Batch, numbers: Tensor
) -> tuple[list[Tensor], ...]:
    """The sums of :class:`Activity` for a group of batches, each of shape (batches, heads) or (batches, 1)."""
    of_token = numbers[batch.packing.sentences]
    batches = torch.arange(int(numbers[-1]) + 1, device=numbers.device)[:, None]

    def by_batch(values: Tensor) -> Tensor:
        if len(batches) == 1:
            return values.double().sum(0, keepdim=True)
        # The last layer may compute first tokens only. Null tokens have no gradient and add nothing.
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
def _recording(model: Classifier) -> Iterator[dict[str, list[list[Tensor]]]]:
    """Record the activations of every forward pass, by layer or block, so that a loss can be differentiated by them.

    A projection may be used twice in a pass: for tokens and for relative positions.
    """
    names = ("head_inputs", "contexts", "ffn_inputs", "ffn_outputs")
    recorded: dict[str, list[list[Tensor]]] = {name: [] for name in names}

    def store(name: str) -> list[Tensor]:
        recorded[name].append([])
        return recorded[name][-1]

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
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _requiring_gradient(module: nn.Module, args: Any, output: Tensor) -> Tensor:
    return output.requires_grad_(True)


def _keep_input(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args: store.append(args[0])


def _keep_output(store: list[Tensor]) -> Callable[..., None]:
    # The projections of relative positions do not depend on tokens, so they do not require a gradient yet.
    return lambda module, args, output: store.append(output if output.requires_grad else output.requires_grad_(True))
