"""Importance as the published code computes it: mask variables in the full model, a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import datasets  # noqa: F401  the published scripts import it, and so pay for it
import evaluate  # noqa: F401  likewise
import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from supertickets.batches import Encoded, sorted_batches
from supertickets.importance import write_importance
from supertickets.tickets import Ticket

from .peer import examples


def main() -> None:
    """Score the model that ``sys.argv[1]`` names and write its importance file."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["settings"]["threads"])
    data = Encoded.read(Path(asked["encoded"]))
    rows = np.array(asked["rows"])
    model = AutoModelForSequenceClassification.from_pretrained(asked["saved"]).eval()
    collate = DataCollatorWithPadding(AutoTokenizer.from_pretrained(asked["model"]))
    layers, count, width = model.bert.encoder.layer, model.config.num_attention_heads, model.config.hidden_size
    heads = torch.ones(len(layers), count, requires_grad=True)
    blocks = torch.ones(len(layers), requires_grad=True)
    for index, layer in enumerate(layers):

        def by_head(_: torch.nn.Module, args: tuple, index: int = index) -> tuple:
            return (args[0] * heads[index].repeat_interleave(width // count),)

        layer.attention.output.dense.register_forward_pre_hook(by_head)
        layer.output.dense.register_forward_hook(lambda _, args, output, index=index: output * blocks[index])
    totals = [torch.zeros_like(heads), torch.zeros_like(blocks)]
    for batch in sorted_batches(rows, data.lengths[rows], asked["settings"]["batch_size"]):
        model.zero_grad()
        heads.grad = blocks.grad = None
        model(**collate(examples(data, batch, asked["settings"]["outputs"]))).loss.backward()
        for total, variable in zip(totals, (heads, blocks), strict=True):
            total += variable.grad.abs()
    scores = (list(totals[0].numpy()), totals[1].numpy())
    write_importance(Path(asked["importance"]), Ticket.full(len(layers), count), {"sensitivity": scores})
    print("{}")


if __name__ == "__main__":
    main()
