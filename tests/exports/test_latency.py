"""Latency is measured of the models that an export has, in turns, and a table is not measured twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from families import EACH_FAMILY
from made_up_runs import GRID, MAIN
from test_exports import LEAST, SOME, Trained, home  # noqa: F401  (a fixture)
from test_onnx import needs_extra

from supertickets.encoder.ticket import Shape, Ticket
from supertickets.errors import UserError
from supertickets.evaluation.latency import CONDITION, read_latency, usual
from supertickets.evaluation.median import median_interval
from supertickets.experiment.paths import ticket_file
from supertickets.exports import latency, timing
from supertickets.exports.folder import load
from supertickets.exports.latency import Place, measure_latency, measured, prepared, require_lengths, variants_of
from supertickets.exports.timing import WARM_UP, interleaved

GROUP = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
SETTINGS = {"backends": ["torch"], "batch_sizes": [1, 3], "lengths": [4, 7], "rounds": 30, "device": "cpu"}
FULL = Ticket.full(3, 4)


# Taking turns.


def test_every_round_calls_each_once_in_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def function(number: int) -> Callable[[], None]:
        def called() -> None:
            calls.append(number)
            clock[0] += 1 + number + len(calls) // 4 / 1000  # each round a little slower

        return called

    seconds = interleaved([function(number) for number in range(4)], 30)
    rounds = [tuple(calls[start : start + 4]) for start in range(0, len(calls), 4)]
    assert len(rounds) == 30 + WARM_UP and all(sorted(one) == [0, 1, 2, 3] for one in rounds)
    assert len({*rounds}) > 15  # of 24 orders
    firsts = [one[0] for one in rounds]
    assert {*firsts} == {0, 1, 2, 3} and firsts != sorted(firsts)
    assert seconds.shape == (30, 4) and (seconds.astype(int) == [1, 2, 3, 4]).all()
    assert (np.diff(seconds, axis=0) >= 0).all()  # in the order of the rounds, without the first
    calls.clear()
    interleaved([function(number) for number in range(4)], 30)
    assert [tuple(calls[start : start + 4]) for start in range(0, len(calls), 4)] == rounds


# What is measured.


def variants(trained: Trained) -> list[latency.Variant]:
    files = (trained.pretrained / "config.json", trained.pretrained / "model.safetensors")
    shape = Shape.read(trained.pretrained / "shape.json", 2)
    chosen = [(0.0, 1, FULL), (0.3, 2, SOME), (0.7, 1, LEAST)]
    return variants_of("tiny", *files, shape, chosen, 2)


@pytest.mark.parametrize("family", EACH_FAMILY)
def test_models_are_those_of_exports(tmp_path: Path, family: str) -> None:
    full, some, least = variants(Trained(tmp_path, family, SOME))
    folder = tmp_path / "export"
    exported = Trained(tmp_path / "exported", family, SOME)
    folder = exported.export()
    for built, path in ((full, folder / "dense"), (some, folder / "cut")):
        loaded = load(path)
        assert type(built.model) is type(loaded) and not built.model.training
        shapes = [{name: value.shape for name, value in one.state_dict().items()} for one in (built.model, loaded)]
        assert shapes[0] == shapes[1]
        # The same way to compute attention, which decides the time.
        ways = [[getattr(one.config, "_attn_implementation", None) for one in kind.modules() if hasattr(one, "config")]
                for kind in (built.model, loaded)]  # fmt: skip
        assert ways[0] == ways[1]
    assert [one.name for one in (full, some, least)] == ["tiny", "tiny-0.30", "tiny-0.70"]
    assert {value.dtype for value in some.model.state_dict().values() if value.is_floating_point()} == {torch.float32}
    sizes = [one.sizes(8) for one in (full, some, least)]
    assert sizes[0]["weight_remaining"] == 1 and sizes[0]["parameters"] > sizes[1]["parameters"]
    assert sizes[0]["multiply_adds"] > sizes[1]["multiply_adds"] > sizes[2]["multiply_adds"] > 0
    batch = some.batch(5, 8)
    assert {name: tuple(values.shape) for name, values in batch.items()} == dict.fromkeys(some.names, (5, 8))
    assert not (batch["input_ids"] == some.pad).any() and bool(batch["attention_mask"].all())
    function, size = prepared(some, Place("torch", "cpu", 1), tmp_path, 8)
    function(batch)()
    assert size == 4 * sizes[1]["parameters"]


def test_rows_are_medians_and_speed_ups_of_the_same_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    seconds = random.uniform(1, 2, (30, 3))
    monkeypatch.setattr(latency, "interleaved", lambda functions, rounds: seconds)
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    places = [Place("torch", "cpu", 1), Place("torch", "cpu", 2)]
    table = pd.DataFrame(measured(variants(Trained(tmp_path, "bert", SOME)), places, SETTINGS, tmp_path))
    assert threads == [1, 2] and len(table) == 2 * 2 * 2 * 3
    assert table.groupby(CONDITION, sort=False)["variant"].agg(tuple).unique().tolist() == [
        ("tiny", "tiny-0.30", "tiny-0.70")
    ]
    row = table.query("variant == 'tiny-0.70' and threads == 2 and batch_size == 3 and length == 7").iloc[0]
    names = ("milliseconds", "milliseconds_low", "milliseconds_high")
    assert tuple(row[list(names)]) == median_interval(1000 * seconds[:, 2], 0.95)
    names = ("speedup", "speedup_low", "speedup_high")
    assert tuple(row[list(names)]) == median_interval(seconds[:, 0] / seconds[:, 2], 0.95)
    assert (table.query("ratio == 0")[list(names)] == 1).all(axis=None)


# The stage.


class Measuring:
    """Made-up runs of a tiny encoder, and the job that measures them."""

    def __init__(self, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained = Trained(tmp_path / "model", "bert", SOME)
        self.results, self.count = tmp_path / "results", 0
        shutil.copytree(results / "scores/minilm/movie", self.results / "scores/minilm/movie")
        for seed in GRID["seeds"]:
            for ratio, ticket in ((0.1, SOME), (0.3, SOME), (0.5, LEAST)):
                run = {**GROUP, "seed": seed, "ratio": ratio, "draw": 1}
                path = self.results / ticket_file(run)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(ticket.as_json()))
        self.table = self.results / "latency/minilm/movie.csv"

        def counted(*args: Any) -> np.ndarray:
            self.count += 1
            return interleaved(*args)

        monkeypatch.setattr(latency, "interleaved", counted)
        monkeypatch.setattr(torch, "set_num_threads", lambda count: None)

    def __call__(self, threads: int = 2, rivals: tuple[str, ...] = (), **settings: Any) -> None:
        pretrained = self.trained.pretrained
        for rival in rivals:
            shutil.copytree(pretrained, self.results / "pretrained" / rival, dirs_exist_ok=True)
        measure_latency(
            self.results, MAIN, GROUP, "accuracy", SETTINGS | settings, [*rivals], 2, threads,
            *(pretrained / name for name in ("config.json", "model.safetensors", "shape.json")),
            self.table, self.table.with_suffix(".json"),
        )  # fmt: skip


@pytest.fixture
def measuring(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measuring:
    return Measuring(results, tmp_path, monkeypatch)


def test_the_table_has_each_ratio_s_best_seed_in_each_place(measuring: Measuring) -> None:
    measuring()
    table, machines = read_latency(measuring.results, [GROUP])
    assert len(table) == 4 * 2 * 2 * 2 and set(table["threads"]) == {1, 2} and set(table["rounds"]) == {30}
    scores = pd.read_parquet(measuring.results / "scores/minilm/movie/n64/winning.parquet")
    scores = scores.query("split == 'validation' and metric == 'accuracy'")
    for ratio, rows in table.groupby("ratio"):
        best = scores[np.isclose(scores["ratio"], ratio)].sort_values(["value", "seed"], ascending=[False, True])
        assert set(rows["seed"]) == {best["seed"].iloc[0]}
    assert (table["milliseconds_low"] <= table["milliseconds"]).all() and (table["milliseconds_low"] > 0).all()
    machine = machines["minilm", "movie"]
    assert machine["processor"] and machine["precision"] == "float32" and "transformers" in machine["versions"]
    assert set(usual(table)["threads"]) == {2} and len(usual(table)) == 16


def test_rivals_are_measured_in_the_same_rounds(measuring: Measuring) -> None:
    measuring(batch_sizes=[1], lengths=[4])
    count = measuring.count
    measuring(rivals=("other", "third"), batch_sizes=[1], lengths=[4])
    assert measuring.count == 2 * count  # of the models together
    table, _ = read_latency(measuring.results, [GROUP], rivals=True)
    assert table.groupby("threads")["variant"].agg(list).iloc[0][-2:] == ["other", "third"]
    rivals = table[table["ratio"].isna()]
    assert len(table) == 2 * (4 + 2) and len(rivals) == 4
    assert rivals[["seed", "weight_remaining"]].isna().all(axis=None)
    full = table[table["ratio"] == 0].iloc[0]
    same = ["parameters", "multiply_adds", "bytes"]  # as the made-up rivals are this encoder
    assert (rivals[same] == full[same]).all(axis=None) and (rivals["speedup_low"] != 1).any()
    own, _ = read_latency(measuring.results, [GROUP])
    assert len(own) == 8 and ",2.0," not in measuring.table.read_text()  # seeds are whole numbers
    config = measuring.results / "pretrained/third/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 3}))
    with pytest.raises(UserError, match=r"latency.lengths has 7: third takes at most 3 tokens"):
        measure_latency(
            measuring.results, MAIN, GROUP, "accuracy", SETTINGS, ["other", "third"], 2, 2,
            *(measuring.trained.pretrained / name for name in ("config.json", "model.safetensors", "shape.json")),
            measuring.table, measuring.table.with_suffix(".json"),
        )  # fmt: skip


def test_one_core_has_one_number_of_threads(measuring: Measuring) -> None:
    measuring(threads=1)
    assert set(pd.read_csv(measuring.table)["threads"]) == {1}


def test_a_finished_table_is_taken_over_unless_what_it_measured_has_changed(
    measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring()
    content, count = measuring.table.read_bytes(), measuring.count
    measuring.table.unlink()  # as Snakemake does before it repeats a job
    measuring()
    assert measuring.table.read_bytes() == content and measuring.count == count == 8
    measuring(rounds=31)
    assert measuring.count == 2 * count
    for path in measuring.results.glob("runs/minilm/movie/n64/*/tickets/winning-0.50.json"):
        path.write_text(json.dumps(SOME.as_json()))
    measuring(rounds=31)
    assert measuring.count == 3 * count
    monkeypatch.setattr(latency, "machine_of", lambda *_: {"processor": "another", "cores": 1, "versions": {}})
    measuring(rounds=31)
    assert measuring.count == 4 * count
    monkeypatch.setattr(latency, "code_of", lambda *_: "another")
    measuring(rounds=31)
    assert measuring.count == 5 * count


def test_undefined_scores_choose_the_first_seed(measuring: Measuring) -> None:
    path = measuring.results / "scores/minilm/movie/n64/winning.parquet"
    scores = pd.read_parquet(path)
    scores.assign(value=scores["value"].where(scores["ratio"] != 0.3)).to_parquet(path)
    measuring(batch_sizes=[1], lengths=[4])
    table = pd.read_csv(measuring.table)
    assert set(table.loc[table["ratio"] == 0.3, "seed"]) == {1}


def test_lengths_that_an_encoder_has_no_positions_for(measuring: Measuring, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"latency.lengths has 33: minilm takes at most 32 tokens"):
        measuring(lengths=[4, 33])
    assert not measuring.table.exists()
    roberta = {"model_type": "roberta", "max_position_embeddings": 34, "pad_token_id": 1}
    require_lengths(roberta, [32], "r", tmp_path)
    with pytest.raises(UserError, match="r takes at most 32 tokens"):
        require_lengths(roberta, [33], "r", tmp_path)


def test_without_the_extra_its_backends_are_refused_before_anything_is_measured(
    measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supertickets.exports.to_onnx.find_spec", lambda name: None)
    with pytest.raises(UserError, match="ONNX needs onnx, onnxscript, onnxruntime, not installed: pip install -r"):
        measuring(backends=["torch", "int8"])
    assert measuring.count == 0 and not measuring.table.exists()


@needs_extra
@pytest.mark.parametrize("family", EACH_FAMILY)
def test_onnx_is_measured_of_the_same_models(tmp_path: Path, family: str) -> None:
    chosen = variants(Trained(tmp_path, family, SOME))[:2]
    (tmp_path / "files").mkdir()
    places = [Place("onnx", "cpu", 1), Place("int8", "cpu", 1)]
    settings = {**SETTINGS, "batch_sizes": [2], "lengths": [7]}
    table = pd.DataFrame(measured(chosen, places, settings, tmp_path / "files"))
    assert table[["backend", "variant"]].to_numpy().tolist() == [
        [backend, name] for backend in ("onnx", "int8") for name in ("tiny", "tiny-0.30")
    ]
    files = [f"{name}/{backend}.onnx" for backend in ("onnx", "int8") for name in ("tiny", "tiny-0.30")]
    assert table["bytes"].tolist() == [(tmp_path / "files" / name).stat().st_size for name in files]
    batch = chosen[1].batch(2, 7)
    with torch.inference_mode():
        expected = chosen[1].model(**batch).logits.numpy()
    function, _ = prepared(chosen[1], places[0], tmp_path / "files", 7)
    np.testing.assert_allclose(function(batch)()[0], expected, rtol=1e-4, atol=1e-5)


@needs_extra
def test_files_in_int8_are_made_measured_and_not_left_behind(measuring: Measuring) -> None:
    measuring(threads=1, backends=["int8"], batch_sizes=[1], lengths=[4])
    table, machines = read_latency(measuring.results, [GROUP])
    assert set(table["backend"]) == {"int8"} and "onnxruntime" in machines["minilm", "movie"]["versions"]
    assert {path.name for path in measuring.table.parent.iterdir()} == {"movie.csv", "movie.json", "movie.finished"}
