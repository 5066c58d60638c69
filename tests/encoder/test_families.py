"""Every family of encoders: agreement with transformers, cutting, scores, training, saving and reading."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import EACH_FAMILY, FAMILIES, VOCABULARY, random_ticket, write_family
from safetensors.numpy import load_file
from test_cut import EXACT, examples
from torch import Tensor, nn

from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.families import ARCHITECTURES, Architecture, architecture_of
from supertickets.encoder.model import Classifier, build, load_weights, save_weights
from supertickets.encoder.narrow import narrowed
from supertickets.encoder.pretrained import prepare_model
from supertickets.encoder.rewind import cut_tensors, rewind
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.engine.device import Compute
from supertickets.errors import UserError
from supertickets.tickets.importance import method_of
from supertickets.tickets.sample import Sample
from supertickets.training.loop import train
from supertickets.training.predict import predict
from supertickets.training.settings import Settings

PAD = 1
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=EACH_FAMILY)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(family: str, tmp_path: Path) -> Path:
    """The prepared files of a random encoder."""
    write_family(family, tmp_path / "source")
    prepare_model(tmp_path / "source/config.json", {"path": str(tmp_path / "source")}, tmp_path / "pretrained")
    return tmp_path / "pretrained"


def classifier(folder: Path, weights: Path, ticket: Ticket | None) -> Classifier:
    model = build(json.loads((folder / "config.json").read_text()), ticket, 3, 0.1)
    load_weights(model, weights, torch.Generator().manual_seed(1))
    return model.double().eval()


def test_every_family_is_tried() -> None:
    assert {config["model_type"] for config in FAMILIES.values()} == set(ARCHITECTURES)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"x/config.json: model_type is 'gpt2'; the architectures covered are: bert, deb"
    ):
        architecture_of({"model_type": "gpt2"}, "x/config.json")


def sentences(family: str) -> Encoded:
    """Five examples, with a single token type if the family has one."""
    data = examples(VOCABULARY)
    if FAMILIES[family].get("type_vocab_size") == 1:
        data.types[:] = 0
    return data


def test_the_encoder_computes_what_transformers_computes(family: str, folder: Path, tmp_path: Path) -> None:
    encoder = write_family(family, tmp_path / "again").float().double()  # weights as stored in the file
    ours = classifier(folder, folder / "model.safetensors", None)
    data = sentences(family)
    pooled = []
    for row in range(5):  # one sentence at a time, without padding
        members = slice(data.offsets[row], data.offsets[row + 1])
        inputs = {"input_ids": torch.tensor(data.tokens[members])[None]}
        if ours.architecture.token_types:
            inputs["token_type_ids"] = torch.tensor(data.types[members])[None]
        states = encoder(**inputs)
        if ours.architecture.pooler:
            pooled.append(states.pooler_output)
        else:
            mean = FAMILIES[family].get("classifier_pooling") == "mean"
            pooled.append(ours.pooler(states.last_hidden_state.mean(1) if mean else states.last_hidden_state[:, 0]))
    logits = ours(batch_of(data, np.arange(5), PAD, EXACT))
    torch.testing.assert_close(logits, ours.classifier(torch.cat(pooled)), rtol=1e-6, atol=1e-7)


def test_an_encoder_without_a_layer_computes_what_the_others_compute(family: str, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    prepare_model(source / "config.json", {"path": str(source), "layers": [0, 2]}, tmp_path / "some")
    some = classifier(tmp_path / "some", tmp_path / "some/model.safetensors", None)
    assert len(some.layers) == 2 and Shape.read(tmp_path / "some/shape.json", 3).layers == 2
    whole = classifier(folder, folder / "model.safetensors", None)

    def pass_on(layer: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> Any:
        states = args[0] if args else keywords["hidden_states"]
        return (states, *output[1:]) if isinstance(output, tuple) else states

    whole.layers[1].register_forward_hook(pass_on, with_kwargs=True)
    batch = batch_of(sentences(family), np.arange(5), PAD, EXACT)
    torch.testing.assert_close(some(batch), whole(batch), rtol=1e-10, atol=1e-12)
    if family.startswith("modernbert") or "conv_kernel_size" in FAMILIES[family]:
        with pytest.raises(UserError, match=r"layers is \[1, 2\]: layer 0 differs from the others; keep it"):
            prepare_model(source / "config.json", {"path": str(source), "layers": [1, 2]}, tmp_path / "other")


def mask_units(model: Classifier, ticket: Ticket) -> None:
    """Multiply the pruned units of a full model by zero."""
    places = model.architecture
    for index, layer in enumerate(model.layers):
        product = layer.get_submodule(places.head_output)
        mask = torch.zeros(ticket.heads_per_layer, product.in_features // ticket.heads_per_layer, dtype=torch.float64)
        mask[list(ticket.heads[index])] = 1
        product.register_forward_pre_hook(lambda _, args, mask=mask: (args[0] * mask.flatten(),))
        if index not in ticket.ffn:
            layer.get_submodule(places.ffn_product).register_forward_hook(lambda _, args, output: output * 0)


@pytest.mark.parametrize("seed", range(3))
def test_cut_equals_masked(family: str, folder: Path, tmp_path: Path, seed: int) -> None:
    ticket = random_ticket(3, 4, seed)
    (tmp_path / "ticket.json").write_text(json.dumps(ticket.as_json()))
    rewind(folder / "model.safetensors", folder / "config.json", tmp_path / "ticket.json", tmp_path / "cut.safetensors")
    cut = classifier(folder, tmp_path / "cut.safetensors", ticket)
    masked = classifier(folder, folder / "model.safetensors", None)
    mask_units(masked, ticket)
    batch = batch_of(sentences(family), np.arange(5), PAD, EXACT)
    labels = torch.tensor([0, 1, 2, 1, 0])
    logits = [model(batch) for model in (cut, masked)]
    for output in logits:
        nn.functional.cross_entropy(output, labels).backward()
    torch.testing.assert_close(*logits, rtol=1e-10, atol=1e-12)

    def gradients(model: Classifier) -> dict[str, np.ndarray]:
        named = model.named_parameters()
        return {name: (torch.zeros_like(value) if value.grad is None else value.grad).numpy() for name, value in named}

    expected = cut_tensors(gradients(masked), ticket, masked.architecture)
    cut_gradients = gradients(cut)
    assert cut_gradients.keys() == expected.keys()
    for name, gradient in cut_gradients.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-8, atol=1e-12, err_msg=name)
    total = sum(np.abs(gradient).sum() for gradient in gradients(masked).values())
    assert sum(np.abs(gradient).sum() for gradient in cut_gradients.values()) == pytest.approx(total, rel=1e-9)
    assert sum(value.size for value in load_file(tmp_path / "cut.safetensors").values()) < sum(
        value.size for value in load_file(folder / "model.safetensors").values()
    )


def test_weight_remaining_is_what_the_matrices_leave(folder: Path) -> None:
    shape = Shape.read(folder / "shape.json", outputs=3)
    config = json.loads((folder / "config.json").read_text())

    def matrices(ticket: Ticket | None) -> int:
        layers = build(config, ticket, 3, 0.1).layers
        return sum(value.numel() for layer in layers for value in layer.parameters() if value.dim() == 2)

    full = build(config, None, 3, 0.1)
    assert sum(value.numel() for value in full.parameters()) == shape.parameters
    for seed in range(3):
        ticket = random_ticket(3, 4, seed)
        cut = matrices(None) - matrices(ticket)
        assert ticket.weight_remaining(shape) == pytest.approx(1 - cut / shape.parameters)


BATCHES = [np.array([0, 2]), np.array([1, 3]), np.array([4])]
CUT = Ticket(((0, 1, 3), (2,), (0, 1, 2, 3)), (0, 2), 4)


def losses(model: Classifier, data: Encoded) -> list[Tensor]:
    labels = torch.tensor(data.labels).long()
    outputs = [model(batch_of(data, rows, PAD, EXACT)) for rows in BATCHES]
    return [nn.functional.cross_entropy(output, labels[rows]) for output, rows in zip(outputs, BATCHES, strict=True)]


def cut_files(folder: Path, target: Path, ticket: Ticket) -> Path:
    """The rewound weights of a ticket."""
    (target / "ticket.json").write_text(json.dumps(ticket.as_json()))
    rewind(folder / "model.safetensors", folder / "config.json", target / "ticket.json", target / "cut.safetensors")
    return target / "cut.safetensors"


def cut_further(
    products: dict[str, np.ndarray], layer: int, head: int | str, places: Architecture
) -> dict[str, np.ndarray]:
    """The tensors of ``CUT`` without one more unit; ``head`` is empty for a feed-forward block."""
    # Each layer is treated as a full layer of its kept heads, which rewinding can cut.
    result = {}
    for index, kept in enumerate(CUT.heads):
        mark = f".{index}."
        own = {name: value for name, value in products.items() if f"{places.layers}{mark}" in name}
        renamed = {name.replace(mark, ".0.", 1): value for name, value in own.items()}
        heads = tuple(place for place, kept_head in enumerate(kept) if (index, kept_head) != (layer, head))
        ffn = (0,) if index in CUT.ffn and (index, "") != (layer, head) else ()
        left = cut_tensors(renamed, Ticket((heads,), ffn, len(kept)), places)
        result |= {f"{index} {name}": value for name, value in left.items()}
    return result


def total(tensors: dict[str, np.ndarray]) -> float:
    """The sum over the layers' tensors without norms, which belong to no unit."""
    return float(
        sum(
            value.sum() for name, value in tensors.items() if re.search(r"\.\d+\.", name) and "norm" not in name.lower()
        )
    )


def test_scores_are_those_of_their_definitions(family: str, folder: Path, tmp_path: Path) -> None:
    model = classifier(folder, cut_files(folder, tmp_path, CUT), CUT)
    data = sentences(family)
    places = model.architecture
    # Taylor: the gradient times the weights that are removed when only this unit is pruned.
    taylor = {unit: [] for unit in CUT.units()}
    for loss in losses(model, data):
        model.zero_grad()
        loss.backward()
        products = {
            name: (value * value.grad).detach().numpy()
            for name, value in model.named_parameters()
            if value.grad is not None
        }
        for kind, layer, head in taylor:
            if kind == "head" and len(CUT.heads[layer]) == 1:
                continue  # the last head of a layer cannot be pruned
            left = cut_further(products, layer, head, places)
            taylor[kind, layer, head].append(abs(total(products) - total(left)))
    # Sensitivity: token by token.
    sensitivity = dict.fromkeys(CUT.units(), 0.0)
    seen: list[tuple[tuple[Any, ...], Tensor]] = []

    def keep(unit: tuple[Any, ...], value: Tensor) -> None:
        value.retain_grad()
        seen.append((unit, value))

    for index, layer in enumerate(model.layers):
        layer.get_submodule(places.head_output).register_forward_pre_hook(
            lambda _, args, index=index: keep(("head", index), args[0])
        )
        if index in CUT.ffn:
            layer.get_submodule(places.ffn_product).register_forward_hook(
                lambda _, args, output, index=index: keep(("ffn", index, ""), output)
            )
    for loss in losses(model, data):
        loss.backward(retain_graph=True)
    for unit, value in seen:
        products = (value * value.grad).detach().flatten(0, -2)
        if unit[0] == "ffn":
            sensitivity[unit] += float(products.sum(-1).abs().sum()) / 3
            continue
        for place, head in enumerate(CUT.heads[unit[1]]):
            size = products.shape[1] // len(CUT.heads[unit[1]])
            own = products[:, place * size : (place + 1) * size]
            sensitivity[*unit, head] += float(own.sum(-1).abs().sum()) / 3

    fresh = classifier(folder, tmp_path / "cut.safetensors", CUT)
    sample = Sample(fresh, data, BATCHES, EXACT, np.random.default_rng(0))
    for method, expected in (("taylor", taylor), ("sensitivity", sensitivity)):
        heads, ffn = method_of(method)(sample)
        for unit, score in zip(CUT.units(), [*np.concatenate(heads), *ffn], strict=True):
            if np.size(expected[unit]):
                assert score == pytest.approx(np.mean(expected[unit]), rel=1e-7, abs=1e-12), (method, unit)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_ticket_trains_and_its_weights_come_back(family: str, folder: Path, tmp_path: Path, precision: str) -> None:
    weights = cut_files(folder, tmp_path, CUT)
    settings = Settings(
        optimizer="adamw", learning_rate=1e-2, batch_size=2, epochs=6, warmup=0.1, weight_decay=0.01, clip_norm=1.0,
        eps=1e-8, bias_correction=True, batches="shuffled", model_epoch="last",
        classifier_dropout=0.0, evaluate={}, outputs=3, threads=1, device="cpu", precision=precision,
    )  # fmt: skip
    data, rows, compute = sentences(family), np.arange(5), Compute(CPU, precision)
    outputs = []
    for _ in range(2):
        model = classifier(folder, weights, CUT).float()
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        with narrowed(model, data, rows, compute) as view:
            progress = train(model, view, rows, settings, 0)
            outputs.append(predict(model, view, rows))
        assert progress.losses[-1][0] < progress.losses[0][0]
        still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
        assert not still
    np.testing.assert_array_equal(*outputs)  # same bytes
    save_weights(model, tmp_path / "trained.safetensors")
    again = classifier(folder, tmp_path / "trained.safetensors", CUT).float()
    with narrowed(again, data, rows, compute) as view:
        np.testing.assert_array_equal(predict(again, view, rows), outputs[0])
