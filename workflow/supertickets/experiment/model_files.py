"""Files of an encoder's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.files import read_whole

#: Files of a tokenizer.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
#: File of the weights.
WEIGHTS = "model.safetensors"
#: All files of a model folder.
MODEL_FILES = ("config.json", *TOKENIZER_FILES, WEIGHTS)
#: File of weights in several files: which of them holds which tensor.
INDEX = f"{WEIGHTS}.index.json"


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
