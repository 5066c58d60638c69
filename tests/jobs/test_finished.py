"""What a finished training keeps until Snakemake has taken note of it, and who may do a training."""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import encoded, run

from supertickets.errors import InterruptedRunError
from supertickets.jobs import clock, finished, locks
from supertickets.jobs.finished import IDENTITY, SUFFIX, forget_noted
from supertickets.training import checkpoints
from supertickets.training import loop as training

__all__ = ["encoded"]  # the fixture

MADE = ("model.safetensors", "predictions.parquet", "record.json")


def made(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in MADE]


def lose(folder: Path, *names: str) -> None:
    """Delete what was made, as Snakemake does with what it has not seen the end of."""
    for name in names or MADE:
        (folder / name).unlink()


def test_it_is_taken_over(encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    assert (out / MADE[0]).stat().st_nlink == 2  # no space of its own
    lose(out)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        run(encoded, tiny, out)
    assert made(out) == before  # the record holds the seconds of the first time
    assert "finished before, and taken over from" in caplog.text and "epoch" not in caplog.text


@pytest.mark.parametrize("what", ["settings", "code", "a file less", "damaged", "a file that was not asked for"])
def test_it_is_not_taken_over_for_another_training(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    out = run(encoded, tiny, tmp_path / "run", keep=what != "a file that was not asked for")
    record = (out / "record.json").read_bytes()
    kept = out / f"checkpoint{SUFFIX}"
    if what == "code":
        monkeypatch.setattr(checkpoints, "code_of", lambda source: "edited")
    elif what == "a file less":
        (kept / "predictions.parquet").unlink()
    elif what == "damaged":
        (kept / IDENTITY).write_bytes(b"\xff{")
    run(encoded, tiny, out, **({"learning_rate": 2e-3} if what == "settings" else {}))
    assert (out / "record.json").read_bytes() != record
    assert json.loads((kept / IDENTITY).read_text())["run"]["task"] == "toy"


def test_a_disk_without_second_names_or_room_stops_no_training(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*arguments: Any) -> None:
        raise OSError("refused")

    monkeypatch.setattr(finished.os, "link", refused)
    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    lose(out)
    run(encoded, tiny, out)
    assert made(out) == before
    monkeypatch.setattr(finished.shutil, "copyfile", refused)
    other = run(encoded, tiny, tmp_path / "other")
    assert "is not kept (refused)" in caplog.text
    assert sorted(path.name for path in other.iterdir()) == sorted(MADE)


def test_what_snakemake_has_noted_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    marks = tmp_path / "marks"
    folders = [Path("results") / name / f"checkpoint{SUFFIX}" for name in ("noted", "short", "l" * 250)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder.parent / "record.json").touch()
    for folder in folders[1:]:
        name = base64.urlsafe_b64encode(str(folder.parent / "record.json").encode()).decode()
        pieces = [name[start : start + 254] for start in range(0, len(name), 254)]
        path = marks.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (marks / "not base 64").touch()
    forget_noted(folders, marks)
    assert [folder.exists() for folder in folders] == [False, True, True]
    forget_noted(folders, tmp_path / "nothing")
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize(
    ("kept", "output"),
    [("checkpoint", "record.json"), ("a.b.checkpoint", "a.b.json"), ("rte-full.checkpoint", "rte-full.parquet")],
)
def test_what_snakemake_has_deleted_is_not_given_up(tmp_path: Path, kept: str, output: str) -> None:
    folder = tmp_path / (kept + SUFFIX)
    folder.mkdir()
    (tmp_path / f"{output}.log").touch()
    (tmp_path / f"other.{output}").touch()
    forget_noted([folder], tmp_path / "marks")  # its group has failed, and nothing is left of what it made
    assert folder.exists()
    (tmp_path / output).touch()
    forget_noted([folder], tmp_path / "marks")
    assert not folder.exists()


def test_what_is_taken_over_needs_no_checkpoint(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    (out / "checkpoint.safetensors").write_bytes(b"of a process that was killed just before it deleted it")
    run(encoded, tiny, out)
    assert made(out) == before and not (out / "checkpoint.safetensors").exists()


def test_a_second_process_waits_and_takes_over(
    encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    lose(out)
    lock = os.open(out / "checkpoint.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with caplog.at_level(logging.INFO):
        second = threading.Thread(target=lambda: run(encoded, tiny, out))
        second.start()
        time.sleep(3 * locks.LOOK_SECONDS)
        assert second.is_alive() and not (out / "record.json").exists()
        assert caplog.text.count("waiting for its end") == 1
        os.close(lock)
        second.join(60)
    assert made(out) == before
    assert sorted(path.name for path in out.iterdir()) == sorted([*MADE, f"checkpoint{SUFFIX}"])


def test_a_lock_that_was_removed_meanwhile_is_none(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = locks._locked(path)
    waiting = threading.Thread(target=lambda: os.close(locks._locked(path)))
    waiting.start()
    time.sleep(2 * locks.LOOK_SECONDS)
    path.unlink()
    os.close(first)
    waiting.join(10)
    assert not waiting.is_alive() and path.exists()  # a lock of its own


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_signal_while_predicting_finds_a_training_to_go_on_from(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, precision: str
) -> None:
    undisturbed = made(run(encoded, tiny, tmp_path / "undisturbed", precision=precision))[:2]
    original, out = training.sorted_batches, tmp_path / "run"

    def sending(*arguments: Any) -> Any:
        os.kill(os.getpid(), number)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "sorted_batches", sending)
        if number == signal.SIGTERM:
            with pytest.raises(InterruptedRunError, match=r"SIGTERM after step 27 of the training; .* goes on"):
                run(encoded, tiny, out, precision=precision)
            assert [path.name for path in out.iterdir()] == ["checkpoint.safetensors"]
    assert made(run(encoded, tiny, out, precision=precision))[:2] == undisturbed


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stop_while_a_checkpoint_is_written_is_not_lost(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: signal.Signals
) -> None:
    undisturbed = made(run(encoded, tiny, tmp_path / "undisturbed"))[:2]
    batches, save, out = training.sorted_batches, checkpoints.save_file, tmp_path / "run"

    def asking(*arguments: Any) -> Any:
        os.kill(os.getpid(), first)
        return batches(*arguments)

    def stopping(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "sorted_batches", asking)
        patch.setattr(checkpoints, "save_file", stopping)
        with pytest.raises(InterruptedRunError, match=r"SIGTERM after step 27 of the training; .* goes on"):
            run(encoded, tiny, out)
        assert [path.name for path in out.iterdir()] == ["checkpoint.safetensors"]
    assert made(run(encoded, tiny, out))[:2] == undisturbed


def test_a_checkpoint_is_of_the_code_that_has_trained(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = training.learning_rate

    def edited(step: int, *others: Any) -> float:
        if step == 3:  # the file of a module, while an older one trains
            monkeypatch.setattr(checkpoints, "code_of", lambda source: "edited")
            os.kill(os.getpid(), signal.SIGTERM)
        return original(step, *others)

    monkeypatch.setattr(training, "learning_rate", edited)
    with pytest.raises(InterruptedRunError):
        run(encoded, tiny, tmp_path / "run")
    monkeypatch.setattr(training, "learning_rate", original)
    run(encoded, tiny, tmp_path / "run")
    assert "it belongs to a training with other code" in caplog.text


@pytest.mark.parametrize("before", ["file", "folder"])
def test_setting_aside_makes_room(
    encoded: Path, tiny: Path, tmp_path: Path, before: str, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    (out / "checkpoint.unusable").mkdir(parents=True)
    if before == "file":
        (out / "checkpoint.unusable").rmdir()
        (out / "checkpoint.unusable").write_bytes(b"older")
    (out / "checkpoint.safetensors").write_bytes(b"damaged")
    run(encoded, tiny, out)
    assert (out / "checkpoint.unusable").read_bytes() == b"damaged" and "set aside" in caplog.text


def test_the_clock_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, back = threading.Event(), 0.0
    now = time.time
    monkeypatch.setattr(clock.time, "time", lambda: now() - back)
    monkeypatch.setattr(clock.time, "time_ns", lambda: int((now() - back) * 1e9))
    paths = [tmp_path / name for name in ("older", "newer")]
    for place, path in enumerate(paths):
        path.touch()
        os.utime(path, (now() - 2 + place, now() - 2 + place))
    clock.follow_clock(tmp_path, lambda late: told.set())
    time.sleep(3 * clock.LOOK_SECONDS)
    assert not told.is_set()
    back = 3600.0
    assert told.wait(10)
    times = [path.stat().st_mtime for path in paths]
    assert times == sorted(set(times)) and times[-1] <= now() - 3590


def test_a_file_that_is_gone_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = time.time() + 3600
    for place, name in enumerate(("first", "gone", "last")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (ahead + place, ahead + place))
    changed = clock._changed

    def going(path: Path) -> int:
        time_of = changed(path)
        if path.name == "gone":
            path.unlink()
        return time_of

    monkeypatch.setattr(clock, "_changed", going)
    assert clock.bring_back(tmp_path) == 2
    assert (tmp_path / "first").stat().st_mtime < (tmp_path / "last").stat().st_mtime <= time.time()
