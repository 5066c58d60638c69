"""Files of an encoder's folder: which hold its weights, and what to run where the folder lacks some."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.paths import TOKENIZER_FILES, WEIGHTS
from supertickets.files import read_whole

#: File of weights in several files: which of them holds which tensor.
INDEX = f"{WEIGHTS}.index.json"

#: Files of a tokenizer that transformers makes the two files of :data:`TOKENIZER_FILES` from.
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spm.model", "sentencepiece.bpe.model")

#: Commands that write what is missing, in the folder.
SAVE_TOKENIZER = (
    "python -c \"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('.').save_pretrained('.')\""
)
SAVE_WEIGHTS = (
    'python -c "import glob, torch, safetensors.torch as s; '
    "s.save_file({n: t.contiguous().clone() for f in glob.glob('pytorch_model*.bin') "
    "for n, t in torch.load(f, map_location='cpu', weights_only=True).items()}, 'model.safetensors')\""
)


def weight_names(folder: Path) -> list[str]:
    """Names of a folder's weight files: one, or an index and the files that it names.

    Raises:
        UserError: the index is not one.
    """
    if (folder / WEIGHTS).exists() or not (folder / INDEX).exists():
        return [WEIGHTS]
    return [INDEX, *sorted(set(read_index(folder / INDEX, str(folder)).values()))]


def model_files(folder: str) -> list[str]:
    """Paths of all files that an encoder of the user's is made from.

    Raises:
        UserError: the folder has an index of weight files that is not one.
    """
    return [f"{folder}/{name}" for name in ("config.json", *TOKENIZER_FILES, *weight_names(Path(folder)))]


def read_index(path: Path, origin: str) -> dict[str, str]:
    """The file of each tensor, according to an index.

    Args:
        path: the index.
        origin: where it is from, for the message.

    Raises:
        UserError: it is not an index, or names a file that is not beside it.
    """
    try:
        files: Any = json.loads(read_whole(path))["weight_map"]
        if files and all(re.fullmatch(r"\w[\w.-]*\.safetensors", name) for name in files.values()):
            return files
        reason = "its weight_map does not name safetensors files beside it"
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise UserError(f"{origin}: {INDEX} is not an index of weight files ({reason})")


def lacking(folder: Path) -> str:
    """What a folder lacks of an encoder's files and what to run; empty if it lacks nothing, or is not a model's."""
    try:
        missing = [name for name in (*TOKENIZER_FILES, *weight_names(folder)) if not (folder / name).exists()]
    except UserError as error:
        return str(error)
    within = f"run: cd {shlex.quote(str(folder))} &&"
    if not (folder / "config.json").exists() or (missing and missing[-1] == WEIGHTS):
        if below := _checkpoints(folder):
            return f"no encoder there, but in {', '.join(below)} below; give the path of one of them"
        if not (folder / "config.json").exists():
            return ""  # Snakemake names the files
    if not missing:
        return ""
    if missing[-1] == WEIGHTS:
        if any(folder.glob("pytorch_model*.bin")):
            return f"no {WEIGHTS} there, only pytorch_model.bin, a pickle, which is not read; {within} {SAVE_WEIGHTS}"
        return f"no {WEIGHTS} there; save the model there, by its save_pretrained"
    if missing[0] in TOKENIZER_FILES:
        if any((folder / name).exists() for name in VOCABULARIES):
            return f"no {missing[0]} there; {within} {SAVE_TOKENIZER}"
        return f"no {missing[0]} there; save the tokenizer that it was trained with there, by its save_pretrained"
    return f"no {missing[0]} there, which {INDEX} names; copy it too"


def _checkpoints(folder: Path) -> list[str]:
    """Folders below one, such as ``checkpoint-500``, that hold a model."""
    found = (path.parent for path in folder.glob("*/config.json"))
    return sorted(path.name for path in found if any(path.glob("*.safetensors")) or any(path.glob("*.bin")))
