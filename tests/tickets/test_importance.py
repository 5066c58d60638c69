"""Importance scores against their definitions, with explicit mask variables for every example and token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import names_in
from torch import nn

from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, read_model
from supertickets.encoder.rewind import rewind
from supertickets.encoder.ticket import Ticket
from supertickets.engine.device import Compute
from supertickets.files import write_json
from supertickets.tickets.importance import method_of
from supertickets.tickets.importance_table import normalize
from supertickets.tickets.sample import Sample

#: Three layers of four heads, without some heads and without the second feed-forward block.
CUT = Ticket(((0, 1, 3), (2,), (0, 1, 2, 3)), (0, 2), 4)
CPU = Compute(torch.device("cpu"), "fp32")
BATCHES = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 10)]


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


def sample_of(model: Classifier, data: Encoded, batches: list[np.ndarray] = BATCHES) -> Sample:
    return Sample(model, data, batches, CPU, np.random.default_rng(0))


def read(tiny: Path, folder: Path, outputs: int, ticket: Ticket | None) -> Classifier:
    """The tiny model in double precision, whole or cut."""
    weights, file = tiny / "model.safetensors", None
    if ticket is not None:
        file = folder / "ticket.json"
        write_json(file, ticket.as_json())
        rewind(weights, tiny / "config.json", file, folder / "rewound.safetensors")
        weights = folder / "rewound.safetensors"
    generator = torch.Generator().manual_seed(0)
    return read_model(tiny / "config.json", weights, file, outputs, 0.5, generator).double()


def mean_loss(model: Classifier, data: Encoded, rows: np.ndarray) -> torch.Tensor:
    logits = model(batch_of(data, rows, 0, CPU))
    labels = torch.tensor(data.labels[rows])
    if logits.shape[1] == 1:
        return ((logits[:, 0] - labels) ** 2).mean()
    return nn.functional.cross_entropy(logits, labels.long())


def of_tokens(values: torch.Tensor, mask: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """The mask variables of all tokens, or in the last layer of the first token of each sentence."""
    return mask if values.shape[1] == mask.shape[1] else mask[:, starts]


def by_mask_variables(
    model: Classifier, data: Encoded, batches: list[np.ndarray], counts: list[int], blocks: list[int]
) -> tuple[list[np.ndarray], np.ndarray]:
    """d loss / d xi of every unit and token, with the mask variables xi in the forward pass."""
    model.requires_grad_(False)
    head_scores, ffn_scores = [np.zeros(count) for count in counts], np.zeros(len(blocks))
    for rows in batches:
        batch = batch_of(data, rows, 0, CPU)
        shape, starts = batch.input_ids.shape, batch.packing.starts
        head_masks = [torch.ones(*shape, count, dtype=torch.float64, requires_grad=True) for count in counts]
        ffn_masks = [torch.ones(*shape, dtype=torch.float64, requires_grad=True) for _ in blocks]
        hooks = []
        for layer, head_mask in zip(model.layers, head_masks, strict=True):

            def mask_heads(_: nn.Module, args: tuple, mask: torch.Tensor = head_mask, at: Any = starts) -> tuple:
                by_head = args[0].unflatten(-1, (mask.shape[-1], -1))
                return ((by_head * of_tokens(by_head, mask, at)[..., None]).flatten(2),)

            hooks.append(layer.attention.output.dense.register_forward_pre_hook(mask_heads))
        for block, ffn_mask in zip(blocks, ffn_masks, strict=True):

            def mask_ffn(
                _: nn.Module, args: tuple, output: torch.Tensor, mask: torch.Tensor = ffn_mask, at: Any = starts
            ) -> torch.Tensor:
                return output * of_tokens(output, mask, at)[..., None]

            hooks.append(model.layers[block].output.dense.register_forward_hook(mask_ffn))
        mean_loss(model, data, rows).backward()
        for scores, mask in zip(head_scores, head_masks, strict=True):
            scores += mask.grad.abs().sum(dim=(0, 1)).numpy()
        ffn_scores += [mask.grad.abs().sum().item() for mask in ffn_masks]
        for hook in hooks:
            hook.remove()
    return [scores / len(batches) for scores in head_scores], ffn_scores / len(batches)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("ticket", [None, CUT], ids=["whole", "cut"])
def test_sensitivity_is_the_mean_over_batches_of_summed_absolute_mask_gradients(
    tiny: Path, tmp_path: Path, outputs: int, ticket: Ticket | None
) -> None:
    model = read(tiny, tmp_path, outputs, ticket)
    model.train()  # the scoring must switch dropout off
    data = encoded(10, outputs)
    heads, ffn = method_of("sensitivity")(sample_of(model, data))
    model.eval()
    counts, blocks = ([4, 4, 4], [0, 1, 2]) if ticket is None else ([3, 1, 4], [0, 2])
    expected_heads, expected_ffn = by_mask_variables(model, data, BATCHES, counts, blocks)
    assert np.concatenate(heads).min() > 0 and ffn.min() > 0
    for scores, expected in zip([*heads, ffn], [*expected_heads, expected_ffn], strict=True):
        np.testing.assert_allclose(scores, expected, rtol=1e-9)
    # Gradients do not carry over from batch to batch: a repeated batch changes nothing.
    repeated, _ = method_of("sensitivity")(sample_of(model, data, [BATCHES[0]] * 3))
    single, _ = method_of("sensitivity")(sample_of(model, data, [BATCHES[0]]))
    np.testing.assert_allclose(np.concatenate(repeated), np.concatenate(single), rtol=1e-12)


def unit_slices(model: Classifier, layer: int, head: int | None, size: int) -> list[torch.Tensor]:
    """Views of a unit's weights in BERT."""
    block = model.layers[layer]
    if head is None:
        modules = (block.intermediate.dense, block.output.dense)
        return [parameter.data for module in modules for parameter in module.parameters()]
    rows = slice(head * size, (head + 1) * size)
    attention = block.attention
    inputs = [attention.self.query, attention.self.key, attention.self.value]
    views = [view for module in inputs for view in (module.weight.data[rows], module.bias.data[rows])]
    return [*views, attention.output.dense.weight.data[:, rows]]


@pytest.mark.parametrize("ticket", [None, CUT], ids=["whole", "cut"])
def test_taylor_is_the_slope_of_the_loss_as_a_units_weights_shrink(
    tiny: Path, tmp_path: Path, ticket: Ticket | None
) -> None:
    model = read(tiny, tmp_path, 3, ticket).eval()
    data = encoded(10, 3)
    heads, ffn = method_of("taylor")(sample_of(model, data))

    def slope(views: list[torch.Tensor]) -> float:
        """Absolute central differences in the scale of some weights, averaged over batches."""
        losses = []
        for scale in (1 + 1e-5, (1 - 1e-5) / (1 + 1e-5)):
            for view in views:
                view *= scale
            losses.append(torch.stack([mean_loss(model, data, rows).detach() for rows in BATCHES]))
        for view in views:
            view /= 1 - 1e-5
        return float(((losses[0] - losses[1]) / 2e-5).abs().mean())

    for layer, scores in enumerate(heads):
        expected = [slope(unit_slices(model, layer, head, 8)) for head in range(len(scores))]
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-9)
    expected = [slope(unit_slices(model, layer, None, 8)) for layer in model.ticket.ffn]
    np.testing.assert_allclose(ffn, expected, rtol=1e-5, atol=1e-9)


def test_magnitude_is_the_norm_of_a_units_weights(tiny: Path, tmp_path: Path) -> None:
    model = read(tiny, tmp_path, 2, CUT)
    heads, ffn = method_of("magnitude")(sample_of(model, encoded(10, 2)))

    def norm(views: list[torch.Tensor]) -> float:
        return float(torch.cat([view.flatten() for view in views]).norm())

    for layer, scores in enumerate(heads):
        np.testing.assert_allclose(
            scores, [norm(unit_slices(model, layer, head, 8)) for head in range(len(CUT.heads[layer]))]
        )
    np.testing.assert_allclose(ffn, [norm(unit_slices(model, layer, None, 8)) for layer in CUT.ffn])


def test_scores_in_bfloat16_are_nearly_those_in_float32(tiny: Path, tmp_path: Path) -> None:
    data = encoded(10, 2)
    for method in (method_of("sensitivity"), method_of("taylor")):
        scores = {}
        for precision in ("fp32", "bf16"):
            model = read(tiny, tmp_path, 2, CUT).float()
            compute = Compute(torch.device("cpu"), precision)
            heads, ffn = method(Sample(model, data, BATCHES, compute, np.random.default_rng(0)))
            scores[precision] = np.concatenate([*heads, ffn])
            assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        np.testing.assert_allclose(scores["bf16"], scores["fp32"], atol=0.03 * scores["fp32"].max())
        assert (scores["bf16"] != scores["fp32"]).any()


def test_every_method_scores_every_unit_and_random_scores_depend_on_the_generator_alone(
    tiny: Path, tmp_path: Path
) -> None:
    model, data = read(tiny, tmp_path, 2, CUT), encoded(10, 2)
    for name in names_in("tickets/methods"):
        heads, ffn = method_of(name)(sample_of(model, data))
        assert [len(scores) for scores in heads] == [3, 1, 4] and ffn.shape == (2,)
    random = method_of("random")
    heads, _ = random(sample_of(model, data))
    heads_of_one_batch, _ = random(sample_of(model, encoded(10, 2), BATCHES[:1]))
    np.testing.assert_array_equal(np.concatenate(heads), np.concatenate(heads_of_one_batch))


def test_normalized_by_layer_for_heads_and_over_all_layers_for_ffn() -> None:
    heads, ffn = normalize([np.array([3.0, 4.0]), np.array([0.0])], np.array([1.0, 2.0, 2.0]))
    np.testing.assert_allclose(heads[0], [0.6, 0.8])
    assert heads[1].tolist() == [0]
    np.testing.assert_allclose(ffn, [1 / 3, 2 / 3, 2 / 3])


def test_running_sums_count_early_batches_more(tiny: Path, tmp_path: Path) -> None:
    data = encoded(10, 3)
    whole = sample_of(read(tiny, tmp_path, 3, None), data)
    singles = [method_of("sensitivity")(sample_of(read(tiny, tmp_path, 3, None), data, [rows])) for rows in BATCHES]
    expected = sum(count * np.array(heads) for count, (heads, _) in zip((3, 2, 1), singles, strict=True)) / 6
    heads, ffn = method_of("running_sensitivity")(whole)
    np.testing.assert_allclose(heads, expected, rtol=1e-9)
    expected_ffn = sum(count * blocks for count, (_, blocks) in zip((3, 2, 1), singles, strict=True)) / 6
    np.testing.assert_allclose(ffn, expected_ffn, rtol=1e-9)
