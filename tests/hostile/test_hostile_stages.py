"""What one stage leaves to the next, damaged or of another encoder: one clear error, or set aside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from conftest import PROJECT, TINY
from jsonschema import Draft202012Validator
from multi_task_runs import MULTI_TASK
from safetensors.torch import load_file, save_file
from tiny_runs import CPU, SETTINGS, encoded, run

from supertickets.call import run as call
from supertickets.data.subset import subsample
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import build, read_model
from supertickets.encoder.rewind import read_arrays, rewind, write_cut
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.encoder.tokenise import tokenise
from supertickets.encoder.weights import read_weights
from supertickets.errors import UserError
from supertickets.evaluation.columns import read_table
from supertickets.evaluation.results import chosen_ratio, read_groups
from supertickets.experiment.paths import ticket_file
from supertickets.experiment.settings import SHORT
from supertickets.multi_task.adaptation_ticket import draw_adaptation_ticket
from supertickets.multi_task.loop import MultiTaskSettings
from supertickets.multi_task.run import shared_models, train_models, train_multi_task
from supertickets.multi_task.share_tickets import share_tickets
from supertickets.tickets.importance import score_units
from supertickets.training.choose_settings import choose_settings
from supertickets.training.run import train_run
from supertickets.training.settings import SEARCHED, Settings, with_chosen

__all__ = ["encoded"]  # the fixture

HEADS = [[0, 1], [0], [3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads_per_layer": True}, "True is not a whole number"),
        ({"heads_per_layer": 4.5}, "4.5 is not a whole number"),
        ({"ffn": [0.5]}, "0.5 is not a whole number"),
        ({"ffn": [True]}, "True is not a whole number"),
        ({"heads": [[0.0, 1.5], [0], [1]]}, "0.0 is not a whole number"),
        ({"ffn": {}}, "{} is not a list of units"),
        ({"ffn": ""}, "'' is not a list of units"),
        ({"heads": [[0, 1], {"0": 1}, [3]]}, "{'0': 1} is not a list of units"),
        ({"heads_per_layer": 2**62}, "ticket: heads_per_layer is 4,611,.*; it is from 1 to 4,096"),
        ({"heads_per_layer": 0}, "ticket: heads_per_layer is 0; it is from 1 to 4,096"),
    ],
)
def test_units_are_whole_numbers(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"a file: not a ticket: {message}"):
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


@pytest.mark.parametrize("content", [[], {}, {"rows": []}, {"rows": ["a"]}, {"rows": [0.5]}, {"rows": [True]}])
def test_subsets_that_are_none(encoded: Path, tmp_path: Path, content: Any) -> None:
    (tmp_path / "subset.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"subset.json: not a subset: rows is .* delete it"):
        Encoded.read(encoded / "encoded.parquet").chosen_rows(tmp_path / "subset.json")


@pytest.mark.parametrize("row", [-1, 120, 2**70])
def test_subsets_of_other_tasks(encoded: Path, tmp_path: Path, row: int) -> None:
    (tmp_path / "subset.json").write_text(json.dumps({"rows": [0, row]}))
    with pytest.raises(UserError, match=rf"subset.json: row {row}: the task has 120"):
        Encoded.read(encoded / "encoded.parquet").chosen_rows(tmp_path / "subset.json")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("input_ids", "text", "not an encoded task"),
        ("input_ids", [1.5], "not an encoded task"),
        ("label", "x", "not an encoded task"),
        ("label", None, "label has null values"),
        ("input_ids", [None], "input_ids has null values"),
        ("token_type_ids", [0], "differ in their lengths"),
    ],
)
def test_encoded_tasks_of_other_types(encoded: Path, tmp_path: Path, column: str, value: Any, message: str) -> None:
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    table[column] = [value] * len(table)
    table.to_parquet(tmp_path / "encoded.parquet", index=False)
    with pytest.raises(UserError, match=rf"encoded.parquet: .*{message}"):
        Encoded.read(tmp_path / "encoded.parquet")


@pytest.mark.parametrize("label", [-100.0, -1.0, 0.5, 2.0, float("nan"), float("inf")])
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
def test_dimensions_and_choices_that_are_none(tmp_path: Path, content: Any) -> None:
    (tmp_path / "file.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"file.json: not the dimensions of an encoder"):
        Shape.read(tmp_path / "file.json", 2)
    with pytest.raises(UserError, match=r"file.json: chosen is .*, no settings"):
        with_chosen(SETTINGS, tmp_path / "file.json")


@pytest.mark.parametrize(("key", "value"), [("heads", 0), ("layers", 2**62), ("heads", 4097)])
def test_a_dimension_that_can_not_be(tiny: Path, tmp_path: Path, key: str, value: int) -> None:
    content = json.loads((tiny / "shape.json").read_text())
    (tmp_path / "shape.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(UserError, match=rf"shape.json: not the dimensions of an encoder: .*'{key}': {value}"):
        Shape.read(tmp_path / "shape.json", 2)


@pytest.mark.parametrize("folder", ["scores", "comparisons"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe,\x00\n", b'"a'])
def test_tables_of_groups_that_are_none(tmp_path: Path, folder: str, content: bytes) -> None:
    group = {"model": "m", "task": "t", "train_size": "all", "kind": "winning"}
    with pytest.raises(UserError, match="not a table") as raised:
        read_groups(tmp_path, folder, [group], {})
    path = Path(str(raised.value).partition(":")[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not a table .*; delete it"):
        read_groups(tmp_path, folder, [group], {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ratio,weight_remaining\n", "no rows"),
        ("ratio,weight\n0.3,0.8\n", "no numbers in a column 'weight_remaining'"),
        ("ratio,weight_remaining\nhalf,0.8\n", "no numbers in a column 'ratio'"),
        ("ratio,weight_remaining\nTrue,0.8\n", "no numbers in a column 'ratio'"),
    ],
)
def test_tables_that_lack_what_is_read(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(UserError, match=rf"table.csv: not a table as it was written: {message}; delete it"):
        read_table(tmp_path / "table.csv", "ratio", "weight_remaining")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ratio\n0.3\n0.4\n", "not one ratio"),
        ("ratio\n1.3\n", "not one ratio"),
        ("task\nmovie\n", ".*no numbers in a column 'ratio'"),
        ("", "not a table"),
    ],
)
def test_a_selection_that_chooses_nothing(tmp_path: Path, content: str, message: str) -> None:
    trial = {"model": "m", "task": "t", "train_size": 180}
    path = tmp_path / "selections/m/t/n180/winning.csv"
    path.parent.mkdir(parents=True)
    path.write_text("model,ratio\nm,0.3\n")
    assert chosen_ratio(tmp_path, trial, 1) == 0.3
    path.write_text("model,ratio\nm,1.0\n")  # everything but a head of each layer
    assert chosen_ratio(tmp_path, trial, 1) == 1
    path.write_text(content)
    with pytest.raises(UserError, match=rf"winning.csv: {message}.*; delete it"):
        chosen_ratio(tmp_path, trial, 1)


def test_a_damaged_task_is_not_sampled(tmp_path: Path) -> None:
    (tmp_path / "task.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        subsample(tmp_path / "task.parquet", "all", 1, 0, tmp_path / "subset.json")
    assert not (tmp_path / "subset.json").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "shorter"])
def test_checkpoints_that_are_no_files_or_shorter_than_they_say(
    encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    path = out / "checkpoint.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
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


@pytest.mark.parametrize("content", [[], {}, {"layers": 3}, 5])
def test_dimensions_that_are_none_are_not_shared(tmp_path: Path, content: Any) -> None:
    (tmp_path / "shape.json").write_text(json.dumps(content))
    trials = [{"model": "tiny", "task": "toy", "train_size": 32, "seed": 1}]
    with pytest.raises(UserError, match=r"shape.json: not the dimensions of an encoder"):
        share_tickets(tmp_path, trials, "full", {}, tmp_path / "shape.json", {"toy": 2}, tmp_path / "tickets.json")


def test_tickets_of_another_encoder_are_not_shared(tiny: Path, tmp_path: Path) -> None:
    trial = {"model": "tiny", "task": "toy", "train_size": 32, "seed": 1}
    path = tmp_path / ticket_file({**trial, "kind": "winning", "ratio": 0.3, "draw": 1})
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(Ticket.full(2, 4).as_json()))
    with pytest.raises(UserError, match=r"winning-0.30.json: it has 2 layers of 4 heads, the encoder 3 of 4"):
        share_tickets(
            tmp_path, [trial], "super", {"toy": 0.3}, tiny / "shape.json", {"toy": 2}, tmp_path / "tickets.json"
        )


@pytest.mark.parametrize("content", [[], {}, 5, {"toy": 5}, {"toy": Ticket.full(2, 4).as_json()}])
@pytest.mark.parametrize("ticket", ["own", "union"])
def test_files_of_tickets_without_a_ticket(tiny: Path, tmp_path: Path, ticket: str, content: Any) -> None:
    (tmp_path / "tickets.json").write_text(json.dumps(content))
    run = {"model": "tiny", "task": "toy", "train_size": 32, "seed": 1, "mode": "super", "ticket": ticket}
    with pytest.raises(UserError, match=r"tickets.json(, task toy)?: (not a ticket|it has 2 layers)"):
        draw_adaptation_ticket(
            tmp_path / "tickets.json", run, tiny / "shape.json", {"outputs": 2}, tmp_path / "ticket.json"
        )


@pytest.mark.parametrize("content", [[], {}, 5, {"other": Ticket.full(3, 4).as_json()}])
def test_no_training_on_several_tasks_without_tickets(encoded: Path, tiny: Path, tmp_path: Path, content: Any) -> None:
    (tmp_path / "tickets.json").write_text(json.dumps(content))
    files = {"encoded": str(encoded / "encoded.parquet"), "subset": str(encoded / "subset.json")}
    with pytest.raises(UserError, match=r"tickets.json(, task toy)?: not a ticket.*; delete"):
        train_multi_task(
            tiny / "config.json", tiny / "model.safetensors", tiny / "shape.json", tmp_path / "tickets.json",
            {"toy": files | {"settings": SETTINGS}}, {"model": "tiny", "mode": "super", "seed": 1}, MULTI_TASK,
            *(tmp_path / name for name in ("record.json", "predictions.parquet", "model.safetensors")),
        )  # fmt: skip


@pytest.mark.parametrize("content", [[], {}, {"score": "x"}, {"score": True}, {"score": float("nan")}])
def test_searches_without_a_score(tmp_path: Path, content: Any) -> None:
    (tmp_path / "seed1").mkdir()
    (tmp_path / "seed1/a.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"seed1/a.json: not the score of a choice: .*; delete"):
        choose_settings([1], {"a": {"epochs": 1}}, tmp_path / "chosen.json")


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"batch_size": 0},
        {"batch_size": 8.0},
        {"batch_size": True},
        {"learning_rate": "x"},
        {"learning_rate": 0},
        {"learning_rate": 1.5},
        {"learning_rate": float("nan")},
        {"epochs": -1},
        {"outputs": 2},
        {"epochs": 1, "nonsense": 1},
    ],
)
def test_choices_that_are_no_settings(tmp_path: Path, chosen: dict[str, Any]) -> None:
    (tmp_path / "chosen.json").write_text(json.dumps({"chosen": chosen}))
    with pytest.raises(UserError, match=r"chosen.json: chosen is .*, no settings; delete"):
        with_chosen(SETTINGS, tmp_path / "chosen.json")


def test_choices_are_taken_as_the_schema_has_them(tmp_path: Path) -> None:
    assert SEARCHED.keys() == SHORT.keys()
    schema = yaml.safe_load((PROJECT / "workflow/schemas/config.schema.yaml").read_text())["$defs"]["training"]
    for name, taken in SEARCHED.items():
        check = Draft202012Validator({"type": ["number"]} | schema["properties"][name]).is_valid
        for value in (-1, 0, 1e-9, 0.5, 1, 2, 8, 1e9):
            assert taken(value) == (check(value) and (name == "learning_rate" or isinstance(value, int))), (name, value)
    (tmp_path / "chosen.json").write_text(json.dumps({"chosen": {"learning_rate": 0.1, "epochs": 0}}))
    assert with_chosen(SETTINGS, tmp_path / "chosen.json") == SETTINGS | {"learning_rate": 0.1, "epochs": 0}


@pytest.mark.parametrize("column", ["id", "split", "text", "text_pair", "label"])
def test_tasks_that_lack_a_column(encoded: Path, tiny: Path, tmp_path: Path, column: str) -> None:
    pd.read_parquet(encoded / "toy.parquet").drop(columns=column).to_parquet(tmp_path / "toy.parquet")
    with pytest.raises(UserError, match=rf"toy.parquet: not a table .*{column}[^\n]*; delete it"):
        tokenise(tiny, tmp_path / "toy.parquet", 16, tmp_path / "encoded.parquet")
    if column in ("split", "label"):
        with pytest.raises(UserError, match=rf"toy.parquet: not a table .*{column}[^\n]*; delete it"):
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_weights_of_other_numbers(tiny: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "model.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(tiny / "model.safetensors").items()}, path)
    for read in (read_arrays, read_weights):
        with pytest.raises(UserError, match=r"model.safetensors: holds other numbers than float32.*; delete it"):
            read(path)


def test_weights_that_do_not_fit_are_told_of_in_one_line(tiny: Path, tmp_path: Path) -> None:
    save_file({"bert.pooler.dense.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"model.safetensors: does not fit the model: .*; delete it") as raised:
        read_model(tiny / "config.json", tmp_path / "model.safetensors", None, 2, 0.1, torch.Generator())
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 700


@pytest.mark.parametrize(
    ("ids", "message"),
    [([99], r"token ids from 99 to 99"), ([-1], r"token ids from -1"), ([], "example .* has no token")],
)
def test_encoded_tokens_beyond_the_vocabulary(
    encoded: Path, tiny: Path, tmp_path: Path, ids: list[int], message: str
) -> None:
    path = tmp_path / "encoded.parquet"
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    pd.DataFrame(table.assign(input_ids=[ids] * len(table), token_type_ids=[[0] * len(ids)] * len(table))).to_parquet(
        path
    )
    (tmp_path / "subset.json").write_bytes((encoded / "subset.json").read_bytes())
    with pytest.raises(UserError, match=rf"encoded.parquet: {message}.*; delete it"):
        run(tmp_path, tiny, tmp_path / "run")
    files = [tiny / "config.json", tiny / "model.safetensors", path, tmp_path / "subset.json"]
    with pytest.raises(UserError, match=rf"encoded.parquet: {message}"):
        score_units(*files, 1, SETTINGS, ["sensitivity"], tmp_path / "importance.csv")
    own = [Settings(**SETTINGS)]
    tensors, models = shared_models(*files[:2], [Ticket.full(3, 4)], own, 1, CPU)
    with pytest.raises(UserError, match=rf"encoded.parquet: {message}"):
        train_models(tensors, models, [Encoded.read(path)], [np.arange(8)], CPU, MultiTaskSettings(**MULTI_TASK), 1)


@pytest.mark.parametrize(
    ("types", "length", "message"),
    [
        (2, 4, "token_type_ids from 2 to 2; the encoder has 2 types"),
        (127, 4, "token_type_ids from 127"),
        (-1, 4, "token_type_ids from -1"),
        (0, 33, "has 33 tokens; the encoder takes at most 32"),
        (0, 2000, "has 2000 tokens"),
    ],
)
def test_encoded_types_and_positions_beyond_the_encoder(
    encoded: Path, tiny: Path, tmp_path: Path, types: int, length: int, message: str
) -> None:
    path = tmp_path / "encoded.parquet"
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    table = table.assign(input_ids=[[5] * length] * len(table), token_type_ids=[[types] * length] * len(table))
    table.to_parquet(path)
    (tmp_path / "subset.json").write_bytes((encoded / "subset.json").read_bytes())
    with pytest.raises(UserError, match=rf"encoded.parquet: .*{message}.*; delete it"):
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


def test_subsets_are_of_training_examples_each_once(encoded: Path, tmp_path: Path) -> None:
    data = Encoded.read(encoded / "encoded.parquet")
    train, test = data.first("train", 1)[0], data.first("test", 1)[0]
    for rows, message in (([train, test], f"row {test}: its part is 'test', not train"), ([train, train], "2 rows, 1")):
        (tmp_path / "subset.json").write_text(json.dumps({"rows": [int(row) for row in rows]}))
        with pytest.raises(UserError, match=rf"subset.json: {message}.*; delete it"):
            data.chosen_rows(tmp_path / "subset.json")


@pytest.mark.parametrize("change", [{"parameters": 1}, {"hidden": 1_000_000}, {"ffn": 10**9}])
def test_dimensions_that_contradict_each_other(tiny: Path, tmp_path: Path, change: dict[str, int]) -> None:
    content = json.loads((tiny / "shape.json").read_text())
    (tmp_path / "shape.json").write_text(json.dumps(content | change))
    with pytest.raises(UserError, match=r"shape.json: parameters is .*, its heads and .*; delete it"):
        Shape.read(tmp_path / "shape.json", 2)


def test_a_task_whose_text_is_no_text_is_not_sampled(encoded: Path, tmp_path: Path) -> None:
    table = pq.read_table(encoded / "toy.parquet").select(["label"])
    split = pa.array([b"tr\xff"] * len(table)).view(pa.string())
    pq.write_table(table.append_column("split", split), tmp_path / "task.parquet")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        subsample(tmp_path / "task.parquet", "all", 1, 0, tmp_path / "subset.json")


def test_a_subset_of_another_size_is_not_trained_on(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"subset.json: \d+ rows; train_size is 5; delete it"):
        train_run(
            config=tiny / "config.json",
            weights=tiny / "model.safetensors",
            encoded=encoded / "encoded.parquet",
            subset=encoded / "subset.json",
            run={"model": "tiny", "task": "toy", "train_size": 5, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1},
            settings=SETTINGS,
            record=tmp_path / "record.json",
            predictions=tmp_path / "predictions.parquet",
            shape=tiny / "shape.json",
        )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("column", ["id", "text", "text_pair"])
def test_a_task_whose_text_is_no_text_is_not_encoded(encoded: Path, tiny: Path, tmp_path: Path, column: str) -> None:
    table = pq.read_table(encoded / "toy.parquet")
    text = pa.array([b"tr\xff"] * len(table)).view(pa.string())
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, text), tmp_path / "task.parquet")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        tokenise(tiny, tmp_path / "task.parquet", 16, tmp_path / "encoded.parquet")
    assert not (tmp_path / "encoded.parquet").exists()


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

    with pytest.raises(RuntimeError, match="shapes"):
        call(defect, [])
