"""Linear maps through oneDNN compute what torch's compute, gradients included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from supertickets.encoder.model import read_model
from supertickets.engine import linear
from supertickets.engine.linear import Linear, product, speed_up_linears, through_onednn

here = pytest.mark.skipif(not through_onednn(), reason="torch has no oneDNN for an x86 processor here")


def both(rows: tuple[int, ...], bias: bool, trained: bool = True) -> tuple[list[Tensor | None], list[Tensor | None]]:
    """Output and gradients of torch's linear map, and of the same one through oneDNN."""
    torch.manual_seed(0)
    plain, values, back = nn.Linear(24, 10, bias), torch.randn(*rows, 24), torch.randn(*rows, 10)
    plain.requires_grad_(trained)
    found = []
    for _ in range(2):
        given = values.clone().requires_grad_()
        plain.zero_grad()
        output = plain(given)
        output.backward(back)
        found.append([output.detach(), given.grad, *(parameter.grad for parameter in plain.parameters())])
        speed_up_linears(plain)
    assert type(plain) is Linear
    return found[0], found[1]


@here
@pytest.mark.parametrize("rows", [(7,), (1, 33), (2, 3, 5), (1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_output_and_gradients_are_torchs(rows: tuple[int, ...], bias: bool) -> None:
    theirs, own = both(rows, bias)
    assert len(own) == 3 + bias
    torch.testing.assert_close(own, theirs)


@here
def test_transposed_and_sliced_tensors_give_the_same() -> None:
    plain, values, back = nn.Linear(24, 10), torch.randn(24, 66), torch.randn(1, 33, 20)
    found = []
    for _ in range(2):
        given = values.clone().requires_grad_()
        plain.zero_grad()
        plain(given.T[None, ::2]).backward(back[..., ::2])
        found.append([given.grad, plain.weight.grad, plain.bias.grad])
        speed_up_linears(plain)
    torch.testing.assert_close(found[1], found[0])


@here
def test_only_what_a_gradient_needs_is_kept() -> None:
    """Importance freezes all weights, and its activations would otherwise stay in memory."""
    module, kept = nn.Linear(24, 10).requires_grad_(False), []
    speed_up_linears(module)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.shape), lambda nothing: nothing):
        module(torch.randn(5, 24, requires_grad=True))
    assert kept == [module.weight.shape]


@here
def test_no_gradient_is_computed_that_nobody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[None] = []
    monkeypatch.setattr(linear, "product", lambda *tensors: products.append(None) or product(*tensors))
    _, own = both((1, 9), True, trained=False)
    assert own[2:] == [None, None] and len(products) == 2  # forward, and the gradient of what comes in


@here
def test_other_types_and_autocast_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "product", lambda *tensors: pytest.fail("oneDNN was called"))
    module = nn.Linear(4, 3)
    speed_up_linears(module)
    with torch.autocast("cpu", torch.bfloat16):
        assert module(torch.ones(2, 4)).dtype is torch.bfloat16
    for dtype in (torch.float64, torch.bfloat16):
        assert module.to(dtype)(torch.ones(2, 4, dtype=dtype)).dtype is dtype


@here
def test_the_linear_maps_of_an_encoder_are_these(tiny: Path) -> None:
    model = read_model(tiny / "config.json", tiny / "model.safetensors", None, 2, 0.1, torch.Generator())
    maps = [module for module in model.encoder.modules() if isinstance(module, nn.Linear)]
    assert len(maps) > 6 and all(type(module) is Linear for module in maps)


def test_other_processors_compute_as_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    module = nn.Linear(4, 3)
    speed_up_linears(module)
    assert type(module) is nn.Linear
