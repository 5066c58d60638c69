"""Write and check archives for the GLUE server.

The format (https://gluebenchmark.com/faq) is one zip of eleven tab-separated files, without folders.
"""

from __future__ import annotations

import logging
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from supertickets.errors import UserError, reading
from supertickets.files import replacing, write_json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerFile:
    """A file that the server requires.

    Attributes:
        name: its name in the archive.
        task: the task whose model predicts it.
        part: split of its examples in the predictions.
        labels: names of the classes in order, in the server's spelling; None for scores.
        size: number of examples in the test file; they are numbered from 0.
        filler: the answer for every example if the task is not predicted.
    """

    name: str
    task: str
    part: str
    labels: tuple[str, ...] | None
    size: int
    filler: str


TEST = "test_unlabelled"
BINARY = ("0", "1")
ENTAILED = ("entailment", "not_entailment")
INFERENCE = ("entailment", "neutral", "contradiction")
LOWEST, HIGHEST = 0.0, 5.0

#: The files that the server requires. A filler is the commonest label of the training set, or the mean score; the
#: diagnostic set AX has MNLI's. In QNLI the commonest label leads by 11 examples, in MNLI by 3.
FILES = (
    ServerFile("CoLA.tsv", "cola", TEST, BINARY, 1063, "1"),
    ServerFile("SST-2.tsv", "sst2", TEST, BINARY, 1821, "1"),
    ServerFile("MRPC.tsv", "mrpc", TEST, BINARY, 1725, "1"),
    ServerFile("STS-B.tsv", "stsb", TEST, None, 1379, "2.701"),
    ServerFile("MNLI-m.tsv", "mnli", TEST, INFERENCE, 9796, "contradiction"),
    ServerFile("MNLI-mm.tsv", "mnli", "test_unlabelled_mismatched", INFERENCE, 9847, "contradiction"),
    ServerFile("QNLI.tsv", "qnli", TEST, ENTAILED, 5463, "not_entailment"),
    ServerFile("QQP.tsv", "qqp", TEST, BINARY, 390965, "0"),
    ServerFile("RTE.tsv", "rte", TEST, ENTAILED, 3000, "entailment"),
    ServerFile("WNLI.tsv", "wnli", TEST, BINARY, 146, "0"),
    ServerFile("AX.tsv", "mnli", "ax", INFERENCE, 1104, "contradiction"),
)


def write_submission(predictions: dict[str, str], archive: Path) -> None:
    """Write an archive for the server, and a JSON file that says which of its files are predictions, not fillers.

    Equal predictions give equal bytes. The archive is checked before it gets its name.

    Args:
        predictions: Parquet file of each predicted task, by the task's name, with the columns id (the index in the
            test file, as text), split and logits (one per class, in the order of ``FILES``; or the score). Rows may be
            in any order.
        archive: zip file to write. The server accepts nothing but the eleven files, so the JSON file with the same
            stem holds task, rows and source of each.

    Raises:
        UserError: a task is unknown, or its predictions are not of the examples of its test file. Nothing is
            written.
    """
    tasks = list(dict.fromkeys(file.task for file in FILES))
    for task in predictions:
        if task not in tasks:
            raise UserError(f"predictions: {task!r} is not a task of GLUE; its tasks are {', '.join(tasks)}")
    if archive.suffix != ".zip":
        raise UserError(f"{archive}: the server takes a zip file; give it a name that ends in .zip")
    answers, sources = {}, {}
    for file in FILES:
        if file.task in predictions:
            answers[file.name] = _answers(_logits(Path(predictions[file.task]), file), file.labels)
            source = "predicted"
        else:
            answers[file.name] = [file.filler] * file.size
            source = f"filler: {'majority class' if file.labels else 'mean training score'} {file.filler}"
        sources[file.name] = {"task": file.task, "rows": file.size, "source": source}
        log.info("%s: %d rows, %s", file.name, file.size, source)
    with replacing(archive) as part:
        _write_zip(part, answers)
        # The format is the server's: an archive that it would refuse is found before it is sent.
        if problems := validate_submission(part):
            raise UserError(f"{archive}: the server would refuse it: {problems[0]} ({len(problems)} problems in all)")
        write_json(archive.with_suffix(".json"), sources)


def _logits(path: Path, file: ServerFile) -> np.ndarray:
    """The logits for one file of the server, in the order of its examples, shape (examples, outputs).

    Raises:
        UserError: the file lacks a column, or its ids are not those of the test file, as they are where the user's
            files of GLUE are of another version.
    """
    outputs = len(file.labels) if file.labels else 1
    with reading(path, "a Parquet file with columns id, split, logits"):
        table = pq.ParquetFile(path).read(["id", "split", "logits"])
        table.validate(full=True)  # refuses text that is not UTF-8
        table = table.filter(pc.equal(table["split"], file.part))
        ids = table["id"].cast(pa.string()).combine_chunks()
        logits = pc.list_flatten(table["logits"]).to_numpy().reshape(len(table), outputs)
    places = pc.index_in(pa.array([str(index) for index in range(file.size)]), value_set=ids)
    if len(ids) != file.size or places.null_count:
        found = f"{len(ids)} rows lack {places.null_count} of the ids 0 to {file.size - 1} of the test file"
        raise UserError(f"{path}, split {file.part}: {found}; expected each once")
    return logits[places.to_numpy()]


def _answers(logits: np.ndarray, labels: tuple[str, ...] | None) -> list[str]:
    """The answer for each example, as text."""
    if labels:
        return [labels[index] for index in logits.argmax(axis=1)]
    return [f"{score:.3f}" for score in logits[:, 0].clip(LOWEST, HIGHEST) + 0.0]  # the sum makes -0.0 positive


def _write_zip(path: Path, answers: Mapping[str, Sequence[str]]) -> None:
    """Write files of numbered answers. The bytes do not depend on time, user or system."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, column in answers.items():
            entry = zipfile.ZipInfo(name)  # with the date 1980-01-01
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, for the permissions below
            entry.external_attr = 0o100644 << 16
            rows = "".join(f"{index}\t{answer}\n" for index, answer in enumerate(column))
            archive.writestr(entry, f"index\tprediction\n{rows}")


def validate_submission(archive: Path) -> list[str]:
    """The problems of an archive for the server; empty for a valid one.

    Each problem names the file in the archive, the line, what was found and what was expected.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = Counter(opened.namelist())
            problems = list(_wrong_names(names))
            for file in FILES:
                if file.name in names:
                    problems += _wrong_lines(file, opened.read(file.name))
            return problems
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # RuntimeError: a password, a rare method
        return [f"{archive.name}: not a zip file that can be read ({error})"]


def _wrong_names(names: Mapping[str, int]) -> Iterator[str]:
    """Problems of missing, unknown and repeated files in an archive."""
    expected = [file.name for file in FILES]
    for name, count in names.items():
        if "/" in name:
            yield f"{name}: in a folder, expected the files alone"
        elif name not in expected:
            yield f"{name}: not a file of a submission, expected {', '.join(expected)}"
        elif count > 1:
            yield f"{name}: {count} files of this name, expected one"
    yield from (f"{name}: no such file in the archive, expected one" for name in expected if name not in names)


def _wrong_lines(file: ServerFile, content: bytes) -> Iterator[str]:
    """Problems inside a file. Only the first wrong row is reported, as a missing row makes all later rows wrong."""
    try:
        *lines, rest = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield f"{file.name}, line {line}: {error.reason}, expected UTF-8"
        return
    if rest:
        lines.append(rest)
        yield f"{file.name}, line {len(lines)}: ends without a newline, expected one"
    header, rows = "".join(lines[:1]), lines[1:]
    if header != "index\tprediction":
        yield f"{file.name}, line 1: {header!r:.60}, expected the header 'index\\tprediction'"
    if len(rows) != file.size:
        yield f"{file.name}, line {max(len(lines), 1)}: the last of {len(rows)} rows, expected {file.size}"
    wrong = [index for index, row in enumerate(rows) if not _is_right(file, index, row)]
    for index in wrong[:1]:
        more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
        yield f"{file.name}, line {index + 2}: {rows[index]!r:.60}, expected {index}, a tab and {_wanted(file)}{more}"


def _is_right(file: ServerFile, index: int, row: str) -> bool:
    """Whether a row has this index and an answer that the server accepts."""
    place, _, answer = row.partition("\t")
    if file.labels:
        known = answer in file.labels
    else:
        known = re.fullmatch(r"[0-9]+(\.[0-9]+)?", answer) is not None and LOWEST <= float(answer) <= HIGHEST
    return known and place == str(index)


def _wanted(file: ServerFile) -> str:
    """A description of the answers that a file may hold."""
    return f"one of {', '.join(file.labels)}" if file.labels else f"a number from {LOWEST:g} to {HIGHEST:g}"
