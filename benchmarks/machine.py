"""The machine, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from supertickets.engine.device import has_bf16_units
from supertickets.engine.linear import product, through_onednn

#: What the project computes in: what ``auto`` chooses here, or what the environment says.
PRECISION = os.environ.get("PRECISION") or ("bf16" if has_bf16_units(torch.device("cpu")) else "fp32")
#: The instructions that torch uses: AVX512, AVX2 or others.
KERNELS = torch.backends.cpu.get_cpu_capability()
#: Of the names of results that depend on both, so that those of x86 processors of all kinds stand side by side.
SUFFIX = "_bf16" if PRECISION == "bf16" else {"AVX2": "_avx2"}.get(KERNELS, "")

#: Matrix products of one training step of the default encoder on 768 tokens: rows, inner dimension, columns.
SHAPES = ((768, 384, 384), (768, 384, 1536), (768, 1536, 384))


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    names = ("torch", "transformers", "accelerate", "numpy")
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), processor)
    found: dict[str, Any] = {"processor": processor, "kernels": KERNELS, "precision": PRECISION}
    found |= {"cores": os.cpu_count(), "system": platform.system()}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found | {"python": platform.python_version()} | {name: version(name) for name in names}


def seconds_of(function: Callable[[], Any], repeats: int = 20) -> float:
    """Median time of a call, after a few that do not count."""
    times = []
    for repeat in range(repeats + 3):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        began = time.perf_counter()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times += [time.perf_counter() - began] if repeat >= 3 else []
    return median(times)


def gemm_rate(dtype: torch.dtype, threads: int, shapes: tuple = SHAPES, device: str = "cpu") -> float:
    """Floating-point operations per second of matrix products, over all of a step's shapes together.

    By torch or, in float32 on an x86 CPU, by oneDNN, whichever is faster.
    """
    own = torch.get_num_threads()
    torch.set_num_threads(threads)
    ways: list[Callable[..., torch.Tensor]] = [lambda left, right: left @ right.T]
    if device == "cpu" and dtype is torch.float32 and through_onednn():
        ways.append(product)
    total, spent = 0.0, [0.0] * len(ways)
    for rows, inner, columns in shapes:
        left = torch.randn(rows, inner, device=device).to(dtype)
        right = torch.randn(columns, inner, device=device).to(dtype)
        spent = [before + seconds_of(partial(way, left, right)) for before, way in zip(spent, ways, strict=True)]
        total += 2 * rows * inner * columns
    torch.set_num_threads(own)
    return total / min(spent)
