"""Download models and datasets, pinned by commit, from the Hugging Face hub or the server in ``HF_ENDPOINT``."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import datasets
from datasets.exceptions import DatasetGenerationError
from datasets.packaged_modules.csv.csv import CsvConfig
from huggingface_hub import HfApi, constants, errors, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers

from supertickets.errors import UserError, message
from supertickets.experiment.model_files import INDEX, TOKENIZER_FILES, WEIGHTS, read_index
from supertickets.files import blob_id, require_sha256, sha256

log = logging.getLogger(__name__)

#: What to do where a file of a model is missing. The error for a folder of one's own says what to run there.
OTHER_COMMIT = message(
    "take a commit or a repository that has it, or download this one to a folder of your own (hf download), and name "
    "that by path"
)

#: Files of a model besides its weights.
OTHER_FILES = ("config.json", *TOKENIZER_FILES)

#: Seconds to wait before the second, third and fourth attempt.
WAITS = (2, 4, 8)

#: Fields of a .csv file that stand for a missing number, where the dataset says that its column holds numbers.
MISSING = ["", "NA", "N/A", "nan", "NaN", "null", "NULL", "None"]

#: Errors of a failed connection. The first is the base class of the HTTP client's errors, whichever client is used.
LOST = (errors.HTTPError, ConnectionError, TimeoutError)

#: Refusals by datasets; the last one is of content, and its cause says why.
REFUSED = (FileNotFoundError, ValueError, RuntimeError, DatasetGenerationError)


class _OtherFileError(Exception):
    """A download is not the file that the hub names."""


#: Errors that the libraries raise for an unexpected answer.
NONSENSE = (TypeError, LookupError, AttributeError, ArithmeticError, OSError)

#: Refusals in plain words; the first class that matches is used.
REASONS = {
    errors.GatedRepoError: message(
        "it is gated; accept its terms on its page of the hub, and give your token in HF_TOKEN"
    ),
    errors.RepositoryNotFoundError: message(
        "there is no such repository, or it is private; check the name, or set HF_TOKEN"
    ),
    errors.RevisionNotFoundError: message("it has no such commit; take one from its history on the hub"),
}


def fetch_hub_model(repository: str, revision: str, folder: Path, sha256: str | None = None) -> None:
    """Download an encoder's config, tokenizer and weights, which are in one file or in several.

    Args:
        repository: the model's name on the hub, ``owner/name``.
        revision: the commit, 40 hexadecimal digits.
        folder: folder to write; an existing one is replaced.
        sha256: the expected hash of ``model.safetensors``, besides the one that the hub states.

    Raises:
        UserError: the hub cannot be reached or refuses, or a file is missing, or is another than the hub states.
    """
    origin = f"{repository} at commit {revision}"
    files = _files(origin, repository, revision, "model")
    weights = _require_files(files, origin)
    if sha256 and weights != WEIGHTS:
        raise UserError(f"{origin}: sha256 is of one {WEIGHTS}, and its weights are in several files; leave it out")
    with _completing(folder, revision) as work:

        def fetch(name: str) -> Path:
            _persistently(origin, partial(_download, repository, revision, files[name], work))
            path = work / "files" / name
            try:
                if sha256 and name == WEIGHTS:
                    require_sha256(path, sha256, f"{origin}: {name}")
            except UserError:
                path.unlink()  # or the next run would take it for complete
                raise
            return path

        *_, last = map(fetch, (*OTHER_FILES, weights))
        for name in sorted(set(read_index(last, origin).values())) if weights == INDEX else ():
            if name not in files:
                raise UserError(f"{origin}: it has no {name}, which {INDEX} names; {OTHER_COMMIT}")
            fetch(name)


def fetch_hub_dataset(dataset: str, revision: str, splits: list[str], folder: Path, name: str | None = None) -> None:
    """Download splits of a dataset as ``{split}.parquet``, with their original columns. None of its code is run.

    Downloaded files are cached until all splits are written, or for good in the folder that ``HF_HOME`` or
    ``HF_HUB_CACHE`` names.

    Args:
        dataset: the dataset's name on the hub, ``owner/name``.
        revision: the commit, 40 hexadecimal digits.
        splits: names of the splits on the hub.
        folder: folder to write; an existing one is replaced.
        name: name of the configuration, if the dataset has several.

    Raises:
        UserError: the hub cannot be reached or refuses, or the configuration or a split does not exist.
    """
    origin = f"{dataset} at commit {revision}"
    files = _files(origin, dataset, revision, "dataset")  # refuses a wrong name or commit before anything is written
    with _completing(folder, revision) as work:
        parts = _persistently(origin, partial(_load, dataset, revision, name, work, files))
        for split in splits:
            if split not in parts:
                raise UserError(f"{origin}: it has no split {split!r}; its splits are: {', '.join(parts)}")
        for stale in (work / "files").iterdir():
            stale.unlink()
        for split in splits:
            log.info("%s: %d rows of %s", origin, len(parts[split]), split)
            parts[split].to_parquet(str(work / "files" / f"{split}.parquet"))


def _files(origin: str, repository: str, revision: str, kind: str) -> dict[str, RepoSibling]:
    """The files of a commit, by path."""
    if not re.fullmatch("[0-9a-f]{40}", revision):
        reason = "give a commit, 40 hexadecimal digits, because branches and tags move"
        raise UserError(f"{repository}: revision is {revision!r}; {reason}")

    def ask() -> dict[str, RepoSibling]:
        info = HfApi().repo_info(repository, repo_type=kind, revision=revision, files_metadata=True, timeout=30)
        return {file.rfilename: file for file in info.siblings or []}

    return _persistently(origin, ask)


def _require_files(names: Collection[str], origin: str) -> str:
    """Refuse a repository that lacks a file of a model; its file of weights, or the index of several."""
    weights = INDEX if WEIGHTS not in names and INDEX in names else WEIGHTS
    missing = next((name for name in (weights, *OTHER_FILES) if name not in names), None)
    if missing:
        remarks = {"tokenizer.json": ", the file of a fast tokenizer, which is needed"}
        if "pytorch_model.bin" in names:
            remarks[WEIGHTS] = ", only pytorch_model.bin, a pickle, which is not read"
        remark = remarks.get(missing, "")
        raise UserError(f"{origin}: it has no {missing}{remark}; {OTHER_COMMIT}")
    return weights


@contextmanager
def _completing(folder: Path, revision: str) -> Iterator[Path]:
    """A hidden work folder beside ``folder``, whose subfolder ``files`` replaces ``folder`` when the block succeeds.

    After a failure the work folder stays, and the next run for the same commit continues from it.
    """
    work = folder.with_name(f".{folder.name}.{revision}.part")
    (work / "files").mkdir(parents=True, exist_ok=True)
    yield work
    if folder.exists():
        shutil.rmtree(folder)
    (work / "files").rename(folder)
    shutil.rmtree(work)


def _download(repository: str, revision: str, file: RepoSibling, work: Path) -> None:
    """Download the missing rest of one file: the library's ``hf_hub_download`` starts from the beginning each time."""
    whole, part = work / "files" / file.rfilename, work / f"{file.rfilename}.incomplete"
    if whole.exists():
        return
    url = hf_hub_url(repository, file.rfilename, revision=revision)
    headers = build_hf_headers(headers={"Accept-Encoding": "identity"})  # compressed answers have no byte ranges
    try:
        with part.open("ab") as stream:
            log.info("fetching %s (%s bytes, %d already here)", url, file.size, stream.tell())
            bounded = cast(BinaryIO, _AtMost(stream, file.size))
            http_get(url, bounded, resume_size=stream.tell(), headers=headers, expected_size=file.size)
        _require_same(part, file)
    except (OSError, _OtherFileError) as error:
        if getattr(error, "errno", None) or isinstance(error, LOST):  # the part is right as far as it goes
            raise
        part.unlink()
        raise _OtherFileError(f"{file.rfilename}: {str(error).splitlines()[0]}") from error
    part.rename(whole)


class _AtMost:
    """A file that refuses to grow beyond a given size."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream, self._most = stream, most

    def write(self, content: bytes) -> int:
        """Write all of it."""
        if self._stream.tell() + len(content) > self._most:
            raise _OtherFileError(f"more than its {self._most} bytes come")
        return self._stream.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _require_same(path: Path, file: RepoSibling) -> None:
    """Refuse a downloaded file whose hash is not the one that the hub states, if it states one."""
    stated = (file.lfs or {}).get("sha256") or file.blob_id
    if stated and (actual := sha256(path) if file.lfs else blob_id(path)) != stated:
        raise _OtherFileError(f"its hash is {actual}, the hub states {stated}")


def _load(dataset: str, revision: str, name: str | None, work: Path, files: Mapping[str, RepoSibling]) -> Any:
    """Load all splits of a configuration, from files that are checked."""
    datasets.disable_progress_bars()
    constants.HF_HUB_DISABLE_XET = True  # Xet has a cache of its own in the user's home folder
    if not os.environ.keys() & {"HF_HOME", "HF_HUB_CACHE"}:
        constants.HF_HUB_CACHE = str(work / "hub")
    # Without the scheme a local folder of that name would be read. Prepared data is never shared between commits,
    # because the library takes any commit that it finds when the hub cannot be reached.
    cache = str(work / "prepared")
    builder = datasets.load_dataset_builder(f"hf://datasets/{dataset}", name, revision=revision, cache_dir=cache)
    if isinstance(builder.config, CsvConfig):  # which would read texts like NA as missing
        declared = (builder.info.features or {}).items()
        numbers = [name for name, kind in declared if isinstance(kind, datasets.Value) and "string" not in kind.dtype]
        builder.config.keep_default_na = False
        builder.config.na_values = dict.fromkeys(numbers, MISSING)
    try:
        builder.download_and_prepare()
    finally:  # what came in place of a file may be unreadable, too
        try:
            _require_same_in_cache(dataset, revision, files.values())
        except _OtherFileError:
            shutil.rmtree(cache, ignore_errors=True)  # or the next run would take what was made of it
            raise
    return builder.as_dataset()


def _require_same_in_cache(dataset: str, revision: str, files: Iterable[RepoSibling]) -> None:
    """Check the downloaded files of a dataset; one that is another than the hub states is deleted and refused."""
    for file in files:
        path = try_to_load_from_cache(
            dataset, file.rfilename, constants.HF_HUB_CACHE, revision=revision, repo_type="dataset"
        )
        if isinstance(path, str):
            try:
                _require_same(Path(path), file)
            except _OtherFileError as error:
                Path(path).resolve().unlink()
                raise _OtherFileError(f"{file.rfilename}: {error}") from error


def _persistently(origin: str, action: Callable[[], Any]) -> Any:
    """The result of ``action``, which is called again, a few times, after a failure that may be temporary."""
    waits = iter(WAITS)
    while True:
        try:
            return action()
        except (*LOST, *REFUSED) as error:
            temporary, wait = _temporary(error), next(waits, None)
            if not temporary:
                cause = error.__cause__ if isinstance(error, DatasetGenerationError) else None
                raise UserError(f"{origin}: {_reason(cause or error)}")
            if not wait:
                where = f"{constants.ENDPOINT} does not answer"
                raise UserError(f"{origin}: {where}: {_reason(temporary)}; run again to continue from here")
            log.warning("%s: %s; trying again in %d s", origin, _reason(temporary), wait)
            time.sleep(wait)
        except _OtherFileError as error:
            remedy = "sign in where the network asks for it, or ask who runs it, and run again"
            raise UserError(
                f"{origin}: not the file that {constants.ENDPOINT} names: {error}; nothing is kept; {remedy}"
            )
        except NONSENSE as error:
            if getattr(error, "errno", None):  # an error of this machine, such as a full disk
                raise
            raise UserError(f"{origin}: {constants.ENDPOINT} sent an invalid response ({_reason(error)})")


def _temporary(error: BaseException | None) -> BaseException | None:
    """The error, or a cause of it, if it is a failed connection or a busy hub; otherwise None."""
    while error and not isinstance(error, LOST):
        error = error.__cause__ or error.__context__
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return error if status in (408, 429) or status >= 500 else None
    return None if isinstance(error, errors.OfflineModeIsEnabled) else error


def _reason(error: BaseException) -> str:
    """The reason of a failure, in one line."""
    for kind, reason in REASONS.items():
        if isinstance(error, kind):
            return reason
    lines = [line for line in str(error).splitlines() if line and not line.startswith("For more information")]
    return " ".join(lines[:2]) or type(error).__name__  # further lines explain how to call the library
