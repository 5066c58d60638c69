"""One training by this project, in a process of its own: a JSON request in, a JSON answer out."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from supertickets.batches import Encoded
from supertickets.model import read_model
from supertickets.seeds import derived
from supertickets.training import predict, settings_from, train
from supertickets.vocabulary import narrowed

from .rounded import Rounded


def main() -> None:
    """Train as asked for by ``sys.argv[1]``; the last line printed is the answer."""
    asked = json.loads(sys.argv[1])
    how = settings_from(asked["settings"])
    compute = how.start()
    data = Encoded.read(Path(asked["encoded"]))
    rows, evaluated = (np.array(asked[name]) for name in ("rows", "evaluated"))
    head = torch.Generator().manual_seed(derived(asked["seed"], "task head"))
    model_folder, ticket = Path(asked["model"]), asked.get("ticket")
    weights = Path(asked.get("weights", model_folder / "model.safetensors"))
    model = read_model(
        model_folder / "config.json", weights, ticket and Path(ticket), how.outputs, how.classifier_dropout, head
    )
    rounding = Rounded() if asked.get("emulate") else nullcontext()
    first = time.time()
    with rounding, narrowed(model, data, rows, compute) as view:
        progress = train(model, view, rows, how, asked["seed"])
    last, began = time.time(), time.perf_counter()
    with rounding, narrowed(model, data, evaluated, compute) as view:
        outputs = predict(model, view, evaluated)
    answer = {
        "train": progress.seconds,
        "predict": time.perf_counter() - began,
        "began": first,
        "ended": last,
        "steps": progress.steps,
        "outputs": outputs.tolist(),
        "labels": data.labels[evaluated].tolist(),
        "tokens": int(data.lengths[rows].sum()) * how.epochs,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
