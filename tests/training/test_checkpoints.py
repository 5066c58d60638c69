"""Trainings that are interrupted continue where they were, and come to the same bytes."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import multi_task_runs
import pytest
import torch
from safetensors.torch import save
from tiny_runs import encoded, run

from supertickets.errors import DivergedError, InterruptedRunError
from supertickets.training import checkpoints
from supertickets.training import loop as training

__all__ = ["encoded"]  # the fixture

#: The last step of the first epoch, and of the training, from 0: 72 examples in batches of 8, three epochs.
EPOCH, LAST = 8, 26
MADE = ("predictions.parquet", "model.safetensors")


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a signal sent to this process in the middle of some steps of the trainings to come."""

    def send(number: signal.Signals, *steps: int) -> None:
        waiting = list(steps)
        original = training.learning_rate

        def sending(step: int, *others: Any) -> float:
            if step in waiting:
                waiting.remove(step)
                os.kill(os.getpid(), number)
            return original(step, *others)

        monkeypatch.setattr(training, "learning_rate", sending)

    return send


@pytest.fixture
def undisturbed(encoded: Path, tiny: Path, tmp_path: Path) -> list[bytes]:
    return made(run(encoded, tiny, tmp_path / "undisturbed"))


def made(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in MADE]


@pytest.mark.parametrize("kind", ["adamw", "adamax"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_three_times_and_the_same_bytes(
    encoded: Path, tiny: Path, tmp_path: Path, send: Callable[..., None], precision: str, kind: str
) -> None:
    changes = {"precision": precision, "optimizer": kind}
    undisturbed = run(encoded, tiny, tmp_path / "undisturbed", **changes)
    out, steps = tmp_path / "stopped", (3, EPOCH, LAST)
    send(signal.SIGTERM, *steps)
    for step in steps:
        with pytest.raises(
            InterruptedRunError, match=rf"SIGTERM after step {step + 1} of the training; .* continues it"
        ):
            run(encoded, tiny, out, **changes)
        assert [path.name for path in out.iterdir()] == ["checkpoint.safetensors"]
    run(encoded, tiny, out, **changes)
    assert made(out) == made(undisturbed)
    records = [json.loads((folder / "record.json").read_text()) for folder in (undisturbed, out)]
    for key in ("losses", "steps", "inputs_sha256", "settings"):
        assert records[0][key] == records[1][key]
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint.finished", *sorted(MADE), "record.json"]


@pytest.mark.parametrize("sampler", ["proportional", "temperature"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_multi_task_training_continues_too(
    tiny: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    send: Callable[..., None],
    sampler: str,
    precision: str,
) -> None:
    files = multi_task_runs.encoded.__wrapped__(tmp_path_factory, tiny)
    tickets = dict(zip(multi_task_runs.DATA, multi_task_runs.TICKETS, strict=True))
    changes = {"sampler": sampler, "precision": precision}
    expected, undisturbed = multi_task_runs.run(files, tiny, tmp_path / "undisturbed", tickets, **changes)
    out, steps = tmp_path / "stopped", (2, 7, 8, 23)  # 8 steps an epoch
    send(signal.SIGTERM, *steps)
    for _ in steps:
        with pytest.raises(InterruptedRunError):
            multi_task_runs.run(files, tiny, out, tickets, **changes)
    record, _ = multi_task_runs.run(files, tiny, out, tickets, **changes)
    assert made(out) == made(undisturbed)
    for task, found in record["tasks"].items():
        assert found["losses"] == expected["tasks"][task]["losses"]
        assert found["steps"] == expected["tasks"][task]["steps"]


def test_at_an_interval(
    encoded: Path, tiny: Path, tmp_path: Path, undisturbed: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    clock = iter(range(1000))
    # Its own: other threads of this process look at the clock too.
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with caplog.at_level(logging.INFO):
        out = run(encoded, tiny, tmp_path / "run", minutes=10 / 60)
    assert sum(record.message.startswith("checkpoint after") for record in caplog.records) == 2  # reading takes a tick
    assert made(out) == undisturbed
    assert not (out / "checkpoint.safetensors").exists()


def test_a_stop_while_the_last_loss_is_read_is_not_lost(
    encoded: Path, tiny: Path, tmp_path: Path, undisturbed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, out = training._finite, tmp_path / "run"
    epochs = iter(range(3))

    def sending(loss: float, step: int, steps: int, *others: Any) -> float:
        if step == steps and next(epochs, None) == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(loss, step, steps, *others)

    monkeypatch.setattr(training, "_finite", sending)
    with pytest.raises(InterruptedRunError, match=rf"SIGTERM after step {LAST + 1} of the training; .* continues it"):
        run(encoded, tiny, out)
    assert [path.name for path in out.iterdir()] == ["checkpoint.safetensors"]
    assert made(run(encoded, tiny, out)) == undisturbed


def test_a_stop_that_no_step_sees_ends_the_process_all_the_same(tmp_path: Path) -> None:
    unseen = checkpoints.Checkpoints(tmp_path / "checkpoint.safetensors", {}, "training.run:train_run", 0)
    with pytest.raises(InterruptedRunError, match="SIGTERM at the end of the training"), unseen.claimed():
        unseen.watch()
        os.kill(os.getpid(), signal.SIGTERM)
    assert not list(tmp_path.iterdir())


def test_signals_do_what_they_did_before_once_training_has_ended(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in checkpoints.STOPPING]
    run(encoded, tiny, tmp_path / "run")
    assert [signal.getsignal(number) for number in checkpoints.STOPPING] == before


@pytest.fixture
def stopped(encoded: Path, tiny: Path, tmp_path: Path, send: Callable[..., None]) -> Path:
    """The folder of a run that was stopped half-way."""
    send(signal.SIGTERM, 12)
    with pytest.raises(InterruptedRunError):
        run(encoded, tiny, tmp_path / "stopped")
    return tmp_path / "stopped"


def flipped(content: bytes) -> bytes:
    """One bit of a weight is another."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        flipped,
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: b"\xff" * 100,
        lambda content: content.replace(b'\\"steps\\":13', b'\\"steps\\":14').replace(
            b'\\"steps\\": 13', b'\\"steps\\": 14'
        ),
        lambda content: save({"x": torch.zeros(1, dtype=torch.bfloat16)}, {"sha256": ""}),
    ],
    ids=["bit", "cut", "empty", "garbage", "progress", "bfloat16"],
)
def test_a_damaged_checkpoint_is_set_aside(
    encoded: Path,
    tiny: Path,
    stopped: Path,
    undisturbed: list[bytes],
    damage: Callable[[bytes], bytes],
    caplog: Any,
) -> None:
    path = stopped / "checkpoint.safetensors"
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    left = path.with_name(f".{path.name}.abc.safetensors")  # by a process that was killed
    left.touch()
    os.utime(left, (0, 0))
    run(encoded, tiny, stopped)
    assert not left.exists()
    assert f"checkpoint {path} is not used: it is damaged (" in caplog.text
    assert made(stopped) == undisturbed
    assert (stopped / "checkpoint.unusable").read_bytes() == damage(content) and not path.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"learning_rate": 2e-3}, "settings"), ({"seed": 2}, "run"), ({"precision": "bf16"}, "precision, settings")],
)
def test_a_checkpoint_of_other_settings_is_set_aside(
    encoded: Path, tiny: Path, tmp_path: Path, stopped: Path, changes: dict[str, Any], named: str, caplog: Any
) -> None:
    run(encoded, tiny, stopped, **changes)
    assert f"it belongs to a training with other {named}; it is set aside" in caplog.text
    assert made(stopped) == made(run(encoded, tiny, tmp_path / "anew", **changes))


def test_a_checkpoint_of_other_code_or_data_is_set_aside(
    encoded: Path,
    tiny: Path,
    stopped: Path,
    undisturbed: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: Any,
) -> None:
    monkeypatch.setattr(checkpoints, "code_of", lambda source: "edited")
    (tmp_path / "data").mkdir()
    for path in encoded.iterdir():
        (tmp_path / "data" / path.name).write_bytes(path.read_bytes())
    subset = json.loads((encoded / "subset.json").read_text())
    (tmp_path / "data" / "subset.json").write_text(json.dumps({"rows": subset["rows"][::-1]}))
    run(tmp_path / "data", tiny, stopped)
    assert "it belongs to a training with other code, inputs_sha256; " in caplog.text
    assert made(stopped) != undisturbed


def test_a_full_disk_stops_no_training(
    encoded: Path,
    tiny: Path,
    tmp_path: Path,
    send: Callable[..., None],
    undisturbed: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", full)
        out = run(encoded, tiny, tmp_path / "run", minutes=1e-9)
        assert "No space left on device; nothing is written there); the training continues without" in caplog.text
        assert made(out) == undisturbed
        send(signal.SIGTERM, 3)
        with pytest.raises(InterruptedRunError, match="after step 4 of the training; nothing of it is kept"):
            run(encoded, tiny, tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def test_a_diverged_training_leaves_no_checkpoint(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError):
        run(encoded, tiny, tmp_path / "run", minutes=1e-9, learning_rate=1e30)
    assert not list((tmp_path / "run").iterdir())
