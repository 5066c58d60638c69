"""Several tasks train one encoder, each through its own ticket."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, write_tiny_model
from families import EACH_FAMILY, VOCABULARY, random_ticket, write_family
from multi_task_runs import DATA, FULL, MULTI_TASK, TICKETS, encoded, run, settings
from safetensors.numpy import load_file
from tiny_runs import CPU
from torch import Tensor, nn

from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, read_model
from supertickets.encoder.pretrained import prepare_model
from supertickets.encoder.rewind import cut_tensors, rewind
from supertickets.encoder.ticket import Ticket
from supertickets.encoder.weights import read_weights
from supertickets.engine.dropout import seed_dropout
from supertickets.engine.optimizer import BETAS, EPS, learning_rate, without_decay
from supertickets.errors import DivergedError, UserError
from supertickets.multi_task.loop import MultiTaskSettings, odds, schedule, train_tasks
from supertickets.multi_task.run import shared_models, train_models
from supertickets.multi_task.shared_encoder import SharedEncoder
from supertickets.seeds import derived
from supertickets.training.loop import losses_of
from supertickets.training.run import train_run
from supertickets.training.settings import Settings

__all__ = ["encoded"]  # the fixture


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without dropout."""
    source = tmp_path_factory.mktemp("still")
    write_tiny_model(source, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    prepare_model(source / "config.json", {"path": str(source)}, source / "pretrained")
    return source / "pretrained"


def examples(encoded: Path) -> tuple[list[Encoded], list[np.ndarray]]:
    data = [Encoded.read(encoded / f"{task}.parquet") for task in DATA]
    return data, [np.array(json.loads((encoded / f"{task}.json").read_text())["rows"]) for task in DATA]


def exact_models(folder: Path, tickets: list[Ticket]) -> tuple[dict[str, Tensor], list[Classifier]]:
    """An encoder's tensors and the models of both tasks in double precision."""
    own = [Settings(**settings(task, classifier_dropout=0.0)) for task in DATA]
    weights = folder / "model.safetensors"
    tensors, models = shared_models(folder / "config.json", weights, tickets, own, 1, CPU)
    return {name: tensor.double() for name, tensor in tensors.items()}, [model.double() for model in models]


@pytest.mark.parametrize("ticket", [TICKETS[0], FULL], ids=["cut", "full"])
@pytest.mark.parametrize("kind", ["adamw", "adamax"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_task_trains_as_it_does_alone(
    encoded: Path, tiny: Path, tmp_path: Path, ticket: Ticket, kind: str, precision: str
) -> None:
    record, out = run(
        encoded, tiny, tmp_path / "multi_task", {"sentiment": ticket}, optimizer=kind, precision=precision
    )
    (tmp_path / "ticket.json").write_text(json.dumps(ticket.as_json()))
    pretrained = tiny / "model.safetensors", tiny / "config.json"
    rewind(*pretrained, tmp_path / "ticket.json", tmp_path / "rewound.safetensors")
    train_run(
        config=tiny / "config.json", weights=tmp_path / "rewound.safetensors", encoded=encoded / "sentiment.parquet",
        subset=encoded / "sentiment.json", shape=tiny / "shape.json", ticket=tmp_path / "ticket.json",
        run={"seed": 1}, settings=settings("sentiment", precision=precision, optimizer=kind),
        record=tmp_path / "record.json", predictions=tmp_path / "alone.parquet", trained=tmp_path / "alone.safetensors",
    )  # fmt: skip
    alone = json.loads((tmp_path / "record.json").read_text())
    assert record["tasks"]["sentiment"]["losses"] == alone["losses"]
    assert sum(record["tasks"]["sentiment"]["steps"]) == alone["steps"] == 15
    assert record["tasks"]["sentiment"]["weight_remaining"] == alone["weight_remaining"]
    found, expected = (pd.read_parquet(path) for path in (out / "predictions.parquet", tmp_path / "alone.parquet"))
    pd.testing.assert_frame_equal(found.drop(columns="task"), expected)
    assert set(found["task"]) == {"sentiment"}
    trained, single = load_file(out / "model.safetensors"), load_file(tmp_path / "alone.safetensors")
    architecture = read_model(tiny / "config.json", pretrained[0], None, 2, 0.1, torch.Generator()).architecture
    for name in ("classifier.weight", "classifier.bias"):
        np.testing.assert_array_equal(trained.pop(f"sentiment/{name}"), single[name])
    assert trained.keys() == load_file(pretrained[0]).keys()
    for name, tensor in cut_tensors(trained, ticket, architecture).items():
        np.testing.assert_array_equal(tensor, single[name], err_msg=name)
    # What the task does not hold is as it was, bit by bit.
    untouched = 0
    for name, before in load_file(pretrained[0]).items():
        if "layer" in name:
            same = (trained[name] == before).sum()
            untouched += same
    cut = sum(t.size for t in trained.values()) - sum(t.size for n, t in single.items() if "classifier" not in n)
    assert untouched >= cut and (cut > 0) == (ticket != FULL)


def test_full_tickets_are_plain_multi_task_training(encoded: Path, tiny: Path) -> None:
    own = [Settings(**settings(task)) for task in DATA]
    weights = tiny / "model.safetensors"
    data, rows = examples(encoded)
    how = MultiTaskSettings(**MULTI_TASK | {"clip_norm": 1e9})  # torch divides by it in another way
    tensors, models = shared_models(tiny / "config.json", weights, [FULL, FULL], own, 1, CPU)
    progress, trained = train_models(tensors, models, data, rows, CPU, how, 1)
    # What is expected: one encoder of two heads and torch's optimizer, which leaves alone what has no gradient.
    plain = [
        read_model(
            tiny / "config.json", weights, None, one.outputs, 0.1,
            torch.Generator().manual_seed(derived(1, "task head")),
        ).train()
        for one in own
    ]  # fmt: skip
    plain[1].bert = plain[0].bert
    named = {name: value for model in plain for name, value in model.named_parameters() if "bert" in name}
    named |= {
        f"{task}.{name}": value
        for task, model in enumerate(plain)
        for name, value in model.classifier.named_parameters()
    }
    groups = [
        {"params": [value for name, value in named.items() if without_decay(name) == still], "weight_decay": decay}
        for still, decay in ((False, how.weight_decay), (True, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, betas=BETAS, eps=EPS, fused=True)
    seed_dropout(derived(1, "dropout"))
    turns = [turn for epoch in islice(schedule(rows, how, 1), how.epochs) for turn in epoch]
    for step, (task, members) in enumerate(turns):
        batch = batch_of(data[task], members, plain[0].encoder.config.pad_token_id, CPU)
        losses_of(plain[task](batch), batch.labels).mean().backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(turns), how.warmup, how.learning_rate)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    assert sum(map(sum, progress.turns)) == len(turns) == 3 * (5 + 3)
    for name, value in plain[0].bert.named_parameters():
        if "word_embeddings" in name:  # those of other words are decayed at once
            used = np.union1d(*(one.vocabulary(members, 0) for one, members in zip(data, rows, strict=True)))
            torch.testing.assert_close(trained[f"bert.{name}"], value, rtol=1e-6, atol=0.0)
            assert torch.equal(trained[f"bert.{name}"][used], value[used])
        else:
            assert torch.equal(trained[f"bert.{name}"], value), name
    for task, model in enumerate(models):
        assert torch.equal(model.classifier.weight, plain[task].classifier.weight)


def held(ticket: Ticket, tensors: dict[str, np.ndarray], model: Classifier) -> dict[str, np.ndarray]:
    """Which elements of the encoder's tensors a ticket holds: those that rewinding to it keeps."""
    numbers = {name: np.arange(tensor.size).reshape(tensor.shape) for name, tensor in tensors.items()}
    kept = cut_tensors(numbers, ticket, model.architecture)
    nothing = np.array([], dtype=int)
    return {name: np.isin(array, kept.get(name, nothing)) for name, array in numbers.items()}


def masked_reference(
    folder: Path, encoded: Path, how: MultiTaskSettings, steps: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The encoder after some steps with units multiplied by zero and AdamW element by element; how often each moved.

    Nothing of it is the library's but the model, the schedule and what rewinding keeps.
    """
    data, rows = examples(encoded)
    models = [
        read_model(
            folder / "config.json", folder / "model.safetensors", None, outputs, 0.0,
            torch.Generator().manual_seed(derived(1, "task head")),
        ).double().train()
        for outputs in (2, 1)
    ]  # fmt: skip
    models[1].bert = models[0].bert
    current = [0]
    for index, layer in enumerate(models[0].bert.encoder.layer):
        size = TINY["hidden_size"] // 4
        masks = [torch.zeros(4, size, dtype=torch.float64) for _ in TICKETS]
        for mask, ticket in zip(masks, TICKETS, strict=True):
            mask[list(ticket.heads[index])] = 1
        layer.attention.output.dense.register_forward_pre_hook(
            lambda _, args, masks=masks: (args[0] * masks[current[0]].flatten(),)
        )
        layer.output.dense.register_forward_hook(
            lambda _, args, output, index=index: output * float(index in TICKETS[current[0]].ffn)
        )
    encoder = {f"bert.{name}": value for name, value in models[0].bert.named_parameters()}
    arrays = {name: value.detach().numpy() for name, value in encoder.items()}
    holds = [held(ticket, arrays, models[0]) for ticket in TICKETS]
    values = [
        encoder | {f"head{task}.{n}": v for n, v in model.classifier.named_parameters()}
        for task, model in enumerate(models)
    ]
    first, second, moved = (
        {name: np.zeros(value.shape) for part in values for name, value in part.items()} for _ in range(3)
    )
    turns = [turn for epoch in islice(schedule(rows, how, 1), how.epochs) for turn in epoch]
    for step, (task, members) in enumerate(turns[:steps]):
        current[0] = task
        batch = batch_of(data[task], members, 0, CPU)
        losses_of(models[task](batch), batch.labels).mean().backward()
        norm = float(torch.sqrt(sum((value.grad**2).sum() for value in values[task].values())))
        divisor = np.float32(max((norm + 1e-6) / how.clip_norm, 1.0))
        rate = learning_rate(step, len(turns), how.warmup, how.learning_rate)
        for name, value in values[task].items():
            mask = holds[task].get(name, np.ones(value.shape, dtype=bool))
            gradient = value.grad.numpy() / divisor
            assert not gradient[~mask].any(), name
            if how.untouched == "zero_gradient":
                mask = np.ones_like(mask)
            moved[name] += mask
            first[name] = np.where(mask, BETAS[0] * first[name] + (1 - BETAS[0]) * gradient, first[name])
            second[name] = np.where(mask, BETAS[1] * second[name] + (1 - BETAS[1]) * gradient**2, second[name])
            count = np.maximum(moved[name], 1)
            direction = first[name] / (1 - BETAS[0] ** count)
            direction /= np.sqrt(second[name] / (1 - BETAS[1] ** count)) + EPS
            decay = 0.0 if without_decay(name) else rate * how.weight_decay
            array = value.detach().numpy()
            array[mask] = (array * (1 - decay) - rate * direction)[mask]
            value.grad = None
    return arrays, moved


@pytest.mark.parametrize("untouched", ["frozen", "zero_gradient"])
def test_tickets_train_as_units_multiplied_by_zero(encoded: Path, still: Path, untouched: str) -> None:
    how = MultiTaskSettings(**MULTI_TASK | {"untouched": untouched})
    data, rows = examples(encoded)
    before = load_file(still / "model.safetensors")
    _, trained = train_models(*exact_models(still, TICKETS), data, rows, CPU, how, 1)
    expected, moved = masked_reference(still, encoded, how, steps=100)
    nobody = 0
    for name, value in expected.items():
        shared_by_none = ~(held(TICKETS[0], before, exact_models(still, TICKETS)[1][0])[name]
                           | held(TICKETS[1], before, exact_models(still, TICKETS)[1][0])[name])  # fmt: skip
        found = trained[name].numpy()
        np.testing.assert_array_equal(found[shared_by_none], before[name][shared_by_none])  # nothing moves these
        nobody += shared_by_none.sum()
        np.testing.assert_allclose(found[~shared_by_none], value[~shared_by_none], rtol=1e-7, atol=1e-9, err_msg=name)
    assert nobody > 0
    counts = set(np.unique(moved["bert.encoder.layer.0.attention.self.query.weight"]))
    assert counts == ({0, 9, 15, 24} if untouched == "frozen" else {24})  # no task, values, sentiment, both


@pytest.mark.parametrize("task", [0, 1])
def test_a_step_moves_what_its_task_holds_and_nothing_else(encoded: Path, still: Path, task: int) -> None:
    data, rows = examples(encoded)
    tensors, models = exact_models(still, TICKETS)
    before = {name: tensor.clone().numpy() for name, tensor in tensors.items()}
    encoder = SharedEncoder(tensors, models, "adamw", 0.01, "frozen")
    heads = [model.classifier.weight.detach().clone() for model in models]
    encoder.fill(task)
    batch = batch_of(data[task], rows[task][:8], 0, CPU)
    losses_of(models[task](batch), batch.labels).mean().backward()
    gradients = {name: value.grad.clone().numpy() for name, value in models[task].named_parameters()}
    encoder.step(task, 1e-2, 1.0)
    holds, whole = held(TICKETS[task], before, models[task]), encoder.whole()
    for name, value in before.items():
        changed = whole[name].numpy() != value
        assert not changed[~holds[name]].any(), name
        if name in gradients and "embeddings" not in name:
            assert changed[holds[name]].any() == (gradients[name].any() or not without_decay(name)), name
    for other, (head, model) in enumerate(zip(heads, models, strict=True)):
        assert torch.equal(head, model.classifier.weight) == (other != task)


def test_a_pruned_part_is_not_computed(still: Path) -> None:
    tensors, models = exact_models(still, TICKETS)
    encoder = SharedEncoder(tensors, models, "adamw", 0.01, "frozen")
    for task, ticket in enumerate(TICKETS):
        encoder.fill(task)
        for layer, heads in zip(models[task].layers, ticket.heads, strict=True):
            assert layer.attention.self.query.out_features == layer.attention.output.dense.in_features == 8 * len(heads)
        linear = [
            [module for module in layer.modules() if isinstance(module, nn.Linear)] for layer in models[task].layers
        ]
        assert [len(modules) for modules in linear] == [6 if index in ticket.ffn else 4 for index in range(3)]


@pytest.mark.parametrize("family", EACH_FAMILY)
def test_every_family_can_be_shared(family: str, tmp_path: Path) -> None:
    write_family(family, tmp_path / "source")
    prepare_model(tmp_path / "source" / "config.json", {"path": str(tmp_path / "source")}, tmp_path)
    tickets = [random_ticket(3, 4, seed) for seed in (0, 2)]
    own = [Settings(**settings(task, classifier_dropout=0.0)) for task in DATA]
    tensors, models = shared_models(tmp_path / "config.json", tmp_path / "model.safetensors", tickets, own, 1, CPU)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    encoder = SharedEncoder(tensors, models, "adamw", 0.01, "frozen")
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.whole().items())
    for task, ticket in enumerate(tickets):
        encoder.fill(task)
        arrays = {name: tensor.numpy() for name, tensor in before.items()}
        for name, expected in cut_tensors(arrays, ticket, models[task].architecture).items():
            np.testing.assert_array_equal(models[task].get_parameter(name).detach().numpy(), expected, err_msg=name)
    random = np.random.default_rng(0)
    length, count = 5, 12
    data = [
        Encoded(
            [str(index) for index in range(count)], ["train"] * count, random.integers(0, 2, count).astype(float),
            random.integers(2, VOCABULARY, length * count), np.zeros(length * count, dtype=np.int64),
            np.arange(count + 1) * length,
        )
        for _ in tickets
    ]  # fmt: skip
    rows = [np.arange(count)] * 2
    progress = train_tasks(encoder, data, rows, 1, CPU, MultiTaskSettings(**MULTI_TASK | {"batch_size": 4}), 1)
    assert np.isfinite(progress.losses).all() and progress.decay < 1
    for name, tensor in encoder.whole().items():
        moved = (tensor != before[name]).numpy()
        nobody = ~np.logical_or(*(held(ticket, arrays, models[0])[name] for ticket in tickets))
        assert not moved[nobody].any(), name


def test_the_same_again_and_other_seeds_otherwise(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    tickets = dict(zip(DATA, TICKETS, strict=True))
    outs = [run(encoded, tiny, tmp_path / str(index), tickets, seed=seed)[1] for index, seed in enumerate((1, 1, 2))]
    for name in ("predictions.parquet", "model.safetensors"):
        one, again, other = ((out / name).read_bytes() for out in outs)
        assert one == again != other
    record = json.loads((outs[0] / "record.json").read_text())
    assert list(record["tasks"]) == list(DATA) and record["run"] == {"model": "tiny", "mode": "super", "seed": 1}
    assert record["tasks"]["value"]["examples"] == 23 and record["tasks"]["value"]["steps"] == [3, 3, 3]
    assert record["tasks"]["value"]["ffn_pruned"] == 2 and record["tasks"]["value"]["weight_remaining"] < 1
    assert {"encoded of value", "subset of sentiment", "weights", "tickets"} <= set(record["inputs_sha256"])
    losses = record["tasks"]["sentiment"]["losses"]
    assert losses[-1] < losses[0]


def test_divergence_ends_in_an_error_and_no_file(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"training diverged: the loss is .* by step"):
        run(encoded, tiny, tmp_path / "run", dict.fromkeys(DATA, FULL), learning_rate=1e30)
    assert not list((tmp_path / "run").glob("*.parquet")) and not (tmp_path / "run" / "record.json").exists()


def test_weights_of_another_encoder_are_refused(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_tiny_model(other, num_hidden_layers=2)
    prepare_model(other / "config.json", {"path": str(other)}, other / "pretrained")
    (other / "pretrained" / "config.json").write_bytes((tiny / "config.json").read_bytes())
    with pytest.raises(UserError, match=r"does not fit the model: it lacks bert\.encoder\.layer\.2"):
        run(encoded, other / "pretrained", tmp_path / "run", dict.fromkeys(DATA, FULL))


def test_a_task_that_no_step_is_drawn_for_has_no_loss(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    tickets = dict.fromkeys(DATA, FULL)
    record, _ = run(encoded, tiny, tmp_path / "run", tickets, sampler="uniform", batch_size=40, epochs=6)
    found = [(one["steps"], one["losses"]) for one in record["tasks"].values()]
    assert any(0 in steps for steps, _ in found)
    assert [[count == 0 for count in steps] for steps, _ in found] == [[loss is None for loss in of] for _, of in found]


def test_each_sampler_draws_as_it_says() -> None:
    rows = [np.arange(100), np.arange(30), np.arange(7)]
    how = MultiTaskSettings(**MULTI_TASK)
    for epoch in islice(schedule(rows, how, 1), 3):
        for task, members in enumerate(rows):
            batches = [batch for turn, batch in epoch if turn == task]
            assert sorted(np.concatenate(batches)) == members.tolist()
        assert [turn for turn, _ in epoch] != sorted(turn for turn, _ in epoch)
    sizes = [len(members) for members in rows]
    for changes, expected in (
        ({"sampler": "temperature", "temperature": 1.0}, np.array(sizes) / 137),
        ({"sampler": "temperature", "temperature": 2.0}, np.sqrt(sizes) / np.sqrt(sizes).sum()),
        ({"sampler": "uniform"}, np.full(3, 1 / 3)),
        ({"sampler": "capped", "cap": 30}, np.array([30, 30, 7]) / 67),
    ):
        other = MultiTaskSettings(**MULTI_TASK | changes)
        np.testing.assert_allclose(odds(sizes, other), expected)
        turns = [task for epoch in islice(schedule(rows, other, 1), 300) for task, _ in epoch]
        assert len(turns) == 300 * (13 + 4 + 1)
        np.testing.assert_allclose(np.bincount(turns) / len(turns), expected, atol=0.03)


def test_the_shared_tensors_start_as_the_file_has_them(tiny: Path) -> None:
    own = [Settings(**settings(task)) for task in DATA]
    tensors, models = shared_models(tiny / "config.json", tiny / "model.safetensors", TICKETS, own, 1, CPU)
    assert tensors.keys() == read_weights(tiny / "model.safetensors").keys()
    single = read_model(
        tiny / "config.json", tiny / "model.safetensors", None, 1, 0.1,
        torch.Generator().manual_seed(derived(1, "task head")),
    )  # fmt: skip
    assert torch.equal(models[1].classifier.weight, single.classifier.weight)
