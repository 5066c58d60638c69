"""What is said of a folder that lacks files of an encoder, and that what it says to run works."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import SPECIAL, WORDS, write_tiny_model
from safetensors.numpy import load_file

from supertickets.experiment.missing_files import lacking
from supertickets.experiment.model_files import model_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny encoder in a folder whose name has to be quoted."""
    write_tiny_model(tmp_path / "my model")
    return tmp_path / "my model"


def run(message: str) -> None:
    """Run the command of a message as a shell does."""
    subprocess.run(message.partition("; run: ")[2], shell=True, check=True)


def test_a_folder_with_all_files_lacks_nothing(folder: Path) -> None:
    assert lacking(folder) == ""
    names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
    assert model_files("my model") == [f"my model/{name}" for name in names]
    (folder.parent / "empty").mkdir()
    assert lacking(folder.parent / "empty") == ""  # nothing of an encoder: Snakemake names the files


def test_weights_that_are_a_pickle(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    whole = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    names = sorted(whole)
    whole[names[0]] = whole[names[0]].t() if whole[names[0]].dim() == 2 else whole[names[0]]
    torch.save({name: whole[name] for name in names[:20]}, folder / "pytorch_model-00001-of-00002.bin")
    torch.save({name: whole[name] for name in names[20:]}, folder / "pytorch_model-00002-of-00002.bin")
    (folder / "model.safetensors").unlink()
    assert lacking(folder).startswith(
        "no model.safetensors there, only pytorch_model.bin, a pickle, which is not read;"
    )
    run(lacking(folder))
    assert lacking(folder) == ""
    found = load_file(folder / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {n: t.tolist() for n, t in whole.items()}


def test_a_tokenizer_that_is_a_vocabulary(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    said = "no tokenizer.json there; save the tokenizer that it was trained with there, by its save_pretrained"
    assert lacking(folder) == said
    (folder / "vocab.txt").write_text("\n".join(SPECIAL + WORDS) + "\n")
    run(lacking(folder))
    assert lacking(folder) == ""
    (folder / "tokenizer_config.json").unlink()
    assert lacking(folder).startswith("no tokenizer_config.json there; run: cd '")


def test_checkpoints_of_a_training_below(folder: Path) -> None:
    for step in ("500", "1000"):
        shutil.copytree(folder, folder.parent / "out" / f"checkpoint-{step}")
    said = "no encoder there, but in checkpoint-1000, checkpoint-500 below; give the path of one of them"
    assert lacking(folder.parent / "out") == said
    shutil.copy(folder / "config.json", folder.parent / "out")
    assert lacking(folder.parent / "out") == said


def test_a_folder_of_a_config_alone(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert lacking(folder) == "no model.safetensors there; save the model there, by its save_pretrained"
