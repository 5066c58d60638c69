"""One multi-task training, in a process of its own: a JSON request in, a JSON answer out."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier
from supertickets.encoder.ticket import Ticket
from supertickets.multi_task.loop import MultiTaskSettings
from supertickets.multi_task.run import shared_models, train_models
from supertickets.training.settings import settings_from


def multiply_by_zero(model: Classifier, ticket: Ticket) -> None:
    """Multiply what heads put out by one where a ticket keeps them and by zero where not."""
    names = model.architecture
    width = model.classifier.in_features // ticket.heads_per_layer
    for layer, kept in zip(model.layers, ticket.heads, strict=True):
        mask = torch.zeros(ticket.heads_per_layer)
        mask[list(kept)] = 1
        layer.get_submodule(names.head_output).register_forward_pre_hook(partial(_heads, mask.repeat_interleave(width)))


def with_all_heads(ticket: Ticket) -> Ticket:
    """The blocks of a ticket and all heads: what is computed where heads are multiplied by zero."""
    return Ticket(Ticket.full(len(ticket.heads), ticket.heads_per_layer).heads, ticket.ffn, ticket.heads_per_layer)


def _heads(mask: Tensor, _: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
    return (args[0] * mask.to(args[0]),)


def main() -> None:
    """Train what standard input asks for; the answer has the seconds and the losses of each epoch."""
    asked = json.load(sys.stdin)
    folder, tasks = Path(asked["model"]), asked["tasks"]
    settings = [settings_from(asked["settings"] | {"outputs": task["outputs"]}) for task in tasks]
    compute = settings[0].start()
    data = [Encoded.read(Path(task["encoded"])) for task in tasks]
    tickets = [Ticket.of(task["ticket"], "the request") for task in tasks]
    built = tickets if asked["way"] == "cut" else [with_all_heads(ticket) for ticket in tickets]
    tensors, models = shared_models(
        folder / "config.json", folder / "model.safetensors", built, settings, asked["seed"], compute
    )
    if asked["way"] == "zeros":
        for model, ticket in zip(models, tickets, strict=True):
            multiply_by_zero(model, ticket)
    rows = [np.array(task["rows"]) for task in tasks]
    progress, _ = train_models(
        tensors, models, data, rows, compute, MultiTaskSettings(**asked["multi_task"]), asked["seed"]
    )
    print(json.dumps({"train": progress.seconds, "steps": progress.turns, "losses": progress.losses}))


if __name__ == "__main__":
    main()
