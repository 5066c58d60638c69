"""A fine-tuned model of the user's own as the full model: its predictions, its importance, and no training of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import new_workspace, tiny_config
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from supertickets.exports.folder import load

CLASSES = ["yes", "no"]  # not in the order of the task's labels


def write_classifier(folder: Path, encoder: Path) -> None:
    """A model of transformers for classification, with an encoder that is not far from another's."""
    fields = json.loads((encoder / "config.json").read_text())
    model = BertForSequenceClassification(BertConfig(**fields, id2label=dict(enumerate(CLASSES))))
    model.bert.load_state_dict(load_file(encoder / "model.safetensors"), strict=False)
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(encoder / name, folder)


@pytest.mark.slow
def test_the_full_model_is_the_given_one_at_every_seed(tmp_path: Path) -> None:
    config = tiny_config(tasks=["toy"], ratios=[0.3], precision="fp32")
    models = {"tiny": {"path": "data/tiny", "finetuned": "data/classifier"}}
    given = config | {"define": {**config["define"], "models": models}}  # type: ignore[dict-item]
    workspace = new_workspace(tmp_path / "project", given)
    folder = workspace.folder / "data/classifier"
    write_classifier(folder, workspace.folder / "data/tiny")
    export = "results/exports/tiny/toy/full"
    workspace.make("results/tables/super_tickets.md", f"{export}/dense/config.json", f"{export}/README.md")
    results = workspace.folder / "results"
    runs, examples = results / "runs/tiny/toy/n32", pd.read_parquet(results / "tasks/toy.parquet").set_index("id")
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    for seed in (1, 2):
        record = json.loads((runs / f"seed{seed}/full/record.json").read_text())
        assert record["finetuned"] == "given, not trained: the same model at every seed" and record["steps"] == 0
        predictions = pd.read_parquet(runs / f"seed{seed}/full/predictions.parquet")
        texts = examples.loc[predictions["id"], "text"].tolist()
        with torch.inference_mode():
            logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits[:, [1, 0]]
        np.testing.assert_allclose(np.stack(predictions["logits"].tolist()), logits, atol=1e-4)
        assert json.loads((runs / f"seed{seed}/winning-0.30/record.json").read_text())["steps"] == 8
    exported = load(workspace.folder / export / "dense")
    assert [*exported.config.id2label.values()] == ["no", "yes"]
    torch.testing.assert_close(exported.bert.state_dict(), model.bert.state_dict())
    card = (workspace.folder / export / "README.md").read_text()
    assert "\nFine-tuned elsewhere. accuracy on test: " in card and "This model is the same at every seed. One" in card
    note = (results / "tables/super_tickets.md").read_text()
    assert "The full model of tiny is given, not trained: it has no spread over seeds." in note
    # Tickets are rewound to the pre-trained weights. Without the key all but these is made from full models that train.
    given_bias = model.state_dict()["bert.pooler.dense.bias"]
    assert not torch.equal(
        load_file(results / "pretrained/tiny/model.safetensors")["bert.pooler.dense.bias"], given_bias
    )
    workspace.configure(config)
    planned = workspace.planned("results/tables/super_tickets.md")
    assert planned["finetune"] == 2 and "prepare_model" not in planned and "take_finetuned" not in planned
