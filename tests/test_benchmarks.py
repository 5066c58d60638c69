"""What the benchmarks measure is what they say: same work, right counts, and they run without a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import children, gpu, training
from benchmarks.results import interval, spread
from benchmarks.rounded import Rounded
from supertickets.batches import Encoded
from supertickets.compute import Compute
from supertickets.model import build
from supertickets.tickets import Shape, Ticket
from supertickets.training import losses_of

SMALL = {key: value for key, value in TINY.items() if key != "model_type"}


@pytest.mark.parametrize("ticket", [Ticket.full(3, 4), Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4)])
def test_the_arithmetic_of_a_training_is_what_torch_counts(tmp_path: Path, ticket: Ticket) -> None:
    gpu.write_task(tmp_path / "task.parquet", 9, 8, TINY["vocab_size"])
    data = Encoded.read(tmp_path / "task.parquet")
    model = build(TINY, ticket, 2, 0.1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    with FlopCounterMode(display=False) as counter:
        batch = data.batch(np.arange(8), 0, Compute(torch.device("cpu"), "fp32"))
        losses_of(model(batch), batch.labels).mean().backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(count for name, count in counts.items() if name in (torch.ops.aten.mm, torch.ops.aten.addmm))
    shape = Shape(3, 4, 32, 48, 0)
    head = 6 * 32 * 2 * 8  # the task head, which is not counted
    assert products - head == pytest.approx(training.arithmetic(ticket, shape, 8 * 9 + 1, 8), rel=1e-9)


def test_peer_and_project_do_the_same_steps_side_by_side(tmp_path: Path) -> None:
    """The GPU's benchmark on a CPU and a tiny model: two processes of each at once."""
    rows = gpu.measure(tmp_path, [gpu.Size(16, 2, 2)], "cpu", **SMALL)
    assert rows[0]["processes"] == 2 and rows[0]["ours"] > 0 and rows[0]["trainer"] > 0
    asked = {
        "model": str(tmp_path / "model"),
        "encoded": str(tmp_path / "16-2.parquet"),
        "rows": list(range(40)),
        "evaluated": [64, 65],
        "seed": 1,
        "settings": children.SETTINGS | {"threads": 1, "epochs": 2, "outputs": 2},
    }
    ours, peer = (children.run(name, asked | {"way": "tuned", "precision": "fp32"}) for name in ("ours", "peer"))
    assert ours["steps"] == peer["steps"] == 4 and ours["tokens"] == 40 * 16 * 2
    assert sorted(ours["labels"]) == sorted(peer["labels"]) and np.shape(peer["outputs"]) == (2, 2)
    with pytest.raises(RuntimeError, match=r"benchmarks\.peer failed"):
        children.run("peer", asked)


def test_rounded_products_are_those_of_bfloat16() -> None:
    torch.manual_seed(0)
    left, right = (torch.randn(size).bfloat16().requires_grad_() for size in ((30, 64), (64, 50)))
    found = []
    for mode in (Rounded(), torch.enable_grad()):
        left.grad = None
        with mode:
            product = left @ right
            product.sum().backward()
        found.append((product.detach(), left.grad))
    for one, other in zip(*found, strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one, other, rtol=2**-7, atol=2**-7)


def test_scores_and_spreads_in_words() -> None:
    answer = {"outputs": [[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [1.0, 0.0]], "labels": [1.0, 0.0, 0.0, 0.0]}
    assert children.score(answer) == 75
    assert children.score({"outputs": [[1.0], [2.0], [3.0]], "labels": [2.0, 4.0, 6.0]}) == pytest.approx(100)
    assert spread([3, 1, 2]) == "2 (1 to 3)"
    assert interval([1.0, 2.0, 3.0]) == "+2.00 (-0.48 to +4.48)"
