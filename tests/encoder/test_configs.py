"""Keys of a model's config that are left out, refused, or change what is computed as they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import write_tiny_model
from families import FAMILIES, write_family
from safetensors.numpy import load_file, save_file
from test_families import sentences

from supertickets.encoder.batches import batch_of
from supertickets.encoder.model import build, load_weights
from supertickets.encoder.pretrained import prepare_model
from supertickets.engine.device import Compute
from supertickets.engine.dropout import seed_dropout
from supertickets.errors import UserError

CPU = Compute(torch.device("cpu"), "fp32")

#: Keys that say how others call, save or split a model, with values that are not transformers' defaults.
CHANGE_NOTHING = {
    "gradient_checkpointing": True,
    "output_attentions": True,
    "output_hidden_states": True,
    "torchscript": True,
    "return_dict": False,
    "add_cross_attention": True,
    "is_encoder_decoder": True,
    "chunk_size_feed_forward": 1,
    "use_cache": False,
    "attn_implementation": "flash_attention_2",
    "_attn_implementation": "sdpa",
    "experts_implementation": "nope",
    "layerdrop": 0.5,
    "torch_dtype": "bfloat16",
    "dtype": "float16",
    "tie_word_embeddings": False,
    "tie_last_hidden_states": False,
    "problem_type": "multi_label_classification",
    "position_embedding_type": "absolute",
    "pruned_heads": {},
    "auto_map": {"AutoTokenizer": ["a.B", None]},
    "classifier_dropout": 0.9,
    "num_labels": 7,
    "finetuning_task": "x",
}


def prepared(folder: Path, family: str, changes: dict[str, Any]) -> Path:
    """A random encoder of a family, prepared, whose config has some other keys."""
    write_family(family, folder)
    (folder / "config.json").write_text(json.dumps(FAMILIES[family] | changes))
    prepare_model(folder / "config.json", {"path": str(folder)}, folder / "pretrained")
    return folder / "pretrained"


def gradient(folder: Path, family: str) -> tuple[float, torch.Tensor]:
    """Loss of a batch in training, with dropout, and its gradient."""
    model = build(json.loads((folder / "config.json").read_text()), None, 3, 0.1)
    load_weights(model, folder / "model.safetensors", torch.Generator().manual_seed(1))
    seed_dropout(7)
    batch = batch_of(sentences(family), np.arange(5), 1, CPU)
    loss = torch.nn.functional.cross_entropy(model.train()(batch), batch.labels.long())
    loss.backward()
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("family", ["bert", "electra", "mpnet", "distilbert", "deberta-v2", "modernbert"])
def test_how_others_call_or_save_an_encoder_changes_nothing(tmp_path: Path, family: str) -> None:
    plain = gradient(prepared(tmp_path / "plain", family, {}), family)
    other = gradient(prepared(tmp_path / "other", family, CHANGE_NOTHING), family)
    assert plain[0] == other[0]
    assert torch.equal(plain[1], other[1])


def test_a_config_without_such_keys_stays_as_it_is(tmp_path: Path) -> None:
    config = {"gradient_checkpointing": False, "use_cache": True, "dtype": "float32", "transformers_version": "4.8.2"}
    folder = prepared(tmp_path, "bert", config)
    assert json.loads((folder / "config.json").read_text()) == FAMILIES["bert"] | config


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("bert", {"is_decoder": True}, "is_decoder is true; only encoders"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'; the positions"),
        ("roberta", {"position_embedding_type": "relative_key_query"}, "that are computed are 'absolute'"),
        ("electra", {"position_embedding_type": ["alibi"]}, "says position_embedding_type"),
        ("modernbert", {"position_embedding_type": "alibi"}, "that are computed are 'absolute' or 'sans_pos'"),
        (
            "bert",
            {"auto_map": {"AutoModel": "a.B"}},
            "says auto_map .*; custom code is not run; remove the key if",
        ),
        ("bert", {"auto_map": {"AutoConfig": "a.B", "AutoTokenizer": "a.C"}}, "says auto_map"),
        ("bert", {"auto_map": "a.B"}, "says auto_map 'a.B'"),
        ("bert", {"pruned_heads": {"0": [1]}}, "says pruned_heads {'0': .*before heads were pruned"),
        (
            "bert",
            {"quantization_config": {"load_in_8bit": True}},
            "says quantization_config .*; quantised weights are not",
        ),
        ("distilbert", {"per_layer_config": {"0": {"n_heads": 2}}}, "says per_layer_config .*; layers must be alike"),
        (
            "electra",
            {"embedding_size": 12},
            r"LayerNorm.bias has the shape \(16,\), in transformers' model \(12,\) .*, and 5 others differ",
        ),
        ("modernbert", {"head_dim": 2}, "transformers' model of it does not compute"),
        ("modernbert", {"norm_bias": True}, r"norm.bias has the shape None, in transformers' model \(24,\)"),
        ("deberta-v2", {"attention_head_size": 3}, r"has the shape \(24,.*, in transformers' model \(12,"),
        ("deberta-v2", {"position_buckets": 10**9}, r"rel_embeddings.weight has the shape"),
    ],
)
def test_a_config_of_another_encoder_is_refused_when_it_is_prepared(
    tmp_path: Path, family: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=rf"config.json.*{message}"):
        prepared(tmp_path, family, changes)
    assert not (tmp_path / "pretrained").exists()


def test_modernbert_reads_no_kind_of_positions(tmp_path: Path) -> None:
    prepared(tmp_path, "modernbert", {"position_embedding_type": "sans_pos"})


LAYER = "encoder.layer.1.attention.self"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {f"{LAYER}.distance_embedding.weight": (63, 8)},
            r"distance_embedding.weight has the shape \(63, 8\) in layer 1",
        ),
        (
            {"encoder.extra.weight": (2,)},
            r"bert.encoder.extra.weight has the shape \(2,\), in transformers' model None",
        ),
        (
            {"embeddings.word_embeddings.weight": (18, 28)},
            r"has the shape \(18, 28\), in transformers' model \(18, 32\)",
        ),
        ({"embeddings.LayerNorm.weight": None}, r"LayerNorm.weight has the shape None, in transformers' model \(32,\)"),
        ({"pooler.dense.bias": (31,)}, r"pooler.dense.bias has the shape \(31,\), in transformers' model \(32,\)"),
        ({"embeddings.LayerNorm.weight": None, "a.b": (1,)}, r"and 1 others differ"),
    ],
)
def test_weights_of_another_model_are_refused_when_they_are_prepared(
    tmp_path: Path, change: dict[str, tuple[int, ...] | None], message: str
) -> None:
    write_tiny_model(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    changed = {name: np.ones(shape, np.float32) for name, shape in change.items() if shape is not None}
    kept = {name: tensor for name, tensor in tensors.items() if change.get(name, ()) is not None}
    save_file(kept | changed, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=message):
        prepare_model(tmp_path / "config.json", {"path": str(tmp_path)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()
