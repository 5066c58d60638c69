"""Importance by sensitivity: how much the loss changes when a head or feed-forward block fades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .importance import RawScores
from .model import Classifier
from .sample import Sample


def sensitivity(model: Classifier, sample: Sample) -> RawScores:
    """Expected sensitivity of every unit: the mean over batches of sum over tokens of |<gradient, activation>|.

    A mask variable of one multiplies a head's context vector (before the output projection) or a feed-forward
    block's output (before the residual add). The derivative of the batch's mean loss by the mask variable of one
    token is the inner product of gradient and activation there; its absolute value is summed over the tokens of
    the batch and averaged over batches. Dropout is off. Source: Liang et al., ACL 2021, and its published code,
    except that gradients do not accumulate from batch to batch.

    Args:
        model: on the sample's device.
        sample: the training examples.
    """
    model.eval()
    model.requires_grad_(False)  # only activations need gradients
    places = model.architecture
    contexts: list[Tensor] = []
    products: list[Tensor] = []
    hooks = [model.encoder.get_input_embeddings().register_forward_hook(_requiring_gradient)]
    for index, layer in enumerate(model.layers):
        hooks.append(layer.get_submodule(places.head_output).register_forward_pre_hook(_keep_input(contexts)))
        if index in model.ticket.ffn:
            hooks.append(layer.get_submodule(places.ffn_product).register_forward_hook(_keep_output(products)))
    heads = [torch.zeros(len(kept), dtype=torch.float64, device=sample.device) for kept in model.ticket.heads]
    ffn = torch.zeros(len(model.ticket.ffn), dtype=torch.float64, device=sample.device)
    try:
        for loss in sample.losses(model):
            gradients = torch.autograd.grad(loss, contexts + products)
            changes = [
                value.detach() * gradient for value, gradient in zip(contexts + products, gradients, strict=True)
            ]
            for total, change in zip(heads, changes, strict=False):
                by_head = change.unflatten(-1, (len(total), -1)).sum(-1)
                total += by_head.abs().sum(dim=(0, 1), dtype=torch.float64)
            for block, change in enumerate(changes[len(heads) :]):
                ffn[block] += change.sum(-1).abs().sum(dtype=torch.float64)
            contexts.clear()
            products.clear()
    finally:
        for hook in hooks:
            hook.remove()
    count = len(sample.batches)
    return [(total / count).cpu().numpy() for total in heads], (ffn / count).cpu().numpy()


def _requiring_gradient(module: torch.nn.Module, args: Any, output: Tensor) -> Tensor:
    return output.requires_grad_(True)


def _keep_input(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args: store.append(args[0])


def _keep_output(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args, output: store.append(output)
