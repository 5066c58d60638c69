"""Measure how long the full model, the winning tickets and the rivals of a task take, on this machine.

Time depends on shapes and not on what weights are trained to. So nothing is trained: the pre-trained weights with a new
head are cut to each ticket, in the form that an export has.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from supertickets.encoder.arithmetic import multiply_adds
from supertickets.encoder.families import architecture_of
from supertickets.encoder.model import read_model
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.engine.device import Compute
from supertickets.errors import UserError
from supertickets.evaluation.best_run import best_run
from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.latency import variant_name
from supertickets.evaluation.median import median_interval
from supertickets.evaluation.results import write_csv
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.paths import ENCODER, ticket_file
from supertickets.exports.plain import cut_model, cut_tensors, plain_config, plain_model, plain_tensors
from supertickets.exports.timing import interleaved
from supertickets.exports.to_onnx import NEEDED, quantise, require_extra, session_of, write_onnx
from supertickets.files import read_json, write_json
from supertickets.jobs.fingerprint import code_of
from supertickets.jobs.finished import SUFFIX, keep, take
from supertickets.seeds import generator

log = logging.getLogger(__name__)

#: The code that decides a table. Other changes of the library measure nothing again.
CODE = ("exports.timing:interleaved", "exports.modeling_super_ticket", "evaluation.median", "encoder.arithmetic")

#: A model's inputs by name, each of shape (n, tokens); and what makes of them the function that is timed.
Batch = Mapping[str, torch.Tensor]
Ready = Callable[[Batch], Callable[[], object]]


@dataclass(frozen=True)
class Variant:
    """A model to measure.

    Attributes:
        name: of the encoder, with the ratio of a ticket.
        ratio: 0 for a full model; not-a-number for a rival's.
        seed: of the run that the ticket is of; None for a rival.
        ticket: the units that it keeps.
        shape: of the full encoder with its task head.
        model: of transformers, in float32, for evaluation.
        pad: id of the padding token.
        names: the inputs that its tokenizer gives, in order.
    """

    name: str
    ratio: float
    seed: int | None
    ticket: Ticket
    shape: Shape
    model: PreTrainedModel
    pad: int
    names: tuple[str, ...]

    def sizes(self, tokens: int) -> dict[str, Any]:
        """Columns on its size and, for an example of so many tokens, its arithmetic."""
        kept, outputs = self.ticket, self.model.config.num_labels
        return {
            "weight_remaining": kept.weight_remaining(self.shape) if self.seed is not None else np.nan,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "multiply_adds": multiply_adds(self.shape, sum(map(len, kept.heads)), len(kept.ffn), tokens, outputs),
        }

    def batch(self, count: int, tokens: int) -> dict[str, torch.Tensor]:
        """Random sentences of so many tokens each, without padding: shape (count, tokens), by name."""
        words = self.model.get_input_embeddings().num_embeddings
        ids = generator(0, "sentences for latency").integers(words, size=(count, tokens))
        ids[ids == self.pad] = (self.pad + 1) % words  # RoBERTa counts positions of other tokens alone
        mask = np.ones_like(ids)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {name: torch.from_numpy(given[name]) for name in self.names}


@dataclass(frozen=True)
class Place:
    """Where models compute: by ``torch``, ``onnx`` or ``int8``, on ``cpu`` or ``cuda``, with so many CPU threads."""

    backend: str
    device: str
    threads: int


def measure_latency(
    results: Path,
    grid: dict[str, Any],
    group: dict[str, Any],
    metric: str,
    settings: dict[str, Any],
    rivals: list[str],
    outputs: int,
    threads: int,
    config: Path,
    weights: Path,
    shape: Path,
    table: Path,
    machine: Path,
) -> None:
    """Measure the full model, at each ratio the winning ticket of the best run, and the full models of rivals.

    A table that was measured before, of the same tickets, with the same settings and on the same machine, is taken
    over.

    Args:
        results: the results folder, with scores, tickets and the rivals' encoders.
        grid: axes of the grid (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric, which decides which run of a ratio is the best.
        settings: ``backends``, ``batch_sizes``, ``lengths`` and ``rounds`` of the config, and its ``device``.
        rivals: names of other encoders.
        outputs: number of classes, 1 for regression.
        threads: cores that the job has for itself.
        config, weights, shape: of the pre-trained encoder.
        table: CSV file to write: a row for each model, backend, device, number of threads, batch size and length.
        machine: JSON file to write: what it was measured on and with.

    Raises:
        UserError: an input is unusable, a length is beyond the encoder's positions, or a package is missing.
    """
    fields = read_json(config)
    require_lengths(fields, settings["lengths"], group["model"], config)
    folders = {rival: results / ENCODER.format(model=rival) for rival in rivals}
    of_rivals = {rival: read_json(folder / "config.json") for rival, folder in folders.items()}
    for rival, its_fields in of_rivals.items():
        require_lengths(its_fields, settings["lengths"], rival, folders[rival] / "config.json")
    if {*settings["backends"]} - {"torch"}:
        require_extra()
    compute = Compute.chosen(settings["device"], "fp32")
    places = list(places_of(settings["backends"], compute, threads))
    whole, info = Shape.read(shape, outputs), machine_of(places, compute)
    runs = [best_run(results, grid, group, metric, ratio) for ratio in (0.0, *grid["ratios"])]
    chosen = [(run["ratio"], run["seed"], ticket_of(results, run, whole)) for run in runs]
    identity = {
        "tickets": [[ratio, seed, ticket.as_json()] for ratio, seed, ticket in chosen],
        **{"config": fields, "settings": settings, "outputs": outputs, "threads": threads, "machine": info},
        **{"level": LEVEL, "code": code_of(*CODE)},
        **({"rivals": of_rivals} if rivals else {}),
    }
    kept, made = table.with_suffix(SUFFIX), [table, machine]
    if take(kept, identity, made):
        return
    variants = variants_of(group["model"], config, weights, whole, chosen, outputs)
    variants += [rival_variant(rival, folder, outputs) for rival, folder in folders.items()]
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measured(variants, places, settings, Path(folder)))
    columns = {key: str(group[key]) for key in MODEL_TASK_SIZE}
    write_csv(table, pd.DataFrame([columns | row for row in rows]).astype({"seed": "Int64"}))  # a rival has none
    write_json(machine, info)
    keep(kept, identity, made)


def ticket_of(results: Path, run: dict[str, Any], shape: Shape) -> Ticket:
    """The units of a run, all of a full model."""
    return Ticket.read(results / ticket_file(run)) if run["ratio"] else Ticket.full(shape.layers, shape.heads)


def require_lengths(fields: Mapping[str, Any], lengths: Sequence[int], model: str, config: Path) -> None:
    """Refuse lengths that an encoder has no positions for.

    Args:
        fields: the encoder's ``config.json``.
        lengths: in tokens.
        model, config: name and file of the encoder, for the message.

    Raises:
        UserError: names the length and the most that the encoder takes.
    """
    before = architecture_of(fields, str(config)).first_position(fields)
    most = fields.get("max_position_embeddings", max(lengths) + before) - before
    if max(lengths) > most:
        raise UserError(f"latency.lengths has {max(lengths)}: {model} takes at most {most} tokens")


def places_of(backends: Sequence[str], compute: Compute, threads: int) -> Iterator[Place]:
    """One thread of a CPU, all threads of the job and, for torch, a CUDA device if there is one and it may be used."""
    for backend in backends:
        yield from (Place(backend, "cpu", count) for count in sorted({1, threads}))
        if backend == "torch" and compute.device.type == "cuda":
            yield Place(backend, "cuda", 1)


def machine_of(places: Sequence[Place], compute: Compute) -> dict[str, Any]:
    """What is measured on and with: processor, its cores, GPU if one is used, versions, and precision."""
    packages = ["torch", "transformers", *(NEEDED if any(place.backend != "torch" for place in places) else ())]
    processor, cpus = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpus.exists():
        lines = cpus.read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), processor)
    cuda = any(place.device == "cuda" for place in places)
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        **({"gpu": torch.cuda.get_device_name(compute.device)} if cuda else {}),
        "precision": "float32",
        "versions": {name: version(name) for name in packages},
    }


def variants_of(
    model: str, config: Path, weights: Path, shape: Shape, chosen: Sequence[tuple[float, int, Ticket]], outputs: int
) -> list[Variant]:
    """An encoder with a new task head, whole and cut, in the form of exports: whole as transformers has it.

    Args:
        model: its name.
        config, weights: of the pre-trained encoder.
        shape: of the same, with the task head.
        chosen: ratio, seed and units of each variant; a full model has ratio 0.
        outputs: number of classes, 1 for regression.
    """
    classifier = read_model(config, weights, None, outputs, 0.0, torch.Generator().manual_seed(0))
    architecture, tensors = classifier.architecture, plain_tensors(classifier)
    fields = plain_config(read_json(config), [str(number) for number in range(outputs)])
    names = ("input_ids", *["token_type_ids"] * architecture.token_types, "attention_mask")
    found = []
    for ratio, seed, ticket in chosen:
        build = cut_model if ratio else plain_model
        built = build(cut_tensors(tensors, ticket, architecture), fields, ticket, architecture).float()
        found.append(Variant(variant_name(model, ratio), ratio, seed, ticket, shape, built, classifier.pad, names))
    return found


def rival_variant(rival: str, folder: Path, outputs: int) -> Variant:
    """Another encoder, whole, with a new task head.

    Args:
        rival: its name.
        folder: with its config, weights and shape.
        outputs: number of classes, 1 for regression.
    """
    shape = Shape.read(folder / "shape.json", outputs)
    whole = (0.0, 0, Ticket.full(shape.layers, shape.heads))
    (full,) = variants_of(rival, folder / "config.json", folder / "model.safetensors", shape, [whole], outputs)
    return replace(full, ratio=float("nan"), seed=None)


def measured(
    variants: Sequence[Variant], places: Sequence[Place], settings: Mapping[str, Any], folder: Path
) -> Iterator[dict[str, Any]]:
    """Measure models, the first of which is what the others are compared with.

    Args:
        variants: the models.
        places: where they compute.
        settings: ``batch_sizes``, ``lengths`` in tokens, and ``rounds``.
        folder: an empty one, for files that a backend needs.

    Yields:
        A row for each place, batch size, length and model: ``milliseconds`` is the median over rounds, and ``speedup``
        that of the first model's time through this one's in the same round, both with their intervals.
    """
    batches = [*product(settings["batch_sizes"], settings["lengths"])]
    for place in places:
        ready = [prepared(variant, place, folder, max(settings["lengths"])) for variant in variants]
        if place.backend == "torch":
            torch.set_num_threads(place.threads)
        for count, tokens in batches:
            functions = [
                compute(variant.batch(count, tokens)) for variant, (compute, _) in zip(variants, ready, strict=True)
            ]
            seconds = interleaved(functions, settings["rounds"])
            log.info("%s, batches of %d x %d tokens: %s s", place, count, tokens, np.median(seconds, 0).round(4))
            for number, (variant, (_, size)) in enumerate(zip(variants, ready, strict=True)):
                own, speedup = 1000 * seconds[:, number], seconds[:, 0] / seconds[:, number]
                yield {
                    **{"variant": variant.name, "ratio": variant.ratio, "seed": variant.seed},
                    **variant.sizes(tokens),
                    **{"bytes": size, "backend": place.backend, "device": place.device, "threads": place.threads},
                    **{"batch_size": count, "length": tokens, "rounds": settings["rounds"]},
                    **with_interval("milliseconds", own),
                    **with_interval("speedup", speedup),
                }


def with_interval(name: str, values: np.ndarray) -> dict[str, float]:
    """Columns of a median and its interval."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), median_interval(values, LEVEL), strict=True))


def prepared(variant: Variant, place: Place, folder: Path, most: int) -> tuple[Ready, int]:
    """A model that is ready to compute in some place, and the bytes of its weights, or of its file.

    Args:
        variant, place: the model, and where it computes.
        folder: for its file, if it needs one.
        most: tokens that it is given at most.
    """
    if place.backend != "torch":
        path = onnx_file(variant, place.backend, folder, most)
        return onnx_ready(path, place.threads), path.stat().st_size
    model = variant.model if place.device == "cpu" else deepcopy(variant.model).to(place.device)
    return torch_ready(model, place.device), sum(each.numel() * each.element_size() for each in model.parameters())


def torch_ready(model: PreTrainedModel, device: str) -> Ready:
    """How a model of transformers computes; on a GPU, until the logits are there."""

    def predict(inputs: Batch) -> None:
        with torch.inference_mode():
            logits = model(**inputs).logits
        if logits.is_cuda:
            torch.cuda.synchronize(logits.device)

    return lambda batch: partial(predict, {name: values.to(device) for name, values in batch.items()})


def onnx_ready(path: Path, threads: int) -> Ready:
    """How an ONNX file computes on a CPU."""
    session = session_of(path, threads)
    return lambda batch: partial(session.run, ["logits"], {name: values.numpy() for name, values in batch.items()})


def onnx_file(variant: Variant, backend: str, folder: Path, most: int) -> Path:
    """The ONNX file of a model, with float32 or int8 weights, made where it is not there yet."""
    path = folder / variant.name / f"{backend}.onnx"
    if path.exists():
        return path
    if backend == "int8":
        quantise(onnx_file(variant, "onnx", folder, most), path)
        return path
    with tempfile.TemporaryDirectory(dir=folder) as saved:
        variant.model.save_pretrained(saved)
        # What a tokenizer would say.
        tokenizer = {"model_input_names": variant.names, "model_max_length": most}
        write_json(Path(saved) / "tokenizer_config.json", tokenizer)
        write_onnx(Path(saved), path)
    return path
