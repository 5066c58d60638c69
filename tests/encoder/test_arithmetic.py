"""The arithmetic of an encoder is what torch counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import TINY
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForSequenceClassification

from supertickets.encoder.arithmetic import multiply_adds
from supertickets.encoder.families import ARCHITECTURES
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.exports.plain import cut_model, cut_tensors, plain_config


@pytest.mark.parametrize("tokens", [3, 16])
@pytest.mark.parametrize(
    "ticket", [Ticket.full(3, 4), Ticket(((0, 2), (0, 1, 2, 3), (1,)), (1,), 4)], ids=["full", "cut"]
)
def test_it_is_what_torch_counts(tiny: Path, ticket: Ticket, tokens: int) -> None:
    fields, outputs = plain_config(TINY, ["a", "b", "c"]), 3
    full = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**fields), attn_implementation="eager")
    bert = ARCHITECTURES["bert"]
    model = cut_model(cut_tensors(full.state_dict(), ticket, bert), fields, ticket, bert)
    model.model.set_attn_implementation("eager")  # whose products are counted on any device
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.ones((1, tokens), dtype=torch.long))
    shape = Shape.read(tiny / "shape.json", outputs)
    counted = multiply_adds(shape, sum(map(len, ticket.heads)), len(ticket.ffn), tokens, outputs)
    assert 2 * counted == counter.get_total_flops()
