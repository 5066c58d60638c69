"""Importance as the published code computes it: mask variables in the full model, a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.ticket import Ticket
from supertickets.engine.optimizer import gradient_of
from supertickets.tickets.importance_table import write_importance

from .peer import examples, import_all


def masked_heads(variables: list[torch.Tensor], count: int) -> Callable[..., tuple]:
    """A hook that multiplies each token's heads by mask variables of one, and keeps these."""

    def hook(_: nn.Module, args: tuple[torch.Tensor]) -> tuple:
        by_head = args[0].unflatten(-1, (count, -1))
        variables.append(torch.ones(by_head.shape[:3], requires_grad=True))
        return ((by_head * variables[-1][..., None]).flatten(2),)

    return hook


def masked_block(variables: list[torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A hook that multiplies each token's output of a feed-forward block by a mask variable of one, and keeps these."""

    def hook(_: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
        variables.append(torch.ones(output.shape[:2], requires_grad=True))
        return output * variables[-1][..., None]

    return hook


def main() -> None:
    """Score the model that standard input names and write its importance file."""
    asked = json.load(sys.stdin)
    import_all(asked)
    torch.set_num_threads(asked["settings"]["threads"])
    data = Encoded.read(Path(asked["encoded"]))
    rows = np.array(asked["rows"])
    model = AutoModelForSequenceClassification.from_pretrained(asked["saved"]).eval()
    collate = DataCollatorWithPadding(AutoTokenizer.from_pretrained(asked["model"]))
    layers, count = model.bert.encoder.layer, model.config.num_attention_heads
    variables: list[torch.Tensor] = []
    for layer in layers:
        layer.attention.output.dense.register_forward_pre_hook(masked_heads(variables, count))
        layer.output.dense.register_forward_hook(masked_block(variables))
    totals = torch.zeros(len(layers), count), torch.zeros(len(layers))
    batches = sorted_batches(rows, data.lengths[rows], asked["settings"]["batch_size"])
    for batch in batches:
        model.zero_grad()
        variables.clear()
        model(**collate(examples(data, batch, asked["settings"]["outputs"]))).loss.backward()
        for layer, (heads, block) in enumerate(zip(variables[::2], variables[1::2], strict=True)):
            totals[0][layer] += gradient_of(heads).abs().sum((0, 1)) / len(batches)
            totals[1][layer] += gradient_of(block).abs().sum() / len(batches)
    scores = (list(totals[0].numpy()), totals[1].numpy())
    write_importance(Path(asked["importance"]), Ticket.full(len(layers), count), {"sensitivity": scores})
    print("{}")


if __name__ == "__main__":
    main()
