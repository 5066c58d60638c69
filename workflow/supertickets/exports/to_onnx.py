"""Write a cut model as ONNX, which runs without torch, and with int8 matrices."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from supertickets.errors import UserError, blamed_on
from supertickets.exports.folder import CLOSE, load
from supertickets.files import read_json, replacing
from supertickets.seeds import generator

log = logging.getLogger(__name__)

#: Packages of the optional extra ``onnx``.
NEEDED = ("onnx", "onnxscript", "onnxruntime")
#: Sentences and tokens of the batches that a model is tried with, where it takes as many tokens.
SHAPES = ((1, 7), (5, 48))


class Logits(nn.Module):
    """A model with positional inputs, whose only output is its logits."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits of n sentences, shape (n, outputs)."""
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def write_onnx(folder: Path, model: Path) -> None:
    """Write an exported model as ONNX, for any number of sentences and tokens, and try it.

    Args:
        folder: config, weights and tokenizer of an export, ``cut`` or ``dense``.
        model: ONNX file to write; it takes what the tokenizer gives, as int64 of shape (batch, tokens), and gives
            ``logits`` of shape (batch, outputs).

    Raises:
        UserError: the extra is not installed, or what was written computes other outputs.
    """
    require_extra()
    settings = read_json(folder / "tokenizer_config.json")
    logits = Logits(load(folder), settings["model_input_names"]).eval()
    rows = batches(logits.model, logits.names, settings["model_max_length"])
    shapes = ({0: "batch", 1: "tokens"},) * len(logits.names)
    with blamed_on(f"{model}: the model cannot be written as ONNX"):
        program = torch.onnx.export(
            logits, rows[-1], dynamo=True, external_data=False, verbose=False, input_names=logits.names,
            output_names=["logits"], dynamic_shapes=(shapes,),
        )  # fmt: skip
        with replacing(model) as part:
            program.save(str(part))
    with torch.inference_mode():
        expected = [logits(*inputs).numpy() for inputs in rows]
    outputs = outputs_of(model, logits.names, rows)
    difference = max(float(np.abs(one - other).max()) for one, other in zip(outputs, expected, strict=True))
    log.info("%s: outputs differ by %.1g at most", model, difference)
    if not difference <= CLOSE * max(1.0, *(float(np.abs(each).max()) for each in expected)):
        model.unlink()
        raise UserError(f"{model}: its outputs differ from the model's by up to {difference:.2g}; nothing is written")


def quantise(model: Path, quantised: Path) -> None:
    """Write an ONNX model with int8 weights; activations are converted while it runs.

    Args:
        model: the ONNX file, of float32.
        quantised: the one to write. Its outputs differ in the second digit or so.

    Raises:
        UserError: the extra is not installed, or the file is not such a model.
    """
    require_extra()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with blamed_on(f"{model}: cannot be quantised"), replacing(quantised) as part:
        quantize_dynamic(model, part, weight_type=QuantType.QInt8)
    log.info("%s: %.0f%% of the size", quantised, 100 * quantised.stat().st_size / model.stat().st_size)


def require_extra() -> None:
    """Refuse to continue without the optional packages.

    Raises:
        UserError: names those that are missing, and how to install them.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UserError(f"ONNX needs {', '.join(missing)}, not installed: pip install -r requirements-onnx.lock")


def batches(model: PreTrainedModel, names: Sequence[str], most: int) -> list[tuple[Tensor, ...]]:
    """Batches of random sentences, of which the first of each is twice as long as the others.

    Args:
        model: the model.
        names: its inputs, in order.
        most: the most tokens that it takes.
    """
    random, found = generator(0, "sentences for ONNX"), []
    for count, tokens in SHAPES:
        width = min(tokens, most)
        ids = random.integers(model.get_input_embeddings().num_embeddings, size=(count, width))
        mask = np.ones_like(ids)
        mask[1:, width // 2 + 1 :] = 0
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        found.append(tuple(torch.from_numpy(given[name]) for name in names))
    return found


def outputs_of(model: Path, names: Sequence[str], rows: list[tuple[Tensor, ...]]) -> list[np.ndarray]:
    """What an ONNX model computes from batches."""
    session = session_of(model)
    return [
        session.run(["logits"], dict(zip(names, (each.numpy() for each in inputs), strict=True)))[0] for inputs in rows
    ]


def session_of(model: Path, threads: int = 0) -> Any:
    """A session of onnxruntime that computes an ONNX model on a CPU.

    Args:
        model: the file.
        threads: that compute; as many as there are cores if 0. They do not wait for the next batch in a loop, which
            would take the cores from whatever computes next.
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])
