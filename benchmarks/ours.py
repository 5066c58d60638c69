"""One training by this project, in a process of its own: a JSON request in, a JSON answer out."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import pyarrow.parquet as pq

from supertickets.files import read_json, write_json
from supertickets.training.run import train_run

from .rounded import Rounded


def main() -> None:
    """Train as asked for on standard input; the last line printed is the answer."""
    asked = json.load(sys.stdin)
    model, ticket = Path(asked["model"]), asked.get("ticket")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_json(out / "subset.json", {"rows": asked["rows"]})
        started = time.time()
        with Rounded() if asked.get("emulate") else nullcontext():
            train_run(
                config=model / "config.json",
                weights=Path(asked.get("weights", model / "model.safetensors")),
                encoded=Path(asked["encoded"]),
                subset=out / "subset.json",
                run={"seed": asked["seed"]},
                # The first test examples, which is what a request asks to predict.
                settings=asked["settings"] | {"evaluate": {"validation": 0, "test": len(asked["evaluated"])}},
                record=out / "record.json",
                predictions=out / "predictions.parquet",
                shape=model / "shape.json",
                ticket=ticket and Path(ticket),
            )
        record, predicted = read_json(out / "record.json"), pq.read_table(out / "predictions.parquet")
    seconds, first = record["seconds"], started + record["seconds"]["load"]
    answer = {
        "train": seconds["train"],
        "predict": seconds["predict"],
        "began": first,
        "ended": first + seconds["train"],
        "steps": record["steps"],
        "outputs": predicted["logits"].to_pylist(),
        "labels": predicted["label"].to_pylist(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
