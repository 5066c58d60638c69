"""The lean import of a model file of transformers."""

from __future__ import annotations

import pytest
from conftest import output_of

IMPORTS = """
import sys, torch
from supertickets.engine.lean_import import import_modules
bert = "transformers.models.bert"
config, model = import_modules([f"{bert}.configuration_bert", f"{bert}.modeling_bert"])
"""
LEFT_OUT = """
assert "torch._dynamo" not in sys.modules and "scipy" not in sys.modules, "not lean"
import torch._dynamo  # what was left out can still be had
assert callable(torch._dynamo.optimize)
"""
MODEL = """
torch.manual_seed(0)
small = config.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=9)
print(float(model.BertModel(small).eval()(torch.arange(9)[None]).pooler_output.double().sum()))
"""
ORDINARY = "import transformers, transformers.models.bert.modeling_bert\n"
BROKEN = """
import supertickets.engine.lean_import as lean
lean.NOT_NEEDED = (*lean.NOT_NEEDED, 'transformers.configuration_utils')
"""


@pytest.fixture(scope="module")
def ordinary() -> str:
    return output_of(ORDINARY + IMPORTS + MODEL)


def test_a_leanly_imported_model_is_the_same_model(ordinary: str) -> None:
    assert output_of(IMPORTS + LEFT_OUT + MODEL) == ordinary


@pytest.mark.slow
def test_where_a_lean_import_fails_the_ordinary_one_is_used(ordinary: str) -> None:
    assert output_of(BROKEN + IMPORTS + MODEL) == ordinary
