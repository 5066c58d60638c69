"""One run, from files to files: train a model, predict, and record what was done."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, read_model, save_weights
from supertickets.encoder.narrow import narrowed
from supertickets.encoder.ticket import Shape
from supertickets.engine.device import Compute
from supertickets.files import replacing, sha256, write_json
from supertickets.jobs.versions import versions
from supertickets.seeds import derived
from supertickets.training.checkpoints import Checkpoints
from supertickets.training.loop import Losses, Progress, by_labels, train
from supertickets.training.predict import predict, validation_score
from supertickets.training.settings import Settings, settings_from, with_chosen
from supertickets.training.teacher import Teacher

log = logging.getLogger(__name__)

#: What the record of a full model says that the user gives, under ``finetuned``.
GIVEN = "given, not trained: the same model at every seed"


def train_run(
    config: Path,
    weights: Path,
    encoded: Path,
    subset: Path,
    run: dict[str, Any],
    settings: dict[str, Any],
    record: Path,
    predictions: Path,
    shape: Path,
    trained: Path | None = None,
    ticket: Path | None = None,
    chosen: Path | None = None,
    finetuned: Path | None = None,
    teacher: Path | None = None,
    checkpoint: Path | None = None,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Train one model, predict every evaluation example, and write record, predictions and, where asked for, weights.

    Args:
        config: the encoder's ``config.json``.
        weights: pre-trained weights: of the full encoder, or of a ticket (rewound).
        encoded: the tokenised task.
        subset: rows to train on.
        run: what the run is: model, task, train_size, seed, kind, ratio, draw.
        settings: content of :class:`~supertickets.training.settings.Settings`.
        record: JSON file to write: what was done, at what cost, from what.
        predictions: Parquet file to write: id, split, label and logits of every evaluation example.
        shape: the encoder's dimensions.
        trained: safetensors file to write; None: not written.
        ticket: the ticket that ``weights`` hold; None for the full encoder.
        chosen: settings that a search chose, which take the place of those in ``settings``; None where there was none.
        finetuned: weights of a full model that the user gives; it is not trained. None: train from ``weights``.
        teacher: outputs of the full model for the training rows, which the run learns from as ``settings`` say; None
            for none.
        checkpoint: safetensors file for the state of an unfinished training; beside the record where None.
        checkpoint_minutes: time between two checkpoints; 0 for none but that of a stop.

    Raises:
        UserError: an input is unusable, training diverged, or a signal has ended it. Nothing is written then, but
            for the checkpoint of one that was interrupted.
    """
    began = time.perf_counter()
    settings = with_chosen(settings, chosen) | ({} if finetuned is None else {"epochs": 0})
    training = settings_from(settings)
    compute = training.start()
    inputs = {"config": config, "weights": finetuned or weights, "encoded": encoded, "subset": subset, "shape": shape}
    identity = identity_of(run, settings, {**inputs, "ticket": ticket, "teacher": teacher}, compute)
    path = checkpoint or checkpoint_of(record)
    judge = [f"evaluation.metrics.{training.best_by['metric']}"] if training.best_by else []
    checkpoints = Checkpoints(path, identity, "training.run:train_run", checkpoint_minutes, judge)
    made = [predictions, *([trained] if trained else []), record]
    with checkpoints.claimed():
        if checkpoints.take(made):
            return
        dimensions = Shape.read(shape, training.outputs)
        measured, table, model = _trained(inputs, ticket, teacher, run, training, compute, checkpoints, began)
        given = {} if finetuned is None else {"finetuned": GIVEN}
        found = given | measured | sizes_of(model, dimensions)
        content = record_of(run, found, compute, settings, identity)
        write_predictions(predictions, table)
        if trained is not None:
            save_weights(model, trained)
        write_json(record, content)
        checkpoints.finish(made)


def _trained(
    inputs: Mapping[str, Path],
    ticket: Path | None,
    teacher: Path | None,
    run: Mapping[str, Any],
    training: Settings,
    compute: Compute,
    checkpoints: Checkpoints,
    began: float,
) -> tuple[dict[str, Any], pa.Table, Classifier]:
    """What the record says of a training, its predictions, and the trained model.

    Args:
        inputs: files by name.
        ticket, teacher, run, training, compute, checkpoints: as of :func:`train_run`.
        began: when the process turned to it.
    """
    data = Encoded.read(inputs["encoded"])
    rows = data.chosen_rows(inputs["subset"])
    parts = data.evaluated(training.evaluate)
    random = torch.Generator().manual_seed(derived(run["seed"], "task head"))
    model = read_model(
        inputs["config"], inputs["weights"], ticket, training.outputs, training.classifier_dropout, random
    )
    model.to(compute.device)
    evaluated = np.concatenate(list(parts.values()))
    log.info("%s: %d examples, %d parameters, %s", run, len(rows), count_parameters(model), compute)
    losses_for = by_labels
    if teacher is not None and training.teacher is not None:
        losses_for = Teacher.read(teacher, data, rows, training.outputs, training.teacher, compute.device).losses_for
    seconds = {"load": time.perf_counter() - began}
    progress = _train(model, data, rows, training, run["seed"], compute, checkpoints, losses_for)
    began = time.perf_counter()
    with narrowed(model, data, evaluated, compute) as view:
        outputs = predict(model, view, evaluated)
    seconds |= {"train": progress.seconds, "predict": time.perf_counter() - began}
    measured = {
        "examples": {"train": len(rows)} | {part: len(members) for part, members in parts.items()},
        "steps": progress.steps,
        **({"epoch": progress.epoch} if progress.epoch else {}),
        "losses": [loss for (loss,) in progress.losses],
        "seconds": seconds,
    }
    return measured, predictions_of(data, evaluated, outputs), model


def _train(
    model: Classifier,
    data: Encoded,
    rows: np.ndarray,
    training: Settings,
    seed: int,
    compute: Compute,
    checkpoints: Checkpoints,
    losses_for: Callable[[np.ndarray], Losses],
) -> Progress:
    """Train a model on some rows, in place; where the best epoch counts, each is scored on validation.

    Args:
        model, rows, seed, losses_for: as of :func:`~supertickets.training.loop.train`.
        data: the encoded task.
        training, compute, checkpoints: as of :func:`train_run`.
    """
    judging, score = rows[:0], None
    if training.best_by:
        judging = data.first("validation", training.best_by["validation"])
    with narrowed(model, data, np.concatenate([rows, judging]), compute) as view:
        if training.best_by:
            score = partial(validation_score, model, view, judging, training.best_by["metric"])
        return train(
            model, view, rows, training, seed, checkpoints, losses_for, training.stop, score, training.places(data)
        )


def checkpoint_of(record: Path) -> Path:
    """Where the state of an unfinished training is."""
    return record.with_name("checkpoint.safetensors")


def identity_of(
    run: Mapping[str, Any], settings: Mapping[str, Any], inputs: Mapping[str, Path | None], compute: Compute
) -> dict[str, Any]:
    """Everything but the code that determines the result of a training.

    Args:
        run, settings: as of :func:`train_run`.
        inputs: the files that it reads, by name; None is left out.
        compute: where and how precisely.
    """
    return {
        "run": run,
        "settings": settings,
        "inputs_sha256": {name: sha256(path) for name, path in inputs.items() if path is not None},
        "versions": versions(),
        "device": compute.device.type,
        "precision": compute.precision,
    }


def record_of(
    run: Mapping[str, Any],
    found: Mapping[str, Any],
    compute: Compute,
    settings: Mapping[str, Any],
    identity: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of a training: what it is, what was found, and on what machine and from what.

    Args:
        run, settings: as of :func:`train_run`.
        found: what is of this kind of training alone.
        compute: where and how precisely.
        identity: from :func:`identity_of`.
    """
    return {
        "run": run,
        **found,
        "device": str(compute.device),
        "precision": compute.precision,
        "memory_bytes": peak_memory(compute.device),
        "settings": settings,
        "versions": identity["versions"],
        "inputs_sha256": identity["inputs_sha256"],
    }


def sizes_of(model: Classifier, shape: Shape) -> dict[str, Any]:
    """What a model has left of an encoder of this shape: units, their weight, and trained parameters."""
    kept = model.ticket
    return {
        "heads_pruned": kept.heads_pruned,
        "ffn_pruned": kept.ffn_pruned,
        "heads_kept": [len(heads) for heads in kept.heads],
        "ffn_kept": list(kept.ffn),
        "weight_remaining": kept.weight_remaining(shape),
        "parameters": count_parameters(model),
    }


def count_parameters(model: torch.nn.Module) -> int:
    """Trained parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def write_predictions(path: Path, *tables: pa.Table) -> None:
    """Write tables of :func:`predictions_of`, one below the other, as Parquet."""
    with replacing(path) as part:
        pq.write_table(pa.concat_tables(tables), part)


def predictions_of(data: Encoded, rows: np.ndarray, outputs: np.ndarray) -> pa.Table:
    """Ids, parts, labels and outputs of some examples; a line in the log if the outputs say the same of all."""
    answers = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0]
    if len(rows) > 1 and np.ptp(answers) == 0:
        log.warning("the model predicts %s for all %d examples: it has learned nothing", answers[0], len(rows))
    starts = np.arange(len(rows) + 1, dtype=np.int32) * outputs.shape[1]
    return pa.table(
        {
            "id": pa.array([data.ids[row] for row in rows], pa.string()),
            "split": pa.array([data.parts[row] for row in rows], pa.string()),
            "label": pa.array(data.labels[rows]),
            "logits": pa.ListArray.from_arrays(pa.array(starts), pa.array(outputs.ravel())),
        }
    )


def peak_memory(device: torch.device) -> dict[str, int]:
    """Largest resident memory of this process, and of its tensors on a CUDA device, in bytes."""
    memory = {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if device.type == "cuda":
        memory["cuda"] = torch.cuda.max_memory_allocated()
    return memory
