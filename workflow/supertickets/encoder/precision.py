"""Compute in bfloat16 on processors with units for it; weights and optimizer state stay float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from supertickets.encoder.model import Classifier


@contextmanager
def computing(model: Classifier, precision: str) -> Iterator[Mapping[nn.Parameter, Tensor]]:
    """Make a model's layers and pooler compute in a precision while the block runs.

    In bfloat16 their parameters hold rounded copies. The embeddings, whose gradients are sums over many tokens, and the
    task head stay float32. torch's autocast is used for encoders whose attention also uses weights outside the layers.

    Args:
        model: a float32 model, changed in place.
        precision: ``fp32`` or ``bf16``.

    Yields:
        The float32 values of each rounded parameter. These are to be updated; afterwards the parameter holds them.
    """
    if precision == "fp32":
        yield {}
        return
    if not model.architecture.packed:
        with _autocast(model.encoder):
            yield {}
        return
    after = [path for path in (model.architecture.final, model.architecture.pooler) if path]
    lowered = [*model.layers, *(model.encoder.get_submodule(path) for path in after)]
    originals = {parameter: parameter.data for module in lowered for parameter in module.parameters()}
    hook = model.layers[0].register_forward_pre_hook(_rounded, with_kwargs=True)
    try:
        for parameter, original in originals.items():
            parameter.data = original.to(torch.bfloat16)
        yield originals
    finally:
        hook.remove()
        for parameter, original in originals.items():
            parameter.grad = None
            parameter.data = original


@contextmanager
def _autocast(encoder: nn.Module) -> Iterator[None]:
    """Make matrix products inside an encoder round their factors to bfloat16."""
    device = next(encoder.parameters()).device.type
    encoder.forward = torch.autocast(device, torch.bfloat16)(encoder.forward)
    try:
        yield
    finally:
        del encoder.forward


def _rounded(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A layer's arguments with the hidden states in bfloat16."""
    return (args[0].to(torch.bfloat16), *args[1:]), kwargs
