"""Take a fine-tuned model of transformers for the full model of a task: the way back from an export."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import build, save_weights
from supertickets.encoder.pretrained import LARGEST_WEIGHTS
from supertickets.errors import UserError, one_line
from supertickets.experiment.finetuned import class_order
from supertickets.exports.folder import load, require_same_outputs
from supertickets.exports.plain import classifier_of
from supertickets.files import read_json, require_readable

log = logging.getLogger(__name__)


def take_finetuned(
    folder: Path, config: Path, examples: Path, encoded: Path, labels: list[str], max_length: int, weights: Path
) -> None:
    """Write a fine-tuned model as a training of the full model would leave it.

    Args:
        folder: folder of a model of transformers for classification, with its tokenizer.
        config: ``config.json`` of the encoder that tickets are rewound to.
        examples: the task's examples.
        encoded: the same, tokenised for the encoder.
        labels: names of the classes, or of the one value of a regression.
        max_length: longest sequence in tokens.
        weights: safetensors file to write; its classes are in the order of ``labels``.

    Raises:
        UserError: the folder holds no such model, or one of another encoder, of other tokens or classes.
    """
    require_readable(folder / "model.safetensors", LARGEST_WEIGHTS)
    plain = load(folder).float()
    try:
        given, order = classifier_of(plain), class_order(read_json(folder / "config.json"), labels)
    except UserError as error:
        raise UserError(f"{folder}: {error}")
    model = build(read_json(config), None, given.classifier.out_features, 0.0, str(config))
    try:
        model.load_state_dict(given.state_dict())
    except RuntimeError as error:
        raise UserError(f"{folder}: not a model of the encoder that it is given with ({one_line(error)})")
    require_same_outputs(
        model.eval(), folder, Encoded.read(encoded), examples, max_length,
        "it has another tokenizer or another config than the encoder that it is given with",
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.classifier.parameters():
            parameter.copy_(parameter[order].clone())
    save_weights(model, weights)
    log.info("%s is the full model; its classes %s are %s", folder, order, ", ".join(labels))
