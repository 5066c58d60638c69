"""Files as they come from others: a package of pip, and a task of GLUE."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from conftest import WORDS


def write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel that pip accepts."""
    path = folder / "tiny_encoder-1.0-py3-none-any.whl"
    info = "tiny_encoder-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-encoder\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in (files | {f"{info}/RECORD": record.encode()}).items():
            wheel.writestr(zipfile.ZipInfo(name), content)
    return path


def write_rte(root: Path, sizes: dict[str, int]) -> None:
    """Files in the layout of RTE."""
    random = np.random.default_rng(0)
    (root / "RTE").mkdir(parents=True)
    for name, count in sizes.items():
        lines = ["index\tsentence1\tsentence2" + "\tlabel" * (name != "test")]
        for index in range(count):
            words = [*random.choice(WORDS[6:], 4), WORDS[index % 2 * 3]]
            label = f"\t{['entailment', 'not_entailment'][index % 2]}" * (name != "test")
            lines.append(f"{index}\t{' '.join(words)}\t{' '.join(random.choice(WORDS[6:], 2))}{label}")
        (root / "RTE" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
