"""Answers of a hub that make no sense or mean harm: a clear error or a right result, and nothing outside the folder."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import tries
from hub_client import Download, downloading
from hub_server import Hub, serving

COMMIT = "e5" * 20
MODEL = dict.fromkeys(("config.json", "tokenizer.json", "tokenizer_config.json"), b"{}")
MODEL["model.safetensors"] = b"weights" * 100
ODD = [None, True, -1, 0, 10**30, 1e300, "", "x", "../../up", "/etc/passwd", "\0", "a\nb", [], [None], {}, {"a": []}]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with serving(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def download(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Download]:
    with downloading(hub, tmp_path_factory.mktemp("home")) as function:
        yield function


numbers = itertools.count()


def new_repository(hub: Hub, kind: str) -> str:
    """A name that the libraries have not seen before, of a good commit."""
    name = f"org/hostile{next(numbers)}"
    folder = hub.root / kind / name / COMMIT
    folder.mkdir(parents=True)
    if kind == "models":
        for file, content in MODEL.items():
            (folder / file).write_bytes(content)
    else:
        pd.DataFrame({"text": ["a", "b"]}).to_parquet(folder / "train-00000-of-00001.parquet")
    return name


def places(content: Any) -> list[tuple[Any, Any]]:
    """All values inside nested mappings and lists, as container and key."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else []
    return [place for key, value in inner for place in [(content, key), *places(value)]]


def one_odd_value(draw: random.Random) -> Callable[[Any], bytes]:
    """Put something odd in place of any one value, or of all."""

    def answer(said: Any) -> bytes:
        content = json.loads(json.dumps(said))
        if draw.random() < 0.1:
            return json.dumps(draw.choice(ODD)).encode()
        container, key = draw.choice(places(content) or [([None], 0)])
        container[key] = draw.choice(ODD)
        return json.dumps(content).encode()

    return answer


def odd_bytes(draw: random.Random) -> Callable[[Any], bytes]:
    """Cut the answer off, or send something else than JSON."""

    def answer(said: Any) -> bytes:
        content = json.dumps(said).encode()
        page = b"<html>Please sign in</html>"
        return draw.choice([content[: draw.randrange(len(content))], draw.randbytes(50), b"[" * 100_000, b"", page])

    return answer


FETCH = {
    "models": ("fetch_hub_model", "repository", {}),
    "datasets": ("fetch_hub_dataset", "dataset", {"splits": ["train"]}),
}


@pytest.mark.parametrize("damage", [one_odd_value, odd_bytes])
@pytest.mark.parametrize("kind", FETCH)
def test_answers_of_anything(hub: Hub, download: Download, tmp_path: Path, kind: str, damage: Callable) -> None:
    draw = random.Random(0)
    function, key, more = FETCH[kind]
    right = 0
    for index in range(tries(60, quick=15) if kind == "models" else tries(30, quick=10)):
        name = new_repository(hub, kind)
        folder = tmp_path / "in" / str(index)
        folder.parent.mkdir(exist_ok=True)
        hub.described = damage(draw)
        outcome = download(function, **{key: name, "revision": COMMIT, "folder": folder, **more})
        if outcome.error is None:
            right += 1
            assert {path.name for path in folder.iterdir()} == (set(MODEL) if kind == "models" else {"train.parquet"})
        else:
            assert outcome.error.startswith(f"{name} at commit {COMMIT}: ") and "\n" not in outcome.error
            assert not folder.exists()
        assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert right or damage is odd_bytes
