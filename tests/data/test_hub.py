"""Downloads from a hub on loopback: results, refusals and their messages, retries and continued downloads."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hub_client import Download, downloading
from hub_server import DROP, Cut, Hub, Page, serving

COMMIT = "a1" * 20
OTHER = "b2" * 20


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with serving(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def hub(running: Hub) -> Hub:
    """The hub, without earlier requests or failures."""
    running.requests.clear()
    running.faults.clear()
    running.gated.clear()
    return running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of the downloading process, also its working folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def download(running: Hub, home: Path) -> Iterator[Download]:
    with downloading(running, home) as function:
        yield function


numbers = itertools.count()


@pytest.fixture
def repository() -> str:
    """A name that no test has used, because the libraries cache by name."""
    return f"org/tiny{next(numbers)}"


MODEL = {
    "config.json": b"{}\n",
    "tokenizer.json": b'{"version": "1.0"}',
    "tokenizer_config.json": b"{}",
    "model.safetensors": np.random.default_rng(0).bytes(100_000),
}


def write_commit(hub: Hub, kind: str, repository: str, files: dict[str, bytes | None]) -> None:
    """Put a commit on the hub; files that are None are omitted."""
    for name, content in files.items():
        path = hub.root / kind / repository / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wanted(repository: str, folder: Path, **changes: Any) -> dict[str, Any]:
    return {"repository": repository, "revision": COMMIT, "folder": folder} | changes


def test_a_model_comes_whole_and_alone(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_commit(hub, "models", repository, MODEL | {"README.md": b"#", "pytorch_model.bin": b"", "a/b.onnx": b""})
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "vocab.txt").write_text("of an older try")
    weights = hashlib.sha256(MODEL["model.safetensors"]).hexdigest()
    assert download("fetch_hub_model", **wanted(repository, folder, sha256=weights)).error is None
    assert contents(tmp_path) == {f"model/{name}": content for name, content in MODEL.items()}
    assert [hub.ranges(name) for name in (*MODEL, "README.md", "pytorch_model.bin")] == [*[[None]] * 4, [], []]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.safetensors": None}, "it has no model.safetensors; take a commit or a repository that has it"),
        (
            {"model.safetensors": None, "pytorch_model.bin": b""},
            "it has no model.safetensors, only pytorch_model.bin, a pickle, which is not read; take",
        ),
        ({"tokenizer.json": None}, "it has no tokenizer.json, the file of a fast tokenizer, which is needed; take"),
        ({"tokenizer_config.json": None}, "it has no tokenizer_config.json; take"),
        ({"config.json": None}, "it has no config.json; take"),
    ],
)
def test_a_model_that_lacks_a_file_is_refused_before_anything_is_fetched(
    hub: Hub, download: Download, repository: str, tmp_path: Path, changes: dict[str, bytes | None], message: str
) -> None:
    write_commit(hub, "models", repository, MODEL | changes)
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert outcome.error.startswith(f"{repository} at commit {COMMIT}: {message}")
    assert [asked.path for asked in hub.requests] == [f"/api/models/{repository}/revision/{COMMIT}"]
    assert contents(tmp_path) == {}


INDEX = "model.safetensors.index.json"
FIRST, SECOND = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))


def index(*names: str) -> bytes:
    return json.dumps({"weight_map": {f"tensor{number}": name for number, name in enumerate(names)}}).encode()


def test_weights_in_several_files_come_with_their_index(
    hub: Hub, download: Download, repository: str, tmp_path: Path
) -> None:
    files = {name: content for name, content in MODEL.items() if name != "model.safetensors"}
    files |= {INDEX: index(FIRST, SECOND, FIRST), FIRST: b"1" * 1000, SECOND: b"2" * 1000}
    write_commit(hub, "models", repository, files)
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model", sha256="0" * 64))
    assert "sha256 is of one model.safetensors, and its weights are in several files; leave it out" in outcome.error
    hub.faults["GET", SECOND] = [Cut(10), 503, 503, 503, 503]
    assert "run again to continue" in download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error
    assert download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error is None
    assert contents(tmp_path / "model") == files
    assert hub.ranges(FIRST) == [None]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((FIRST, "model-9.safetensors"), "it has no model-9.safetensors, which model.safetensors.index.json names"),
        (("../up.safetensors",), "model.safetensors.index.json is not an index of weight files"),
        (("a/b.safetensors",), "model.safetensors.index.json is not an index of weight files"),
        (("pytorch_model.bin",), "model.safetensors.index.json is not an index of weight files"),
        ((), "model.safetensors.index.json is not an index of weight files"),
    ],
)
def test_an_index_of_files_that_are_not_beside_it_is_refused(
    hub: Hub, download: Download, repository: str, tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    write_commit(hub, "models", repository, MODEL | {"model.safetensors": None, INDEX: index(*names), FIRST: b"1"})
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "in" / "model"))
    assert outcome.error.startswith(f"{repository} at commit {COMMIT}: {message}")
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert not (tmp_path / "in" / "model").exists()


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:12], COMMIT.upper(), "refs/pr/1"])
@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_revision_that_moves_is_refused(
    hub: Hub, download: Download, tmp_path: Path, kind: str, revision: str
) -> None:
    arguments = {"revision": revision, "folder": tmp_path / "got"}
    more = {"repository": "org/x"} if kind == "model" else {"dataset": "org/x", "name": None, "splits": ["train"]}
    outcome = download(f"fetch_hub_{kind}", **arguments, **more)
    assert outcome.error == (
        f"org/x: revision is {revision!r}; give a commit, 40 hexadecimal digits, because branches and tags move"
    )
    assert hub.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_is_not_there_is_refused_at_once(
    hub: Hub, download: Download, repository: str, tmp_path: Path, kind: str
) -> None:
    write_commit(hub, f"{kind}s", repository, MODEL)
    for name, revision, message in (
        (repository, OTHER, "it has no such commit; take one from its history on the hub"),
        ("org/none", COMMIT, "there is no such repository, or it is private; check the name, or set HF_TOKEN"),
        ("a/b/c", COMMIT, "Repo id must be in the form 'repo_name' or 'namespace/repo_name': 'a/b/c'."),
    ):
        more = {"repository": name} if kind == "model" else {"dataset": name, "name": None, "splits": ["train"]}
        outcome = download(f"fetch_hub_{kind}", revision=revision, folder=tmp_path / "got", **more)
        assert outcome.error.startswith(f"{name} at commit {revision}: {message}")
        assert "\n" not in outcome.error
        assert outcome.waits == []
    assert list(tmp_path.iterdir()) == []


def test_a_gated_model_is_refused_at_once(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_commit(hub, "models", repository, MODEL)
    hub.gated.add(repository)
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert outcome.error == (
        f"{repository} at commit {COMMIT}: it is gated; accept its terms on its page of the hub, and give your token in"
        " HF_TOKEN"
    )
    assert outcome.waits == []
    assert not (tmp_path / "model").exists()


def test_the_token_stays_with_the_hub(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_commit(hub, "models", repository, MODEL)
    assert download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error is None
    sent = {asked.path.startswith("/stored/"): asked.token for asked in hub.requests}
    assert sent == {False: "Bearer secret", True: None}


@pytest.mark.parametrize("faults", [[503, 503], [429, 500], [DROP, 502]])
def test_a_busy_hub_is_asked_again(
    hub: Hub, download: Download, repository: str, tmp_path: Path, faults: list[int | Cut]
) -> None:
    write_commit(hub, "models", repository, MODEL)
    hub.faults["GET", f"/revision/{COMMIT}"] = faults
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert outcome.error is None
    assert outcome.waits == [2, 4]
    tries = [line for line in outcome.log if line.startswith(f"{repository} at commit {COMMIT}: ")]
    assert [line[-len("trying again in 2 s") :] for line in tries] == ["trying again in 2 s", "trying again in 4 s"]
    assert contents(tmp_path / "model") == MODEL


def test_a_hub_that_stays_busy_is_given_up(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_commit(hub, "models", repository, MODEL)
    hub.faults["GET", f"/revision/{COMMIT}"] = [503] * 4
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert re.fullmatch(
        rf"{repository} at commit {COMMIT}: {hub.url} does not answer: Server error '503 .*; run again .*",
        outcome.error,
    )
    assert outcome.waits == [2, 4, 8]
    assert len(hub.requests) == 4


#: Larger than the ten megabytes that the hub's library writes at once.
LARGE = MODEL | {"model.safetensors": np.random.default_rng(1).bytes(12_000_000)}
REST = f"bytes={10 * 2**20}-"


def test_a_download_that_is_cut_goes_on(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_commit(hub, "models", repository, LARGE)
    hub.faults["GET", "model.safetensors"] = [Cut(11_000_000)]
    assert download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error is None
    assert hub.ranges("model.safetensors") == [None, REST]
    assert contents(tmp_path / "model") == LARGE


def test_the_next_run_goes_on_where_one_was_given_up(
    hub: Hub, download: Download, repository: str, tmp_path: Path
) -> None:
    write_commit(hub, "models", repository, LARGE)
    hub.faults["GET", "model.safetensors"] = [Cut(11_000_000), 503, 503, 503, 503]
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert "does not answer" in outcome.error
    assert not (tmp_path / "model").exists()
    assert download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error is None
    assert hub.ranges("model.safetensors") == [None, *[REST] * 5]
    assert hub.ranges("config.json") == [None]
    assert contents(tmp_path) == {f"model/{name}": content for name, content in LARGE.items()}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(
    ("length", "reason"),
    [(-3, "file should be of size"), (0, "its hash is"), (3, "bytes come")],
    ids=["shorter", "as long", "longer"],
)
def test_a_page_in_place_of_a_file_is_refused_and_thrown_away(
    hub: Hub, download: Download, repository: str, tmp_path: Path, name: str, length: int, reason: str
) -> None:
    write_commit(hub, "models", repository, MODEL)
    hub.faults["GET", name] = [Page(b"<" * (len(MODEL[name]) + length))]
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert f"{COMMIT}: not the file that {hub.url} names: {name}: " in outcome.error and reason in outcome.error
    assert "\n" not in outcome.error and not (tmp_path / "model").exists()
    assert download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error is None
    assert hub.ranges(name) == [None, None]
    assert contents(tmp_path / "model") == MODEL


def test_a_page_in_place_of_a_file_of_a_dataset_is_refused_and_thrown_away(
    hub: Hub, download: Download, repository: str, tmp_path: Path
) -> None:
    table = b"text,label\n" + b"a text,1\n" * 20
    write_commit(hub, "datasets", repository, {"train.csv": table})
    hub.faults["GET", "train.csv"] = [Page(b"text,label\n" + b"sign in,1" + b" " * 171)]  # as long, and a table
    asked = {"dataset": repository, "revision": COMMIT, "splits": ["train"], "folder": tmp_path / "data"}
    outcome = download("fetch_hub_dataset", **asked)
    assert f"not the file that {hub.url} names: train.csv: its hash is" in outcome.error
    assert not (tmp_path / "data").exists()
    assert download("fetch_hub_dataset", **asked).error is None
    assert len(pd.read_parquet(tmp_path / "data/train.parquet")) == 20


def test_weights_with_another_hash_are_refused_and_not_kept(
    hub: Hub, download: Download, repository: str, tmp_path: Path
) -> None:
    write_commit(hub, "models", repository, MODEL)
    outcome = download("fetch_hub_model", **wanted(repository, tmp_path / "model", sha256="0" * 64))
    message = rf"{repository} at commit {COMMIT}: model.safetensors: its sha256 is \w+, expected 0+; it is damaged .*"
    assert re.fullmatch(message, outcome.error)
    assert not (tmp_path / "model").exists()
    # The hub states a hash itself. The rest of an earlier attempt is part of the checked file.
    (next(tmp_path.iterdir()) / "model.safetensors.incomplete").write_bytes(b"of something else")
    assert "its hash is" in download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error
    assert not (tmp_path / "model").exists()
    assert download("fetch_hub_model", **wanted(repository, tmp_path / "model")).error is None
    assert hub.ranges("model.safetensors") == [None, "bytes=17-", None]
    assert contents(tmp_path / "model") == MODEL


def test_without_the_network_the_reason_is_said_at_once(hub: Hub, home: Path, repository: str, tmp_path: Path) -> None:
    with downloading(hub, home, HF_HUB_OFFLINE="1") as offline:
        outcome = offline("fetch_hub_model", **wanted(repository, tmp_path / "model"))
    assert "offline mode is enabled. To disable it, please unset the `HF_HUB_OFFLINE`" in outcome.error
    assert outcome.waits == []


CLASSES = {"rte": ["entailment", "not_entailment"], "sst2": ["negative", "positive"]}
TEXTS = {"rte": ["sentence1", "sentence2"], "sst2": ["sentence"]}
SPLITS = {"train": 5, "validation": 3, "test": 2}


def rows(name: str, split: str) -> list[dict[str, Any]]:
    return [
        {**{text: f"{text} {index} of {split}" for text in TEXTS[name]}, "label": index % 2, "idx": index}
        for index in range(SPLITS[split])
    ]


def parquet(name: str, split: str) -> bytes:
    fields = [(text, pa.string()) for text in TEXTS[name]]
    schema = pa.schema([*fields, ("label", pa.int64()), ("idx", pa.int32())])
    stream = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows(name, split), schema), stream)
    return stream.getvalue().to_pybytes()


def path_of(name: str, split: str) -> str:
    return f"{name}/{split}-00000-of-00001.parquet"


def write_dataset(hub: Hub, repository: str) -> None:
    """A dataset of two configurations, with the card and the layout of GLUE on the hub."""
    card = {"configs": [], "dataset_info": []}
    for name, classes in CLASSES.items():
        names = {"class_label": {"names": {str(index): word for index, word in enumerate(classes)}}}
        features = [{"name": text, "dtype": "string"} for text in TEXTS[name]]
        features += [{"name": "label", "dtype": names}, {"name": "idx", "dtype": "int32"}]
        sizes = [{"name": split, "num_bytes": 9, "num_examples": count} for split, count in SPLITS.items()]
        card["dataset_info"].append({"config_name": name, "features": features, "splits": sizes})
        files = [{"split": split, "path": f"{name}/{split}-*"} for split in SPLITS]
        card["configs"].append({"config_name": name, "data_files": files})
    files = {path_of(name, split): parquet(name, split) for name in CLASSES for split in SPLITS}
    write_commit(hub, "datasets", repository, {"README.md": f"---\n{yaml.safe_dump(card)}---\n".encode(), **files})


def splits_of(repository: str, folder: Path, **changes: Any) -> dict[str, Any]:
    asked = {"dataset": repository, "revision": COMMIT, "name": "rte", "splits": list(SPLITS), "folder": folder}
    return asked | changes


@pytest.mark.parametrize(("name", "splits"), [("rte", ["train", "validation", "test"]), ("sst2", ["validation"])])
def test_splits_of_a_configuration_come_as_parquet(
    hub: Hub, download: Download, home: Path, repository: str, tmp_path: Path, name: str, splits: list[str]
) -> None:
    write_dataset(hub, repository)
    (home / repository).mkdir(parents=True)  # a local folder of that name, which must not be read
    folder = tmp_path / "data"
    for older in (folder, tmp_path / f".data.{COMMIT}.part" / "files"):
        older.mkdir(parents=True)
        (older / "dev.parquet").write_text("of an older try")
    outcome = download("fetch_hub_dataset", **splits_of(repository, folder, name=name, splits=splits))
    assert outcome.error is None
    assert contents(tmp_path).keys() == {f"data/{split}.parquet" for split in splits}
    for split in splits:
        table = pq.read_table(folder / f"{split}.parquet")
        assert table.to_pylist() == rows(name, split)
        assert [str(kind) for kind in table.schema.types] == [*["string"] * len(TEXTS[name]), "int64", "int32"]
    assert contents(home) == {}


#: What libraries take for missing or for a number, if they may.
STRANGE = ["NA", "null", "None", "nan", "N/A", "#N/A", "<NA>", "-nan", "007", "1e5", "True", "two\nlines", 'a "b", c']


def in_form(form: str, labels: list[Any]) -> bytes:
    """Strange texts with labels, in one form of file."""
    table = pd.DataFrame({"sentence": STRANGE, "label": labels})
    if form == "jsonl":
        return table.to_json(orient="records", lines=True).encode()
    if form == "parquet":
        return table.to_parquet(index=False)
    return table.to_csv(index=False, sep={"csv": ",", "tsv": "\t"}[form]).encode()


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("declared", [False, True])
def test_texts_are_texts_in_every_form_of_file(
    hub: Hub, download: Download, repository: str, tmp_path: Path, form: str, declared: bool
) -> None:
    # A number may be missing, where the dataset says that it is one.
    scores = [None if declared and index == 3 else index / 2 for index in range(len(STRANGE))]
    features = [{"name": "sentence", "dtype": "string"}, {"name": "label", "dtype": "float64"}]
    card = f"---\n{yaml.safe_dump({'dataset_info': {'features': features}})}---\n".encode()
    files = {f"data/{split}.{form}": in_form(form, scores) for split in SPLITS}
    write_commit(hub, "datasets", repository, files | ({"README.md": card} if declared else {}))
    outcome = download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data", name=None))
    assert outcome.error is None
    table = pq.read_table(tmp_path / "data/train.parquet")
    assert table["sentence"].to_pylist() == STRANGE and table["label"].to_pylist() == scores


def test_a_broken_row_of_a_csv_file_is_one_error(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_commit(hub, "datasets", repository, {f"{split}.csv": b"sentence,label\na,0\na,b,0\n" for split in SPLITS})
    outcome = download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data", name=None))
    message = "Error tokenizing data. C error: Expected 2 fields in line 3, saw 3"
    assert outcome.error == f"{repository} at commit {COMMIT}: {message}"
    assert outcome.waits == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": ["train", "dev"]}, "it has no split 'dev'; its splits are: train, validation, test"),
        ({"name": "mnli"}, "BuilderConfig 'mnli' not found. Available: ['rte', 'sst2']"),
        (
            {"name": None},
            "Config name is missing. Please pick one among the available configs: ['rte', 'sst2']",
        ),
    ],
)
def test_splits_and_configurations_that_are_not_there_are_refused(
    hub: Hub, download: Download, repository: str, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_dataset(hub, repository)
    outcome = download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data", **changes))
    assert outcome.error == f"{repository} at commit {COMMIT}: {message}"
    assert outcome.waits == []
    assert not (tmp_path / "data").exists()


def test_code_of_a_dataset_is_not_run(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_dataset(hub, repository)
    script = f"{repository.partition('/')[2]}.py"
    write_commit(hub, "datasets", repository, {script: b"raise SystemExit"})
    outcome = download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data"))
    message = f"Dataset scripts are no longer supported, but found {script}"
    assert outcome.error == f"{repository} at commit {COMMIT}: {message}"
    assert not (tmp_path / "data").exists()


def test_a_gated_dataset_is_refused_at_once(hub: Hub, download: Download, repository: str, tmp_path: Path) -> None:
    write_dataset(hub, repository)
    hub.gated.add(repository)
    outcome = download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data"))
    assert outcome.error == (
        f"{repository} at commit {COMMIT}: Dataset '{repository}' is a gated dataset on the Hub. You must be"
        " authenticated to access it."
    )
    assert outcome.waits == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("method", "file"), [("GET", f"/{path_of('rte', 'validation')}"), ("HEAD", "/README.md")])
def test_a_dataset_goes_on_where_a_busy_hub_left_it(
    hub: Hub, download: Download, repository: str, tmp_path: Path, method: str, file: str
) -> None:
    write_dataset(hub, repository)
    hub.faults[method, file] = [503] * 100
    outcome = download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data"))
    assert "does not answer: Server error '503" in outcome.error
    assert sum("trying again in" in line for line in outcome.log) == 3
    assert not (tmp_path / "data").exists()
    hub.faults.clear()
    hub.faults[method, file] = [503]
    assert download("fetch_hub_dataset", **splits_of(repository, tmp_path / "data")).error is None
    assert contents(tmp_path).keys() == {f"data/{split}.parquet" for split in SPLITS}
    assert hub.ranges(path_of("rte", "train")) == [None]


def test_the_cache_is_where_the_user_has_it(hub: Hub, home: Path, repository: str, tmp_path: Path) -> None:
    write_dataset(hub, repository)
    with downloading(hub, home, HF_HOME=str(tmp_path / "cache")) as cached:
        for folder in ("data", "again"):
            assert cached("fetch_hub_dataset", **splits_of(repository, tmp_path / folder)).error is None
    assert hub.ranges(path_of("rte", "train")) == [None]
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "data", "again"}
