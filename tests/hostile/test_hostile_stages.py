"""What one stage leaves to the next, damaged or of another encoder: one clear error, or set aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import TINY
from multi_task_runs import MULTI_TASK
from safetensors.torch import save_file
from tiny_runs import CPU, SETTINGS, encoded, run

from supertickets.call import run as call
from supertickets.data.subset import subsample
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import build, read_model
from supertickets.encoder.rewind import read_arrays, rewind, write_cut
from supertickets.encoder.ticket import Shape, Ticket, read_tickets
from supertickets.encoder.tokenise import tokenise
from supertickets.errors import UserError, reading
from supertickets.multi_task.loop import MultiTaskSettings
from supertickets.multi_task.run import shared_models, train_models
from supertickets.tickets.importance import score_units
from supertickets.training.choose_settings import choose_settings
from supertickets.training.settings import Settings, with_chosen

__all__ = ["encoded"]  # the fixture

HEADS = [[0, 1], [0], [3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads_per_layer": True}, "heads_per_layer is True; expected a number from 1"),
        ({"heads_per_layer": 4.5}, "heads_per_layer is 4.5; expected"),
        ({"heads_per_layer": 0}, "heads_per_layer is 0; expected"),
        ({"ffn": [0.5]}, r"ffn layers are \[0.5\]; expected ascending numbers from 0 to 2"),
        ({"ffn": [True]}, r"ffn layers are \[True\]; expected"),
        ({"heads": [[0.0, 1.5], [0], [1]]}, r"heads of layer 0 are \[0.0, 1.5\]; expected"),
        ({"heads": [[0, 1], {"0": 1}, [3]]}, r"heads of layer 1 are \['0'\]; expected"),
        ({"heads": 5}, "TypeError"),
    ],
)
def test_units_are_whole_numbers(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"a file: not a ticket \(.*{message}.*; delete it"):
        Ticket.of({"heads": HEADS, "ffn": [0], "heads_per_layer": 4} | change, "a file")


def test_a_ticket_of_an_encoder_with_more_heads(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "ticket.json").write_text(json.dumps({"heads": HEADS, "ffn": [0], "heads_per_layer": 8}))
    with pytest.raises(UserError, match=r"ticket.json: it has 3 layers of 8 heads, the encoder 3 of 4"):
        write_cut(
            read_arrays(tiny / "model.safetensors"), tiny / "config.json", tmp_path / "ticket.json", tmp_path / "cut"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["ticket.json"]
    with pytest.raises(UserError, match=r"ticket: it has 3 layers of 8 heads, the encoder 3 of 4"):
        build(TINY, Ticket.read(tmp_path / "ticket.json"), 2, 0.1)


@pytest.mark.parametrize("content", [[], {}, *({"rows": [0, row]} for row in ("a", 0.5, 120, 2**70, "test"))])
def test_subsets_that_are_none_of_this_task(encoded: Path, tmp_path: Path, content: Any) -> None:
    data = Encoded.read(encoded / "encoded.parquet")
    if content == {"rows": [0, "test"]}:
        content = {"rows": [int(data.first(part, 1)[0]) for part in ("train", "test")]}
    (tmp_path / "subset.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"subset.json: not (an object|as it was|a subset of this task's).* delete it"):
        data.chosen_rows(tmp_path / "subset.json")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("input_ids", "text", ""),
        ("label", "x", ""),
        ("label", None, ""),
        ("input_ids", [None], ""),
        ("token_type_ids", [0], "differ in their lengths"),
    ],
)
def test_encoded_tasks_of_other_types(encoded: Path, tmp_path: Path, column: str, value: Any, message: str) -> None:
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    table[column] = [value] * len(table)
    table.to_parquet(tmp_path / "encoded.parquet", index=False)
    with pytest.raises(UserError, match=rf"encoded.parquet: not an encoded task .*{message}.*; delete it"):
        Encoded.read(tmp_path / "encoded.parquet")


@pytest.mark.parametrize("label", [-1.0, 2.0, float("nan")])
def test_encoded_labels_that_are_none(encoded: Path, tiny: Path, tmp_path: Path, label: float) -> None:
    table = pq.read_table(encoded / "encoded.parquet")
    labels = table["label"].to_numpy().copy()
    labels[3] = label
    place = table.column_names.index("label")
    pq.write_table(table.set_column(place, "label", pa.array(labels)), tmp_path / "encoded.parquet")
    (tmp_path / "subset.json").write_bytes((encoded / "subset.json").read_bytes())
    with pytest.raises(UserError, match=rf"encoded.parquet: label of '.*' is {label}, not a class from 0 to 1; delete"):
        run(tmp_path, tiny, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("content", [[], {"layers": 3}, {"layers": "x"}, {"chosen": 1}])
def test_dimensions_that_are_none(tmp_path: Path, content: Any) -> None:
    (tmp_path / "file.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"file.json: not the dimensions of an encoder .*; delete it"):
        Shape.read(tmp_path / "file.json", 2)


def test_a_damaged_task_is_not_sampled(tmp_path: Path) -> None:
    (tmp_path / "task.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        subsample(tmp_path / "task.parquet", "all", 1, 0, tmp_path / "subset.json")
    assert not (tmp_path / "subset.json").exists()


def test_a_checkpoint_that_is_shorter_than_it_says(
    encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    path = out / "checkpoint.safetensors"
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**48], "data_offsets": [0, 2**50]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    run(encoded, tiny, out)
    assert any("is not used: it is damaged" in record.message for record in caplog.records)
    assert (out / "record.json").exists() and (out / "checkpoint.unusable").exists()


def test_too_little_memory_is_one_line() -> None:
    def full() -> None:
        """..."""
        raise MemoryError

    with pytest.raises(SystemExit, match="Error: not enough memory"):
        call(full, [])


@pytest.mark.parametrize("content", [[], {}, {"toy": 5}, {"other": Ticket.full(3, 4).as_json()}])
def test_files_of_tickets_without_a_ticket(tmp_path: Path, content: Any) -> None:
    (tmp_path / "tickets.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"tickets.json(, task toy)?: not .*; delete it"):
        read_tickets(tmp_path / "tickets.json", ["toy"])


@pytest.mark.parametrize("content", [[], {}])
def test_searches_without_a_score_or_a_choice(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "seed1/a.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"seed1/a.json: not .*; delete it"):
        choose_settings([1], {"a": {"epochs": 1}}, tmp_path / "chosen.json")
    with pytest.raises(UserError, match=r"seed1/a.json: not .*; delete it"):
        with_chosen(SETTINGS, path)
    path.write_text(json.dumps({"chosen": {"learning_rate": 0.1, "epochs": 0}}))
    assert with_chosen(SETTINGS, path) == SETTINGS | {"learning_rate": 0.1, "epochs": 0}


@pytest.mark.parametrize("column", ["id", "split", "text", "text_pair", "label"])
def test_tasks_that_lack_a_column(encoded: Path, tiny: Path, tmp_path: Path, column: str) -> None:
    pd.read_parquet(encoded / "toy.parquet").drop(columns=column).to_parquet(tmp_path / "toy.parquet")
    with pytest.raises(UserError, match=rf"toy.parquet: not a table of examples .*{column}[^\n]*; delete it"):
        tokenise(tiny, tmp_path / "toy.parquet", 16, tmp_path / "encoded.parquet")
    if column in ("split", "label"):
        with pytest.raises(UserError, match=rf"toy.parquet: not a table of examples .*{column}[^\n]*; delete it"):
            subsample(tmp_path / "toy.parquet", "all", 1, 1, tmp_path / "subset.json")
    assert [path.name for path in tmp_path.iterdir()] == ["toy.parquet"]


@pytest.mark.parametrize("change", [{"num_attention_heads": None}, {"hidden_size": "32"}, {"pad_token_id": "0"}])
def test_configs_that_a_ticket_is_not_cut_by(tiny: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    content = json.loads((tiny / "config.json").read_text()) | change
    kept = {key: value for key, value in content.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(kept))
    (tmp_path / "ticket.json").write_text(json.dumps(Ticket.full(3, 4).as_json()))
    with pytest.raises(UserError, match=rf"config.json (has no|says) {next(iter(change))}"):
        rewind(
            tiny / "model.safetensors", tmp_path / "config.json", tmp_path / "ticket.json", tmp_path / "cut.safetensors"
        )


def test_weights_that_do_not_fit_are_told_of_in_one_line(tiny: Path, tmp_path: Path) -> None:
    save_file({"bert.pooler.dense.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"model.safetensors: does not fit the model: .*; delete it") as raised:
        read_model(tiny / "config.json", tmp_path / "model.safetensors", None, 2, 0.1, torch.Generator())
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 700


@pytest.mark.parametrize(
    ("ids", "types", "message"),
    [
        ([99], [0], "token ids from 99 to 99; the encoder takes 0 to"),
        ([-1], [0], "token ids from -1"),
        ([5], [2], "token_type_ids from 2 to 2; the encoder takes 0 to 1"),
        ([], [], "numbers of tokens from 0 to 0; the encoder takes 1 to 32"),
        ([5] * 33, [0] * 33, "numbers of tokens from 33 to 33"),
    ],
)
def test_encoded_examples_beyond_the_encoder(
    encoded: Path, tiny: Path, tmp_path: Path, ids: list[int], types: list[int], message: str
) -> None:
    path = tmp_path / "encoded.parquet"
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    table.assign(input_ids=[ids] * len(table), token_type_ids=[types] * len(table)).to_parquet(path)
    (tmp_path / "subset.json").write_bytes((encoded / "subset.json").read_bytes())
    with pytest.raises(UserError, match=rf"encoded.parquet: {message}.*; delete it"):
        run(tmp_path, tiny, tmp_path / "run")
    files = [tiny / "config.json", tiny / "model.safetensors", path, tmp_path / "subset.json"]
    with pytest.raises(UserError, match=message):
        score_units(*files, 1, SETTINGS, ["sensitivity"], tmp_path / "importance.csv")
    tensors, models = shared_models(*files[:2], [Ticket.full(3, 4)], [Settings(**SETTINGS)], 1, CPU)
    with pytest.raises(UserError, match=message):
        train_models(tensors, models, [Encoded.read(path)], [np.arange(8)], CPU, MultiTaskSettings(**MULTI_TASK), 1)


def test_nothing_to_predict_is_found_before_training(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    table.assign(split="train").to_parquet(tmp_path / "encoded.parquet")
    (tmp_path / "subset.json").write_bytes((encoded / "subset.json").read_bytes())
    with pytest.raises(UserError, match=r"encoded.parquet: no examples of validation or test"):
        run(tmp_path, tiny, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_a_task_whose_text_is_no_text_is_not_sampled(encoded: Path, tmp_path: Path) -> None:
    table = pq.read_table(encoded / "toy.parquet").select(["label"])
    split = pa.array([b"tr\xff"] * len(table)).view(pa.string())
    pq.write_table(table.append_column("split", split), tmp_path / "task.parquet")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        subsample(tmp_path / "task.parquet", "all", 1, 0, tmp_path / "subset.json")


@pytest.mark.parametrize("column", ["id", "text", "text_pair"])
def test_a_task_whose_text_is_no_text_is_not_encoded(encoded: Path, tiny: Path, tmp_path: Path, column: str) -> None:
    table = pq.read_table(encoded / "toy.parquet")
    text = pa.array([b"tr\xff"] * len(table)).view(pa.string())
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, text), tmp_path / "task.parquet")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        tokenise(tiny, tmp_path / "task.parquet", 16, tmp_path / "encoded.parquet")
    assert not (tmp_path / "encoded.parquet").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_is_not_the_fault_of_a_file(error: Exception) -> None:
    with pytest.raises(type(error)), reading("a file", "a table"):
        raise error


@pytest.mark.parametrize("library", ["DefaultCPUAllocator: can't allocate memory: you\ntried", "CUDA out of memory."])
def test_too_little_memory_for_torch_is_one_line(library: str) -> None:
    def full() -> None:
        """..."""
        raise RuntimeError(library)

    with pytest.raises(SystemExit, match=r"^Error: not enough memory: [^\n]*$"):
        call(full, [])


def test_other_errors_of_torch_are_defects() -> None:
    def defect() -> None:
        """..."""
        raise RuntimeError("shapes do not match")

    with pytest.raises(SystemExit, match=r"^Error: RuntimeError: shapes do not match; this is a defect, unless a file"):
        call(defect, [])
