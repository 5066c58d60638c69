"""What to run where an encoder's folder lacks some of its files."""

from __future__ import annotations

import shlex
from pathlib import Path

from supertickets.errors import UserError
from supertickets.experiment.model_files import INDEX, TOKENIZER_FILES, WEIGHTS, weight_names

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
