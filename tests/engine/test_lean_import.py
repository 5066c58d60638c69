"""Lean imports of transformers' model files."""

from __future__ import annotations

from conftest import output_of

LEAN = """
import sys, torch
from supertickets.engine.lean_import import import_modules
bert = "transformers.models.bert"
config, model = import_modules([f"{bert}.configuration_bert", f"{bert}.modeling_bert"])
assert "torch._dynamo" not in sys.modules and "scipy" not in sys.modules, "not lean"
import torch._dynamo  # the omitted modules can still be imported
assert callable(torch._dynamo.optimize)
torch.manual_seed(0)
small = config.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=9)
print(float(model.BertModel(small).eval()(torch.arange(9)[None]).pooler_output.double().sum()))
"""


def test_a_leanly_imported_model_is_the_same_model() -> None:
    full = LEAN.replace("import sys, torch", "import sys, torch, transformers, transformers.models.bert.modeling_bert")
    full = full.replace('assert "torch._dynamo" not in', 'assert "torch._dynamo" in').replace("and", "or", 1)
    assert output_of(LEAN) == output_of(full)


def test_where_a_lean_import_fails_the_ordinary_one_is_used() -> None:
    broken = (
        "import supertickets.engine.lean_import as lean\n"
        "lean.NOT_NEEDED = (*lean.NOT_NEEDED, 'transformers.configuration_utils')\n"
    )
    code = broken + LEAN.replace(
        'assert "torch._dynamo" not in sys.modules and "scipy" not in sys.modules, "not lean"', ""
    )
    assert output_of(code) == output_of(LEAN)
