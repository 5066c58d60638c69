"""Importance against the definition: explicit mask variables, one example and one token at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from supertickets.batches import Encoded
from supertickets.importance import normalize
from supertickets.model import Classifier, read_model
from supertickets.sensitivity import sensitivity


def encoded(count: int, outputs: int) -> Encoded:
    random = np.random.default_rng(4)
    lengths = random.integers(3, 12, size=count)
    labels = random.normal(size=count) if outputs == 1 else random.integers(outputs, size=count).astype(float)
    return Encoded(
        ids=[f"e{index}" for index in range(count)],
        parts=["train"] * count,
        labels=labels,
        tokens=random.integers(4, 18, size=lengths.sum()),
        types=np.zeros(lengths.sum(), dtype=np.int64),
        offsets=np.concatenate([[0], lengths.cumsum()]),
    )


def by_mask_variables(model: Classifier, data: Encoded, batches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """d loss / d xi of every unit and token, with xi really in the forward pass."""
    layers, heads = len(model.layers), model.encoder.config.num_attention_heads
    model.requires_grad_(False)
    head_scores, ffn_scores = np.zeros((layers, heads)), np.zeros(layers)
    for rows in batches:
        inputs = data.batch(rows, 0, torch.device("cpu"))
        shape = inputs["input_ids"].shape
        head_masks = [torch.ones(*shape, heads, dtype=torch.float64, requires_grad=True) for _ in range(layers)]
        ffn_masks = [torch.ones(*shape, dtype=torch.float64, requires_grad=True) for _ in range(layers)]
        hooks = []
        for layer, head_mask, ffn_mask in zip(model.layers, head_masks, ffn_masks, strict=True):

            def mask_heads(_: nn.Module, args: tuple, mask: torch.Tensor = head_mask) -> tuple:
                by_head = args[0].unflatten(-1, (heads, -1))
                return ((by_head * mask[:, : by_head.shape[1], :, None]).flatten(2),)

            def mask_ffn(
                _: nn.Module, args: tuple, output: torch.Tensor, mask: torch.Tensor = ffn_mask
            ) -> torch.Tensor:
                return output * mask[:, : output.shape[1], None]

            hooks.append(layer.attention.output.dense.register_forward_pre_hook(mask_heads))
            hooks.append(layer.output.dense.register_forward_hook(mask_ffn))
        logits = model(**inputs)
        labels = torch.tensor(data.labels[rows])
        if logits.shape[1] == 1:
            loss = ((logits[:, 0] - labels) ** 2).mean()
        else:
            loss = nn.functional.cross_entropy(logits, labels.long())
        loss.backward()
        for layer in range(layers):
            head_scores[layer] += head_masks[layer].grad.abs().sum(dim=(0, 1)).numpy()
            ffn_scores[layer] += ffn_masks[layer].grad.abs().sum().item()
        for hook in hooks:
            hook.remove()
    return head_scores / len(batches), ffn_scores / len(batches)


@pytest.mark.parametrize("outputs", [1, 3])
def test_sensitivity_is_the_mean_over_batches_of_summed_absolute_mask_gradients(tiny: Path, outputs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    model = read_model(tiny / "config.json", tiny / "model.safetensors", None, outputs, 0.5, generator).double()
    model.train()  # dropout must be switched off by the scoring itself
    data = encoded(10, outputs)
    batches = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 10)]
    head, ffn = sensitivity(model, data, batches, 0, torch.device("cpu"))
    model.eval()
    expected_head, expected_ffn = by_mask_variables(model, data, batches)
    assert head.min() > 0 and ffn.min() > 0
    np.testing.assert_allclose(head, expected_head, rtol=1e-9)
    np.testing.assert_allclose(ffn, expected_ffn, rtol=1e-9)
    # Gradients do not carry over from batch to batch: a repeated batch changes nothing.
    repeated, _ = sensitivity(model, data, [batches[0]] * 3, 0, torch.device("cpu"))
    single, _ = sensitivity(model, data, [batches[0]], 0, torch.device("cpu"))
    np.testing.assert_allclose(repeated, single, rtol=1e-12)


def test_normalized_by_layer_for_heads_and_over_all_layers_for_ffn() -> None:
    head, ffn = normalize(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([1.0, 2.0, 2.0]))
    np.testing.assert_allclose(head, [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(ffn, [1 / 3, 2 / 3, 2 / 3])
