"""Write a trained ticket as folders that transformers loads: with zeros for what is pruned, and without it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from supertickets.data.examples import read_examples
from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.families import Architecture
from supertickets.encoder.model import Classifier, read_model
from supertickets.encoder.ticket import Ticket
from supertickets.engine.device import Compute
from supertickets.errors import UserError, blamed_on
from supertickets.exports.modeling_super_ticket import SuperTicketConfig, SuperTicketForSequenceClassification
from supertickets.exports.plain import cut_model, plain_config, plain_model, plain_tensors
from supertickets.files import read_json, write_json
from supertickets.jobs.finished import give_up

log = logging.getLogger(__name__)

# So that transformers takes the class that is installed, and asks for no trust in the file beside the weights.
AutoConfig.register(SuperTicketConfig.model_type, SuperTicketConfig, exist_ok=True)
AutoModelForSequenceClassification.register(SuperTicketConfig, SuperTicketForSequenceClassification, exist_ok=True)

#: Validation examples that an export is tried with.
TRIED = 16
#: How far its outputs may be from those of the trained model, in the unit of the largest, which is 1 at least. Orders
#: of additions differ.
CLOSE = 1e-4


def export_model(
    config: Path,
    weights: Path,
    ticket: Path,
    examples: Path,
    encoded: Path,
    labels: list[str],
    max_length: int,
    folder: Path,
) -> None:
    """Write a trained model as two folders, and try both with texts.

    Args:
        config: the encoder's ``config.json``, beside its tokenizer.
        weights: the trained weights of the ticket, temporary ones: they are no longer kept for the same training.
        ticket: the units that it keeps.
        examples: the task's examples.
        encoded: the same, tokenised.
        labels: names of the classes, or of the one value of a regression.
        max_length: longest sequence in tokens that the model was trained with.
        folder: folder to write: ``dense/`` has the full sizes, ``cut/`` those of the ticket.

    Raises:
        UserError: an input is unusable, or what was written computes other outputs than the model.
    """
    model = read_model(config, weights, ticket, len(labels), 0.0, torch.Generator()).eval()
    fields = plain_config(read_json(config), labels)
    write_models(plain_tensors(model), fields, model.ticket, model.architecture, folder)
    for form in ("dense", "cut"):
        write_tokenizer(model, config.parent, max_length, folder / form)
        require_same_outputs(
            model, folder / form, Encoded.read(encoded), examples, max_length,
            "transformers' model for classification computes another thing from this config.json",
        )  # fmt: skip
    give_up(weights)


def write_models(
    kept: Mapping[str, Tensor], fields: Mapping[str, Any], ticket: Ticket, architecture: Architecture, folder: Path
) -> None:
    """Write config and weights of the full sizes, with zeros for what is pruned, and of those of the ticket.

    Args:
        kept, fields, ticket, architecture: as of :func:`~supertickets.exports.plain.plain_model`.
        folder: folder to write: ``dense/`` and ``cut/``, which has the module that loads it besides.
    """
    for form, model_of in (("dense", plain_model), ("cut", cut_model)):
        model_of(kept, fields, ticket, architecture).save_pretrained(folder / form, max_shard_size="1TB")
        # Whoever may read the config may read the weights, which are written for their owner alone.
        (folder / form / "model.safetensors").chmod((folder / form / "config.json").stat().st_mode)


def write_tokenizer(model: Classifier, source: Path, max_length: int, folder: Path) -> None:
    """Write the files of a tokenizer that makes of texts what the model was trained with.

    Args:
        model: the trained classifier.
        source: folder of the encoder's tokenizer.
        max_length: longest sequence in tokens.
        folder: folder to write to.
    """
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source)
    single = getattr(model.encoder.config, "type_vocab_size", 0) == 1
    # An encoder of one type may have a tokenizer that gives the second text of a pair another one.
    unfit = single and any(tokenizer("a", "a", return_token_type_ids=True)["token_type_ids"])
    types = ["token_type_ids"] * (model.architecture.token_types and not unfit)
    settings = {
        # Training needs no padding, so the files may not say with what.
        "pad_token": tokenizer.convert_ids_to_tokens(model.pad),
        **read_json(source / "tokenizer_config.json"),
        "padding_side": "right",
        # A family's own class would read only the vocabulary of tokenizer.json.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": ["input_ids", *types, "attention_mask"],
    }
    settings.pop("auto_map", None)
    write_json(folder / "tokenizer_config.json", settings)


def require_same_outputs(
    model: Classifier, folder: Path, data: Encoded, examples: Path, max_length: int, why: str
) -> None:
    """Load a folder as its users do, and refuse it if it computes other outputs from the same texts.

    Args:
        model: the trained classifier.
        folder: config, weights and tokenizer.
        data: the tokenised task.
        examples: the same as texts.
        max_length: longest sequence in tokens.
        why: the reason for other outputs, for the message.

    Raises:
        UserError: the outputs are not :data:`CLOSE`.
    """
    rows = data.first("validation", TRIED)
    table = read_examples(examples, "id", "split", "text", "text_pair").to_pandas()
    table = table[table["split"] == "validation"].set_index("id").loc[[data.ids[row] for row in rows]]
    pairs = table["text_pair"].tolist() if table["text_pair"].notna().all() else None
    with torch.inference_mode():
        expected = model(batch_of(data, rows, model.pad, Compute(torch.device("cpu"), "fp32")))
        with blamed_on(f"{folder}: it does not compute"):
            tokenizer = AutoTokenizer.from_pretrained(folder)
            tokens = tokenizer(
                table["text"].tolist(), pairs, truncation=True, max_length=max_length, padding=True, return_tensors="pt"
            )
            outputs = load(folder).float()(**tokens).logits
    difference, largest = (float(values.abs().max()) for values in (outputs - expected, expected))
    log.info("%s: outputs of %d examples differ by %.1g at most", folder, len(rows), difference)
    if not difference <= CLOSE * max(1.0, largest):
        raise UserError(
            f"{folder}: its outputs differ from those of the workflow's model by up to {difference:.2g}: {why}"
        )


def load(folder: str | Path) -> PreTrainedModel:
    """The model of an exported folder, ``dense/`` or ``cut/``, or of another one of transformers for classification.

    Args:
        folder: with ``config.json`` and ``model.safetensors``.

    Returns:
        A model of transformers: it takes ``input_ids``, ``attention_mask`` and ``token_type_ids`` of shape (n, tokens)
        and gives ``logits`` of shape (n, outputs). ``config.id2label`` names them.

    Raises:
        UserError: the folder has no such model, or lacks some of its weights.
    """
    with blamed_on(f"{folder}: not a model for classification"):
        if not Path(folder).is_dir():
            raise UserError("no such folder")  # transformers would ask the hub for it
        model, info = AutoModelForSequenceClassification.from_pretrained(Path(folder), output_loading_info=True)
    if missing := sorted(info["missing_keys"]):
        raise UserError(
            f"{folder}: not a model for classification: {len(missing)} of its weights are missing, {missing[0]}"
        )
    return model.eval()
