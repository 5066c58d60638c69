"""Where results are, and how a run is named. Other modules of the library take these paths from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Folder of everything that is made.
RESULTS = "results"

#: Folder of the runs of one model, task, size and seed, below the results folder.
TRIAL = "runs/{model}/{task}/n{train_size}/seed{seed}"

#: Folder of a multi-task training, below the results folder; ``shared`` names its tasks (:func:`shared_name`).
MULTI_TASK = "multi_task/{shared}/{model}/{mode}/seed{seed}"

#: Folder of a training that continues from a multi-task encoder: its mode, and what the training holds of it.
ADAPTATION = "adaptation/{shared}/{model}/{task}/n{train_size}/seed{seed}/{mode}-{ticket}"

#: Importance scores of the units of a model, by weights (``fine_tuned`` or ``pretrained``).
IMPORTANCE = f"{TRIAL}/importance/{{weights}}.csv"

#: A fine-tuned model of the user's own, in the form of a training's weights, its classes in the order of the task's.
FINETUNED = "finetuned/{model}/{task}.safetensors"

#: Folder of an encoder, as it is prepared.
ENCODER = "pretrained/{model}"

#: Tokenised task, rows of a training subset, dimensions of an encoder, and the settings that a search chose.
ENCODED = "encoded/{model}/{task}.parquet"
SUBSET = "subsets/{task}/n{train_size}/seed{seed}.json"
SHAPE = f"{ENCODER}/shape.json"
SEARCH = "search/{model}/{task}/n{train_size}"

#: Comparison of a model's tickets with its rivals, without the suffix.
RIVALS = "rivals/{model}/{task}"

#: File of results of a group of runs, without folder and suffix.
GROUP_FILE = "{model}/{task}/n{train_size}/{kind}"


def drawn_kind(kind: str, draw: int) -> str:
    """A kind with the number of its draw, as paths have it: ``random``, ``random.2``, ``random.3``, ..."""
    return kind if draw == 1 else f"{kind}.{draw}"


def kind_and_draw(name: str) -> tuple[str, int]:
    """The inverse of :func:`drawn_kind`."""
    kind, _, draw = name.partition(".")
    return kind, int(draw or 1)


def shared_name(tasks: Iterable[str]) -> str:
    """Name of the tasks that share an encoder, the same in any order: ``amazon+movie``. No task's name has a ``+``."""
    return "+".join(sorted(tasks))


def tasks_of(shared: str) -> list[str]:
    """The inverse of :func:`shared_name`, sorted."""
    return shared.split("+")


def starts_name(shared: Sequence[str], single: Sequence[str]) -> str:
    """Name of the tasks whose encoders new ones continue from: those that share one, or else those with their own."""
    return shared_name(shared or single)


def run_folder(run: dict[str, Any]) -> str:
    """Folder of a run (model, task, train_size, seed, kind, ratio, draw), below the results folder.

    A ticket's is named like ``winning-0.30`` or ``random.2-0.30``, the full model's is ``full``.
    """
    return f"{TRIAL.format(**run)}/{'full' if run['kind'] == 'full' else _ticket_name(run)}"


def ticket_file(run: dict[str, Any]) -> str:
    """The ticket of a run, below the results folder."""
    return f"{TRIAL.format(**run)}/tickets/{_ticket_name(run)}.json"


def _ticket_name(run: dict[str, Any]) -> str:
    return f"{drawn_kind(run['kind'], run['draw'])}-{run['ratio']:.2f}"


def folder_of(run: dict[str, Any]) -> str:
    """Folder of any training, below the results folder; the keys of the run say which kind of training it is."""
    if "kind" in run:
        return run_folder(run)
    return (ADAPTATION if "ticket" in run else MULTI_TASK).format(**run)


def group_file(group: dict[str, Any]) -> str:
    """File of a group (model, task, train_size, kind) below a folder of the results folder, without the suffix."""
    return GROUP_FILE.format(**group)


def run_files(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Records and predictions of some runs."""
    names = ("record.json", "predictions.parquet")
    return [f"{RESULTS}/{folder_of(dict(run))}/{name}" for run in runs for name in names]


def group_files(folder: str, groups: Iterable[dict[str, Any]]) -> list[str]:
    """What was computed from some groups of runs, in a folder of the results folder."""
    suffix = "parquet" if folder == "scores" else "csv"
    return [f"{RESULTS}/{folder}/{group_file(group)}.{suffix}" for group in groups]
