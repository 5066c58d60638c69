"""Importance by sensitivity: how much the loss changes when a head or feed-forward block fades."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .batches import Encoded, sorted_batches
from .errors import UserError
from .files import read_json
from .importance import write_importance
from .model import Classifier, read_model
from .training import loss_of, settings_from

log = logging.getLogger(__name__)


def sensitivity(
    model: Classifier, data: Encoded, batches: list[np.ndarray], pad: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Expected sensitivity of every unit: the mean over batches of sum over tokens of |<gradient, activation>|.

    A mask variable of one multiplies a head's context vector (before the output projection) or a feed-forward
    block's output (before the residual add). The derivative of the batch's mean loss by the mask variable of one
    token is the inner product of gradient and activation there; its absolute value is summed over the tokens of
    the batch and averaged over batches. Dropout is off. Source: Liang et al., ACL 2021, and its published code,
    except that gradients do not accumulate from batch to batch.

    Args:
        model: fine-tuned full model on ``device``.
        data: the encoded task.
        batches: rows of each batch.
        pad: id of the padding token.
        device: where the model is.

    Returns:
        Raw scores: heads of shape (layers, heads), feed-forward blocks of shape (layers,).
    """
    model.eval()
    model.requires_grad_(False)  # only activations need gradients
    places = model.architecture
    contexts: list[Tensor] = []
    products: list[Tensor] = []
    hooks = [model.encoder.get_input_embeddings().register_forward_hook(_requiring_gradient)]
    for layer in model.layers:
        hooks.append(layer.get_submodule(places.head_output).register_forward_pre_hook(_keep_input(contexts)))
        hooks.append(layer.get_submodule(places.ffn_product).register_forward_hook(_keep_output(products)))
    heads = model.encoder.config.num_attention_heads
    head_sum = torch.zeros(len(model.layers), heads, dtype=torch.float64, device=device)
    ffn_sum = torch.zeros(len(model.layers), dtype=torch.float64, device=device)
    labels = torch.from_numpy(data.labels).to(device)
    try:
        for rows in batches:
            contexts.clear()
            products.clear()
            loss = loss_of(model(**data.batch(rows, pad, device)), labels[rows])
            gradients = torch.autograd.grad(loss, contexts + products)
            for layer, (value, gradient) in enumerate(zip(contexts + products, gradients, strict=True)):
                product = value.detach() * gradient
                if layer < len(contexts):
                    by_head = product.unflatten(-1, (heads, -1)).sum(-1)
                    head_sum[layer] += by_head.abs().sum(dim=(0, 1), dtype=torch.float64)
                else:
                    ffn_sum[layer - len(contexts)] += product.sum(-1).abs().sum(dtype=torch.float64)
    finally:
        for hook in hooks:
            hook.remove()
    return (head_sum / len(batches)).cpu().numpy(), (ffn_sum / len(batches)).cpu().numpy()


def _requiring_gradient(module: torch.nn.Module, args: Any, output: Tensor) -> Tensor:
    return output.requires_grad_(True)


def _keep_input(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args: store.append(args[0])


def _keep_output(store: list[Tensor]) -> Callable[..., None]:
    return lambda module, args, output: store.append(output)


def score_run(
    config: Path, weights: Path, encoded: Path, subset: Path, settings: dict[str, Any], importance: Path
) -> None:
    """Score the units of a fine-tuned model on its own training subset and write ``importance.csv``.

    Args:
        config: the encoder's ``config.json``.
        weights: fine-tuned weights of the full model.
        encoded: the tokenised task.
        subset: the rows that the model was trained on.
        settings: content of :class:`~supertickets.training.Settings`; ``batch_size`` sets the batches.
        importance: CSV file to write: kind, layer, head (empty for ffn), score, normalized.

    Raises:
        UserError: an input is unusable, or a score is not finite.
    """
    how = settings_from(settings)
    device = how.start()
    data = Encoded.read(encoded)
    rows = np.array(read_json(subset)["rows"], dtype=np.int64)
    # Nothing is drawn: a fine-tuned model's file holds every weight.
    model = read_model(config, weights, None, how.outputs, 0.0, torch.Generator()).to(device)
    batches = sorted_batches(rows, data.lengths[rows], how.batch_size)
    head_scores, ffn_scores = sensitivity(model, data, batches, model.encoder.config.pad_token_id, device)
    if not (np.isfinite(head_scores).all() and np.isfinite(ffn_scores).all()):
        raise UserError(f"{weights}: importance scores are not finite; the fine-tuned model has diverged")
    write_importance(importance, head_scores, ffn_scores)
    log.info(
        "scored %d heads and %d feed-forward blocks on %d batches", head_scores.size, len(ffn_scores), len(batches)
    )
