"""Tiny models of every family, with random weights, and random tickets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from supertickets.encoder.ticket import Ticket

VOCABULARY = 18
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 20,
    "max_position_embeddings": 32,
    "pad_token_id": 1,
    # Large, so that no unit is next to nothing.
    "initializer_range": 0.3,
}
DEBERTA = COMMON | {"model_type": "deberta-v2"}
DEBERTA_V3 = {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_buckets": 4}
MARKS = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
MODERNBERT = COMMON | MARKS | {"model_type": "modernbert"}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
#: Configs by a name of their own: some families come in several forms.
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": COMMON | {"model_type": "bert"},
    "roberta": COMMON | {"model_type": "roberta", "type_vocab_size": 1},
    "electra": COMMON | {"model_type": "electra", "embedding_size": 16},
    "electra-wide": COMMON | {"model_type": "electra", "embedding_size": 24},
    "mpnet": COMMON | {"model_type": "mpnet"},
    "distilbert": {
        "model_type": "distilbert",
        "vocab_size": VOCABULARY,
        "dim": 24,
        "n_layers": 3,
        "n_heads": 4,
        "hidden_dim": 20,
        "max_position_embeddings": 32,
        "pad_token_id": 1,
        "initializer_range": 0.3,
    },
    "deberta-v2": DEBERTA | DISENTANGLED | {"type_vocab_size": 0},
    "deberta-v3": DEBERTA | DISENTANGLED | DEBERTA_V3 | {"type_vocab_size": 0},
    "deberta-plain": DEBERTA | {"type_vocab_size": 2, "conv_kernel_size": 3, "conv_act": "gelu"},
    "modernbert": MODERNBERT | {"local_attention": 4, "global_attn_every_n_layers": 2, "classifier_pooling": "cls"},
    "modernbert-mean": MODERNBERT | {"local_attention": 128, "classifier_pooling": "mean"},
}


#: One family of each kind for a quick run: absolute positions and attention as torch has it, and rotary ones.
QUICK = ("bert", "modernbert")
OTHERS = tuple(family for family in FAMILIES if family not in QUICK)
EACH_FAMILY = [family if family in QUICK else pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES]


def theirs(family: str) -> torch.nn.Module:
    """A random encoder of transformers; biases and norms are random too, so that nothing is zero or one by luck."""
    from transformers import AutoConfig, AutoModel

    config = dict(FAMILIES[family])
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(**config), attn_implementation="eager")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.double().eval()


def write_family(family: str, folder: Path) -> torch.nn.Module:
    """The files of a random encoder without a tokenizer: ``config.json`` and ``model.safetensors``; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = theirs(family)
    (folder / "config.json").write_text(json.dumps(FAMILIES[family]))
    tensors = {name: tensor.float().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    return model


def random_ticket(layers: int, heads: int, seed: int) -> Ticket:
    """A ticket that keeps at least one head of every layer."""
    random = np.random.default_rng(seed)
    kept = [random.permutation(heads)[: random.integers(1, heads + 1)] for _ in range(layers)]
    ffn = np.flatnonzero(random.random(layers) < 0.5)
    return Ticket(tuple(tuple(sorted(map(int, row))) for row in kept), tuple(map(int, ffn)), heads)
