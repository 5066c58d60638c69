"""Metrics of the evaluate library."""

from __future__ import annotations

from conftest import output_of


def test_scoring_imports_no_torch_and_leaves_it_importable() -> None:
    code = """
import sys
from supertickets.evaluation.evaluate_module import Score
assert "torch" not in sys.modules and "transformers" not in sys.modules
assert Score("accuracy").compute(predictions=[1.0, 0.0], references=[1.0, 1.0]) == {"accuracy": 50.0}
import torch, transformers
print(transformers.AutoTokenizer.__name__, torch.ones(2).sum().item())
"""
    assert output_of(code) == "AutoTokenizer 2.0\n"
