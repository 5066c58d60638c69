"""What a finished training keeps, and who may do a training."""

from __future__ import annotations

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
from supertickets.jobs import finished, locks
from supertickets.jobs.finished import FILES, IDENTITY, KEPT, SUFFIX, give_up, give_up_deleted
from supertickets.training import checkpoints
from supertickets.training import loop as training
from supertickets.training import predict as predicting

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
    assert "finished before with the same inputs, settings and code" in caplog.text and "epoch" not in caplog.text
    assert all((out / name).stat().st_nlink == 2 for name in MADE)
    run(encoded, tiny, out)  # nor is what is there in the way
    assert made(out) == before and sorted(path.name for path in out.iterdir()) == sorted([*MADE, f"checkpoint{SUFFIX}"])


@pytest.mark.parametrize(
    "what", ["settings", "code", "a file less", "damaged", "a damaged file", "a file that was not asked for"]
)
def test_it_is_not_taken_over_for_another_training(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    out = run(encoded, tiny, tmp_path / "run", keep=what != "a file that was not asked for")
    record = (out / "record.json").read_bytes()
    kept = out / f"checkpoint{SUFFIX}"
    if what == "code":
        monkeypatch.setattr(checkpoints, "code_of", lambda source: "edited")
    elif what == "a file less":
        (kept / f"predictions.parquet{KEPT}").unlink()
    elif what == "damaged":
        (kept / IDENTITY).write_bytes(b"\xff{")
    elif what == "a damaged file":
        (out / "predictions.parquet").write_bytes(b"damaged")  # in place, so that both names are
    run(encoded, tiny, out, **({"learning_rate": 2e-3} if what == "settings" else {}))
    assert (out / "record.json").read_bytes() != record
    identity = json.loads((kept / IDENTITY).read_text())
    assert identity["run"]["task"] == "toy" and identity[FILES].keys() <= set(MADE)


def test_a_disk_without_second_names_or_room_stops_no_training(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*arguments: Any) -> None:
        raise OSError("refused")

    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    lose(out)
    monkeypatch.setattr(finished.os, "link", refused)
    run(encoded, tiny, out)
    assert made(out) == before  # copies of what was kept elsewhere
    other = run(encoded, tiny, tmp_path / "other")
    assert "is not kept (refused)" in caplog.text
    assert sorted(path.name for path in other.iterdir()) == sorted(MADE)


def test_an_identity_without_fingerprints_is_none(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    path = out / f"checkpoint{SUFFIX}" / IDENTITY
    content = json.loads(path.read_text())
    for damaged in ([], {}, content | {FILES: 1}, content | {FILES: {}}):
        record = (out / "record.json").read_bytes()
        path.write_text(json.dumps(damaged))
        run(encoded, tiny, out)
        assert (out / "record.json").read_bytes() != record


def test_weights_that_are_given_up_are_trained_again(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    before, record = made(out)[:2], (out / "record.json").read_bytes()
    give_up(out / "model.safetensors")
    assert (out / "model.safetensors").stat().st_nlink == 1
    run(encoded, tiny, out, keep=False)  # nobody wants them
    assert (out / "record.json").read_bytes() == record
    run(encoded, tiny, out)
    assert made(out)[:2] == before and (out / "record.json").read_bytes() != record


def test_what_is_taken_over_needs_no_checkpoint(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    (out / "checkpoint.safetensors").write_bytes(b"of a process that was killed just before it deleted it")
    run(encoded, tiny, out)
    assert made(out) == before and not (out / "checkpoint.safetensors").exists()


def test_weights_that_are_deleted_are_not_kept(tmp_path: Path) -> None:
    full = tmp_path / "runs" / "m" / "t" / "n1" / "seed1" / "full"
    kept = full / f"checkpoint{SUFFIX}"
    kept.mkdir(parents=True)
    for name in MADE:
        (full / name).touch()
        (kept / f"{name}{KEPT}").touch()
    give_up_deleted(tmp_path)
    assert len(list(kept.iterdir())) == len(MADE)
    for name in MADE:
        (full / name).unlink()
    give_up_deleted(tmp_path)
    assert {path.name for path in kept.iterdir()} == {f"{name}{KEPT}" for name in MADE[1:]}


def test_a_second_process_waits_and_takes_over(
    encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = run(encoded, tiny, tmp_path / "run")
    before = made(out)
    lose(out)
    lock = os.open(out / "checkpoint.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with caplog.at_level(logging.INFO):
        # A daemon: a failure before the lock is closed must not leave it waiting for ever.
        second = threading.Thread(target=lambda: run(encoded, tiny, out), daemon=True)
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
    waiting = threading.Thread(target=lambda: os.close(locks._locked(path)), daemon=True)
    waiting.start()
    time.sleep(2 * locks.LOOK_SECONDS)
    path.unlink()
    os.close(first)
    waiting.join(10)
    assert not waiting.is_alive() and path.exists()  # a lock of its own


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_signal_while_predicting_leaves_a_training_to_continue(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    undisturbed = made(run(encoded, tiny, tmp_path / "undisturbed", precision=precision))[:2]
    original, out = predicting.sorted_batches, tmp_path / "run"

    def sending(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(predicting, "sorted_batches", sending)
        with pytest.raises(InterruptedRunError, match=r"SIGTERM after step 27 of the training; .* continues it"):
            run(encoded, tiny, out, precision=precision)
        assert [path.name for path in out.iterdir()] == ["checkpoint.safetensors"]
    assert made(run(encoded, tiny, out, precision=precision))[:2] == undisturbed


@pytest.mark.parametrize(("minutes", "step"), [(1e-9, 1), (0, 27)], ids=["due", "stopped"])
def test_a_stop_while_a_checkpoint_is_written_is_not_lost(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, step: int
) -> None:
    undisturbed = made(run(encoded, tiny, tmp_path / "undisturbed"))[:2]
    batches, save, out = predicting.sorted_batches, checkpoints.save_file, tmp_path / "run"

    def asking(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return batches(*arguments)

    def stopping(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(predicting, "sorted_batches", asking)
        patch.setattr(checkpoints, "save_file", stopping)
        with pytest.raises(InterruptedRunError, match=rf"SIGTERM after step {step} of the training; .* continues it"):
            run(encoded, tiny, out, minutes=minutes)
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


def test_setting_aside_makes_room(encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "checkpoint.unusable").write_bytes(b"older")
    (out / "checkpoint.safetensors").write_bytes(b"damaged")
    run(encoded, tiny, out)
    assert (out / "checkpoint.unusable").read_bytes() == b"damaged" and "set aside" in caplog.text
