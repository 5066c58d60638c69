"""A cut model computes the same as the full model with its pruned units multiplied by zero."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, write_tiny_model
from families import random_ticket
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn

from supertickets.encoder.batches import Batch, batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, build, load_weights, read_model, save_weights
from supertickets.encoder.pretrained import prepare_model
from supertickets.encoder.rewind import cut_tensors, rewind
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.engine import attention as packing
from supertickets.engine.device import Compute
from supertickets.errors import UserError
from supertickets.tickets.gradients import measure

SHAPES = [
    {},
    {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 24, "intermediate_size": 20},
    {"num_hidden_layers": 5, "num_attention_heads": 8, "hidden_size": 16, "intermediate_size": 64},
]


def mask_units(model: Classifier, ticket: Ticket) -> None:
    """Multiply the pruned units of a full BERT by zero, with hooks that are independent of the library."""
    for index, layer in enumerate(model.bert.encoder.layer):
        size = model.bert.config.hidden_size // ticket.heads_per_layer
        mask = torch.zeros(ticket.heads_per_layer, size, dtype=torch.float64)
        mask[list(ticket.heads[index])] = 1
        layer.attention.output.dense.register_forward_pre_hook(lambda _, args, mask=mask: (args[0] * mask.flatten(),))
        if index not in ticket.ffn:
            layer.output.dense.register_forward_hook(lambda _, args, output: output * 0)


LENGTHS = np.array([9, 4, 7, 2, 9])
EXACT = Compute(torch.device("cpu"), "fp32")


def examples(vocabulary: int = TINY["vocab_size"]) -> Encoded:
    random = np.random.default_rng(3)
    count = LENGTHS.sum()
    return Encoded(
        ids=list("abcde"),
        parts=["train"] * 5,
        labels=np.array([0.0, 1, 2, 1, 0]),
        tokens=random.integers(4, vocabulary, count),
        types=random.integers(2, size=count),
        offsets=np.concatenate([[0], LENGTHS.cumsum()]),
    )


def inputs(compute: Compute = EXACT) -> Batch:
    return batch_of(examples(), np.arange(5), 0, compute)


def padded(data: Encoded) -> dict[str, torch.Tensor]:
    """Encoded examples, padded for transformers."""
    filled = torch.arange(9) < torch.tensor(LENGTHS)[:, None]
    arrays = {"input_ids": data.tokens, "token_type_ids": data.types}
    tensors = {name: torch.zeros(5, 9, dtype=torch.int64) for name in arrays}
    for name, array in arrays.items():
        tensors[name][filled] = torch.tensor(array)
    return tensors | {"attention_mask": filled.long()}


def prepared(folder: Path, **changes: int) -> Path:
    write_tiny_model(folder, **changes)
    prepare_model(folder / "config.json", {"path": str(folder)}, folder / "pretrained")
    return folder / "pretrained"


def classifier(folder: Path, weights: Path, ticket: Ticket | None) -> Classifier:
    model = build(json.loads((folder / "config.json").read_text()), ticket, 3, 0.1)
    load_weights(model, weights, torch.Generator().manual_seed(1))
    return model.double().eval()


@pytest.mark.parametrize("changes", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_cut_equals_masked(tmp_path: Path, changes: dict[str, int], seed: int) -> None:
    folder = prepared(tmp_path, **changes)
    config = TINY | changes
    ticket = random_ticket(config["num_hidden_layers"], config["num_attention_heads"], seed)
    (tmp_path / "ticket.json").write_text(json.dumps(ticket.as_json()))
    rewind(folder / "model.safetensors", folder / "config.json", tmp_path / "ticket.json", tmp_path / "cut.safetensors")
    cut = classifier(folder, tmp_path / "cut.safetensors", ticket)
    masked = classifier(folder, folder / "model.safetensors", None)
    mask_units(masked, ticket)

    labels = torch.tensor([0, 1, 2, 1, 0])
    logits = {}
    for name, model in (("cut", cut), ("masked", masked)):
        logits[name] = model(inputs())
        nn.functional.cross_entropy(logits[name], labels).backward()
    torch.testing.assert_close(logits["cut"], logits["masked"], rtol=1e-10, atol=1e-12)

    # Gradients of kept weights agree. Those of pruned weights are zero in the masked model.
    gradients = {name: value.grad.numpy() for name, value in masked.named_parameters()}
    expected = cut_tensors(gradients, ticket, masked.architecture)
    cut_gradients = {name: value.grad.numpy() for name, value in cut.named_parameters()}
    assert cut_gradients.keys() == expected.keys()
    for name, gradient in cut_gradients.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-8, atol=1e-12, err_msg=name)
    total = sum(np.abs(gradient).sum() for gradient in gradients.values())
    assert sum(np.abs(gradient).sum() for gradient in cut_gradients.values()) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("changes", SHAPES)
def test_parameters_left_are_the_published_formula_and_the_cut_biases(tmp_path: Path, changes: dict[str, int]) -> None:
    folder = prepared(tmp_path, **changes)
    shape = Shape.read(folder / "shape.json", outputs=3)
    full = build(TINY | changes, None, 3, 0.1)
    assert sum(parameter.numel() for parameter in full.parameters()) == shape.parameters
    for seed in range(4):
        ticket = random_ticket(shape.layers, shape.heads, seed)
        cut = build(TINY | changes, ticket, 3, 0.1)
        left = sum(parameter.numel() for parameter in cut.parameters())
        biases = (
            3 * (shape.hidden // shape.heads) * ticket.heads_pruned + (shape.ffn + shape.hidden) * ticket.ffn_pruned
        )
        assert left + biases == pytest.approx(ticket.weight_remaining(shape) * shape.parameters)
        # Pruned blocks have no parameters.
        absent = [index for index in range(shape.layers) if index not in ticket.ffn]
        names = [name for name, _ in cut.named_parameters()]
        assert not [name for name in names for index in absent if f".{index}.intermediate." in name]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])  # for bf16, batches are rounded up to sizes that recur
def test_the_library_agrees_with_transformers_and_its_weight_files_load_there(
    tmp_path: Path, tiny: Path, precision: str
) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    ours = classifier(tiny, tiny / "model.safetensors", None)
    save_weights(ours, tmp_path / "model.safetensors")
    config = BertConfig.from_pretrained(tiny, num_labels=3)
    theirs = BertForSequenceClassification.from_pretrained(tmp_path, config=config, dtype=torch.float64).eval()
    batch = inputs(Compute(torch.device("cpu"), precision))
    assert batch.input_ids.shape == (1, LENGTHS.sum() + 1 if precision == "fp32" else 32)
    sizes = []
    ours.layers[-1].attention.output.register_forward_hook(lambda *call: sizes.append(call[-1].shape))
    logits = ours(batch)
    expected = theirs(**padded(examples())).logits
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-12)
    assert sizes == [(1, 5, TINY["hidden_size"])]  # the last layer computes first tokens only
    for outputs in (logits, expected):
        nn.functional.cross_entropy(outputs, torch.tensor([0, 1, 2, 1, 0])).backward()
    for (name, own), reference in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own.grad, reference.grad, rtol=1e-8, atol=1e-12, msg=name)


@pytest.mark.parametrize("lengths", [[4, 4, 4, 4], [1], [7]])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_sentence_is_the_same_alone_and_among_others(tiny: Path, lengths: list[int], precision: str) -> None:
    model, compute = classifier(tiny, tiny / "model.safetensors", None), Compute(torch.device("cpu"), precision)
    data = replace(examples(), offsets=np.concatenate([[0], np.cumsum(lengths)]))
    rows = np.arange(len(lengths))
    alone = torch.cat([model(batch_of(data, rows[row : row + 1], 0, EXACT)) for row in rows])
    torch.testing.assert_close(model(batch_of(data, rows, 0, compute)), alone, rtol=1e-10, atol=1e-12)


def test_both_ways_to_attend_agree(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for attend in (packing.plain_attention, packing.fused_attention):
        monkeypatch.setattr(packing, "plain_attention", attend)
        model = classifier(tiny, tiny / "model.safetensors", None)
        model(inputs()).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, fused in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, fused, rtol=1e-9, atol=1e-12)


def test_task_head_and_missing_pooler_come_from_the_seed(tmp_path: Path, tiny: Path) -> None:
    tensors = {name: torch.tensor(value) for name, value in load_file(tiny / "model.safetensors").items()}
    without = {name: value for name, value in tensors.items() if "pooler" not in name}
    save_file(without, tmp_path / "model.safetensors")

    def drawn(seed: int) -> Classifier:
        generator = torch.Generator().manual_seed(seed)
        return read_model(tiny / "config.json", tmp_path / "model.safetensors", None, 2, 0.1, generator)

    models = drawn(1), drawn(1), drawn(2)
    for part in ("classifier", "bert.pooler.dense"):
        first, second, third = (model.get_submodule(part) for model in models)
        assert torch.equal(first.weight, second.weight) and not torch.equal(first.weight, third.weight)
        assert torch.count_nonzero(first.bias) == 0


def test_weights_and_tickets_that_do_not_belong_together_are_refused(tmp_path: Path, tiny: Path) -> None:
    tensors = load_file(tiny / "model.safetensors")
    architecture = build(TINY, None, 2, 0.1).architecture
    for layers in (2, 4):
        with pytest.raises(UserError, match=f"the ticket has {layers} layers"):
            cut_tensors(tensors, Ticket.full(layers, 4), architecture)
    with pytest.raises(UserError, match=r"model.safetensors: does not fit the model"):
        model = build(TINY, random_ticket(3, 4, 0), 2, 0.1)
        load_weights(model, tiny / "model.safetensors", torch.Generator())
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"broken.safetensors: not a readable safetensors file"):
        load_weights(build(TINY, None, 2, 0.1), tmp_path / "broken.safetensors", torch.Generator())


def test_a_model_may_be_its_first_layers_alone(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    definition = {"path": str(tmp_path)}
    for name, layers in (("whole", {}), ("first", {"layers": 2})):
        prepare_model(tmp_path / "config.json", definition | layers, tmp_path / name)
    whole, first = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "first"))
    assert {name for name in whole if ".layer.2." not in name} == first.keys() < whole.keys()
    assert all(np.array_equal(tensor, whole[name]) for name, tensor in first.items())
    shape = json.loads((tmp_path / "first" / "shape.json").read_text())
    assert shape["layers"] == 2 and shape["parameters"] == sum(tensor.size for tensor in first.values())
    model = classifier(tmp_path / "first", tmp_path / "first" / "model.safetensors", None)
    assert len(model.layers) == 2 and model.ticket == Ticket.full(2, 4)
    with pytest.raises(UserError, match="layers is 4, the encoder has 3; give at most that"):
        prepare_model(tmp_path / "config.json", definition | {"layers": 4}, tmp_path / "more")


def test_a_model_may_be_any_of_its_layers_in_their_order(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    definition = {"path": str(tmp_path)}
    for name, layers in (("whole", {}), ("upper", {"layers": [2, 1]})):
        prepare_model(tmp_path / "config.json", definition | layers, tmp_path / name)
    whole, upper = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "upper"))
    for name, tensor in upper.items():
        origin = re.sub(r"\.layer\.(\d)\.", lambda match: f".layer.{int(match[1]) + 1}.", name)
        np.testing.assert_array_equal(tensor, whole[origin])
    assert len(upper) == sum(".layer.0." not in name for name in whole)
    with pytest.raises(UserError, match=r"layers is \[0, 3\], the encoder has 3; give at most 2"):
        prepare_model(tmp_path / "config.json", definition | {"layers": [0, 3]}, tmp_path / "more")


def test_padding_in_groups_of_similar_length_changes_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for spared in (packing.SPARED, 1):
        monkeypatch.setattr(packing, "SPARED", spared)
        model = classifier(tiny, tiny / "model.safetensors", None)
        batch = inputs()
        logits = model(batch)
        nn.functional.cross_entropy(logits, batch.labels.long()).backward()
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        numbers = torch.tensor([0, 0, 1, 1, 1])
        activity = measure(model, ((model(batch).square().sum(), batch, numbers) for _ in range(1)))
        results.append((batch.packing.shapes, logits, gradients, activity))
    (shapes, logits, gradients, activity), (grouped_shapes, grouped_logits, grouped_gradients, grouped_activity) = (
        results
    )
    assert shapes == [(5, 9)] and grouped_shapes == [(1, 2), (1, 4), (1, 7), (2, 9)]
    torch.testing.assert_close(logits, grouped_logits, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients, grouped_gradients, rtol=1e-10, atol=1e-12)
    for name in ("head_inputs", "contexts", "context_sizes", "ffn_inputs", "ffn_outputs", "ffn_output_sizes"):
        for sums, grouped_sums in zip(getattr(activity, name), getattr(grouped_activity, name), strict=True):
            np.testing.assert_allclose(sums, grouped_sums, rtol=1e-10, atol=1e-12)


def test_groups_spare_most_of_the_padding_of_a_large_batch() -> None:
    lengths = np.random.default_rng(0).geometric(1 / 20, size=32) + 4
    shapes, total, (order, padded, places, widths) = packing.pack(lengths, 1, grouped=True)
    assert sorted(order) == list(range(32)) and total == lengths.sum() + 1
    held = np.sort(padded[padded < lengths.sum()])
    np.testing.assert_array_equal(held, np.arange(lengths.sum()))
    np.testing.assert_array_equal(padded[places[:-1]], np.arange(lengths.sum()))
    assert set(widths[:-1]) == {width for _, width in shapes}
    scores = sum(count * width**2 for count, width in shapes)
    assert scores < 0.5 * 32 * lengths.max() ** 2
    assert packing.pack(lengths[:4], 1, grouped=True)[0] == [(4, lengths[:4].max())]  # too little padding to spare
    assert len(packing.pack(lengths, 8, grouped=False)[0]) == 1
