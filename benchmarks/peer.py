"""One training by transformers' Trainer, in a process of its own: a JSON request in, a JSON answer out.

Three ways: ``defaults``, as run_glue.py trains when nothing is said (padded to 128 tokens); ``dynamic`` (each batch
padded to its longest); ``tuned`` (grouped by length besides). With a ticket its pruned heads are multiplied by zero
and its pruned feed-forward blocks are skipped, as in the paper's code.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.ticket import Ticket


def import_all(asked: dict[str, Any]) -> None:
    """Import what a request names: what the published scripts import, and so pay for."""
    for name in asked.get("imports", ()):
        import_module(name)


class Examples(Dataset):
    """Tokenised sentences as the Trainer takes them."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[index]


def examples(data: Encoded, rows: np.ndarray, outputs: int) -> list[dict[str, Any]]:
    """Tokenised sentences as transformers' collators take them."""
    spans = [slice(data.offsets[row], data.offsets[row + 1]) for row in rows]
    labels = data.labels[rows].astype(int if outputs > 1 else float).tolist()
    return [
        {
            "input_ids": data.tokens[span].tolist(),
            "token_type_ids": data.types[span].tolist(),
            "attention_mask": [1] * (span.stop - span.start),
            "label": label,
        }
        for span, label in zip(spans, labels, strict=True)
    ]


def apply_as_published(model: BertForSequenceClassification, ticket: Ticket) -> None:
    """Mask the pruned heads of a BERT, which are computed all the same, and skip its pruned feed-forward blocks."""
    for index, layer in enumerate(model.bert.encoder.layer):
        kept = torch.zeros(ticket.heads_per_layer)
        kept[list(ticket.heads[index])] = 1
        mask = kept.repeat_interleave(model.config.hidden_size // ticket.heads_per_layer)
        layer.get_submodule("attention.output.dense").register_forward_pre_hook(
            lambda _, args, mask=mask: (args[0] * mask.to(args[0]),)
        )
        if index not in ticket.ffn:
            vars(layer)["feed_forward_chunk"] = layer.output.LayerNorm.forward


def trainer_for(asked: dict[str, Any], model: PreTrainedModel, train: Examples, folder: str) -> Trainer:
    """The Trainer of a way, with the settings that every way shares."""
    how, way = asked["settings"], asked["way"]
    tuned: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if way == "tuned" else {}
    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=how["batch_size"],
        per_device_eval_batch_size=64 if way == "tuned" else 8,
        num_train_epochs=how["epochs"],
        learning_rate=how["learning_rate"],
        warmup_steps=how["warmup"],  # a share of the steps where it is below 1
        weight_decay=how["weight_decay"],
        max_grad_norm=how["clip_norm"],
        bf16=asked["precision"] == "bf16",
        use_cpu=how["device"] == "cpu",
        seed=asked["seed"],
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **tuned,
    )
    tokenizer = AutoTokenizer.from_pretrained(asked["model"])
    if way == "defaults":
        longest = min(128, model.config.max_position_embeddings)
        collator = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=longest)
    else:
        collator = DataCollatorWithPadding(tokenizer)
    return Trainer(model, arguments, train_dataset=train, data_collator=collator)


def main() -> None:
    """Train as asked for on standard input; the last line printed is the answer."""
    asked = json.load(sys.stdin)
    import_all(asked)
    torch.set_num_threads(asked["settings"]["threads"])
    set_seed(asked["seed"])
    outputs = asked["settings"]["outputs"]
    data = Encoded.read(Path(asked["encoded"]))
    rows, evaluated = (np.array(asked[name]) for name in ("rows", "evaluated"))
    model = AutoModelForSequenceClassification.from_pretrained(asked["model"], num_labels=outputs)
    if asked.get("ticket"):
        apply_as_published(model, Ticket.read(Path(asked["ticket"])))
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_for(asked, model, Examples(examples(data, rows, outputs)), folder)
        first = time.time()
        done = trainer.train()
        last, began = time.time(), time.perf_counter()
        # Sorted, so that batches pad little; the Trainer keeps the order where it does not group by itself.
        trainer.args.train_sampling_strategy = "random"
        ordered = evaluated[np.argsort(data.lengths[evaluated])]
        found = trainer.predict(Examples(examples(data, ordered, outputs)))
        predicted = time.perf_counter() - began
        if asked.get("save"):
            model.save_pretrained(asked["save"])
    answer = {
        "train": done.metrics["train_runtime"],
        "predict": predicted,
        "began": first,
        "ended": last,
        "steps": done.global_step,
        "outputs": np.asarray(found.predictions).tolist(),
        "labels": np.asarray(found.label_ids).astype(float).tolist(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
