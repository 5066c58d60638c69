"""One multi-task training, from files to files."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, build, drawn_weights
from supertickets.encoder.narrow import narrowed, require_fit
from supertickets.encoder.ticket import Shape, Ticket, read_tickets
from supertickets.encoder.weights import read_weights
from supertickets.engine.device import Compute
from supertickets.errors import DamagedError
from supertickets.files import read_json, replacing, write_json
from supertickets.multi_task.head_names import head_name
from supertickets.multi_task.loop import MultiTaskSettings, train_tasks
from supertickets.multi_task.shared_encoder import SharedEncoder
from supertickets.seeds import derived
from supertickets.training.checkpoints import Checkpoints
from supertickets.training.loop import Progress
from supertickets.training.predict import predict
from supertickets.training.run import checkpoint_of, identity_of, predictions_of, record_of, write_predictions
from supertickets.training.settings import Settings, settings_from

log = logging.getLogger(__name__)


def train_multi_task(
    config: Path,
    weights: Path,
    shape: Path,
    tickets: Path,
    tasks: dict[str, dict[str, Any]],
    run: dict[str, Any],
    settings: dict[str, Any],
    record: Path,
    predictions: Path,
    trained: Path,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Train one encoder on several tasks, predict every evaluation example, and write what was done.

    Args:
        config: the encoder's ``config.json``.
        weights: its pre-trained weights.
        shape: its dimensions.
        tickets: JSON file with each task's ticket by name.
        tasks: by name what each is trained from and with: files ``encoded`` and ``subset``, and ``settings``, content
            of :class:`~supertickets.training.settings.Settings`, of which what differs between tasks counts.
        run: what the run is: model, mode, seed.
        settings: content of :class:`~supertickets.multi_task.loop.MultiTaskSettings`.
        record: JSON file to write: what was done, at what cost, from what.
        predictions: Parquet file to write: id, split, label, logits and task of every evaluation example.
        trained: safetensors file to write: the whole encoder, and each task's head, named by
            :func:`~supertickets.multi_task.head_names.head_name`.
        checkpoint_minutes: time between two checkpoints, which are beside the record; 0 for none but that
            of a stop.

    Raises:
        UserError: an input is unusable, training diverged, or a signal has ended it. Nothing is written then, but
            for the checkpoint of one that was interrupted.
    """
    began = time.perf_counter()
    mixed = MultiTaskSettings(**settings)
    by_task = [settings_from(task["settings"]) for task in tasks.values()]
    compute = by_task[0].start()
    inputs = {"config": config, "weights": weights, "shape": shape, "tickets": tickets}
    inputs |= {f"{key} of {name}": Path(task[key]) for name, task in tasks.items() for key in ("encoded", "subset")}
    identity = identity_of(
        run, {"multi_task": settings, "tasks": [task["settings"] for task in tasks.values()]}, inputs, compute
    )
    checkpoints = Checkpoints(checkpoint_of(record), identity, "multi_task.run:train_multi_task", checkpoint_minutes)
    made = [predictions, trained, record]
    with checkpoints.claimed():
        if checkpoints.take(made):
            return
        data, rows, evaluated = _read(tasks, by_task)
        kept = list(read_tickets(tickets, tasks).values())
        tensors, models = shared_models(config, weights, kept, by_task, run["seed"], compute)
        log.info("%s: %s", run, {name: len(members) for name, members in zip(tasks, rows, strict=True)})
        seconds = {"load": time.perf_counter() - began}
        places = [replace(own, batches=mixed.batches).places(one) for own, one in zip(by_task, data, strict=True)]
        progress, whole = train_models(tensors, models, data, rows, compute, mixed, run["seed"], checkpoints, places)
        began = time.perf_counter()
        tables = _predictions(tasks, models, data, evaluated, compute)
        seconds |= {"train": progress.seconds, "predict": time.perf_counter() - began}
        write_predictions(predictions, *tables)
        _save(trained, tasks, models, whole)
        found = {"tasks": _by_task(tasks, models, by_task, rows, progress, shape), "seconds": seconds}
        write_json(record, record_of(run, found, compute, settings, identity))
        checkpoints.finish(made)


def _read(
    tasks: Mapping[str, Mapping[str, Any]], settings: Sequence[Settings]
) -> tuple[list[Encoded], list[np.ndarray], list[np.ndarray]]:
    """Each task's examples, and the rows of those to train on and of those to predict."""
    data = [Encoded.read(Path(task["encoded"])) for task in tasks.values()]
    rows = [examples.chosen_rows(Path(task["subset"])) for task, examples in zip(tasks.values(), data, strict=True)]
    parts = [examples.evaluated(own.evaluate) for examples, own in zip(data, settings, strict=True)]
    return data, rows, [np.concatenate(list(members.values())) for members in parts]


def _predictions(
    tasks: Mapping[str, Any],
    models: Sequence[Classifier],
    data: Sequence[Encoded],
    evaluated: Sequence[np.ndarray],
    compute: Compute,
) -> list[pa.Table]:
    """Each task's evaluation examples as its model predicts them."""
    tables = []
    for name, model, examples, rows in zip(tasks, models, data, evaluated, strict=True):
        with narrowed(model, examples, rows, compute) as view:
            table = predictions_of(examples, rows, predict(model, view, rows))
        tables.append(table.append_column("task", pa.array([name] * len(rows), pa.string())))
    return tables


def _save(path: Path, tasks: Mapping[str, Any], models: Sequence[Classifier], whole: Mapping[str, Tensor]) -> None:
    """Write the encoder's tensors, which are ``whole``, and each task's head."""
    tensors = dict(whole)
    for name, model in zip(tasks, models, strict=True):
        head = {key: value for key, value in model.state_dict().items() if key.startswith("classifier.")}
        tensors |= {head_name(name, key): value for key, value in head.items()}
    with replacing(path) as part:
        save_file({name: tensor.cpu() for name, tensor in tensors.items()}, part)


def _by_task(
    tasks: Mapping[str, Any],
    models: Sequence[Classifier],
    settings: Sequence[Settings],
    rows: Sequence[np.ndarray],
    progress: Progress,
    shape: Path,
) -> dict[str, Any]:
    """What the record says of each task."""
    found = {}
    for index, (name, model) in enumerate(zip(tasks, models, strict=True)):
        ticket = model.ticket
        found[name] = {
            "examples": len(rows[index]),
            "steps": [turns[index] for turns in progress.turns],
            "losses": [losses[index] for losses in progress.losses],
            "heads_pruned": ticket.heads_pruned,
            "ffn_pruned": ticket.ffn_pruned,
            "weight_remaining": ticket.weight_remaining(Shape.read(shape, settings[index].outputs)),
            "settings": tasks[name]["settings"],
        }
    return found


def shared_models(
    config: Path,
    weights: Path,
    tickets: Sequence[Ticket],
    settings: Sequence[Settings],
    seed: int,
    compute: Compute,
) -> tuple[dict[str, Tensor], list[Classifier]]:
    """The weights of an encoder by name, and each task's model, whose own weights are its head's alone.

    A head is drawn as that of a single task is.

    Args:
        config, weights: the encoder.
        tickets: of each task.
        settings: of each task: outputs and dropout before the head.
        seed: of the run.
        compute: where to.

    Raises:
        UserError: the weights lack a tensor.
    """
    content, tensors = read_json(config), read_weights(weights)
    known, models = set(tensors), []
    for ticket, own in zip(tickets, settings, strict=True):
        model = build(content, ticket, own.outputs, own.classifier_dropout, str(config))
        random = torch.Generator().manual_seed(derived(seed, "task head"))
        for name, value in drawn_weights(model, known, random).items():
            if name.startswith("classifier."):
                model.get_parameter(name).data.copy_(value)
            else:
                tensors[name] = value  # a pooler that the encoder's file lacks: the same for all tasks
        missing = [name for name, _ in model.named_parameters() if name not in tensors and "classifier." not in name]
        if missing:
            raise DamagedError(weights, f"does not fit the model: it lacks {missing[0]}")
        models.append(model.to(compute.device))
    return {name: tensor.to(compute.device) for name, tensor in tensors.items()}, models


def train_models(
    tensors: dict[str, Tensor],
    models: Sequence[Classifier],
    data: Sequence[Encoded],
    rows: Sequence[np.ndarray],
    compute: Compute,
    settings: MultiTaskSettings,
    seed: int,
    checkpoints: Checkpoints | None = None,
    places: Sequence[np.ndarray | None] | None = None,
) -> tuple[Progress, dict[str, Tensor]]:
    """Train the models of all tasks while their word embedding holds only the tokens that occur.

    The rows of others are decayed afterwards, as :mod:`supertickets.encoder.narrow` explains.

    Args:
        tensors, models: from :func:`shared_models`; the models are ready to predict afterwards.
        data: each task's examples.
        rows: the training examples among them.
        compute: where and how precisely.
        settings: of the training.
        seed: of the run.
        checkpoints, places: as of :func:`~supertickets.multi_task.loop.train_tasks`.

    Returns:
        What was done, and the trained encoder's tensors.
    """
    full = models[0].word_embedding.weight
    name = next(name for name, parameter in models[0].named_parameters() if parameter is full)
    embedding, pad = tensors[name], models[0].pad
    for one, model in zip(data, models, strict=True):
        require_fit(model, one, len(embedding))
    vocabulary = reduce(np.union1d, [one.vocabulary(members, pad) for one, members in zip(data, rows, strict=True)])
    kept, new_pad = torch.from_numpy(vocabulary).to(compute.device), int(np.searchsorted(vocabulary, pad))
    narrow = embedding[kept]
    _embed(models, narrow, new_pad)
    encoder = SharedEncoder(
        tensors | {name: narrow}, models, settings.optimizer, settings.weight_decay, settings.untouched,
        settings.eps, settings.bias_correction,
    )  # fmt: skip
    renumbered = [one.renumbered(vocabulary) for one in data]
    progress = train_tasks(encoder, renumbered, rows, new_pad, compute, settings, seed, checkpoints, places)
    with torch.no_grad():
        embedding.mul_(progress.decay)
        embedding[kept] = narrow
    for task in range(len(models)):
        encoder.fill(task)
    _embed(models, embedding, pad)
    return progress, encoder.whole() | {name: embedding}


def _embed(models: Sequence[Classifier], weight: Tensor, pad: int) -> None:
    """Give all models one word embedding."""
    for model in models:
        model.replace_word_embedding(nn.Embedding.from_pretrained(weight, freeze=False, padding_idx=pad))
