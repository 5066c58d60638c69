"""Parts of a task, and forms of its files."""

from __future__ import annotations

from pathlib import Path

#: Labelled parts beside train, validation and test: scored as validation is, and shown beside it.
FURTHER = ("validation_mismatched",)


#: Parts without labels, which are predicted for the GLUE server alone.
UNLABELLED = ("test_unlabelled", "test_unlabelled_mismatched", "ax")


#: What the GLUE server wants to be predicted of each task.
SERVER_PARTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("cola", "sst2", "mrpc", "qqp", "stsb", "qnli", "rte", "wnli"), UNLABELLED[:1]),
    "mnli": UNLABELLED,
}


def form_of(path: str) -> str:
    """What a file of examples is, by its ending: ``csv`` (quoted), ``jsonl``, ``parquet``, or ``text``, a line each."""
    ending = Path(path).suffix.lower()
    return ending[1:] if ending in (".csv", ".jsonl", ".parquet") else "text"
