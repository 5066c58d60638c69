"""Checkpoints of a training: at an interval, and when a signal stops it; the same training continues from there."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from supertickets.engine.dropout import random_state, restore_random_state
from supertickets.errors import DivergedError, InterruptedRunError, UserError
from supertickets.files import canonical_json, remove_abandoned, replacing
from supertickets.jobs import finished
from supertickets.jobs.fingerprint import code_of
from supertickets.jobs.locks import alone

log = logging.getLogger(__name__)

#: A checkpoint is written, and the process ends.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Trained(Protocol):
    """What is updated by a training's steps."""

    def state(self) -> dict[str, Tensor]:
        """Weights, moments and counts by name."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a :meth:`state`, in place."""


class Checkpoints:
    """The checkpoint of one training.

    Args:
        path: safetensors file, beside what the training makes.
        identity: everything that determines the result: run, settings, fingerprints of inputs, versions. A checkpoint
            of another identity is not used.
        function: what trains, ``package.module:function``; its code is part of the identity.
        minutes: between two checkpoints; 0 for none but that of a stop.
        loaded: modules that the training loads by their names.
    """

    def __init__(
        self, path: Path, identity: Mapping[str, Any], function: str, minutes: float, loaded: Sequence[str] = ()
    ) -> None:
        self.path, self.minutes = path, minutes
        # Fingerprint now: the module may be edited during the training.
        self._identity = {**identity, "code": code_of(function, *loaded)}
        self._last, self._signal, self._writing = time.monotonic(), 0, False
        self._before: dict[int, Any] = {}
        self._end: tuple[Trained, dict[str, Any], Tensor] | None = None

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """While the block trains, predicts and writes, no other process does the same training.

        One that comes later waits: on a cluster a job survives the Snakemake that submitted it, and the next one
        submits it again. In the end signals do what they did before.
        """
        with alone(self.path.with_suffix(".lock")):
            try:
                yield
                if self._signal:  # no step has seen it
                    name = signal.Signals(self._signal).name
                    raise InterruptedRunError(
                        f"stopped by {name} at the end of the training; the same call does it again"
                    )
            except DivergedError:
                self._remove()  # it would diverge again
                raise
            finally:
                for number, handler in self._before.items():
                    signal.signal(number, handler)

    def watch(self) -> None:
        """Handle signals from now on."""
        self._before = {number: signal.signal(number, self._note) for number in STOPPING}
        self._last = time.monotonic()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        if self._end and not self._writing:  # no step will look
            self.after_step(*self._end)

    def after_training(self, trained: Trained, progress: Mapping[str, Any], running: Tensor) -> None:
        """Call :meth:`after_step` now, and again on a signal until results are written."""
        self.after_step(trained, progress, running)
        self._end = trained, dict(progress), running

    def after_step(self, trained: Trained, progress: Mapping[str, Any], running: Tensor) -> None:
        """Write a checkpoint if one is due.

        Args:
            trained: what the step has updated.
            progress: what else the training has to know, as JSON can hold it; ``steps`` are those done.
            running: the sum of losses of the epoch so far, shape (tasks,).

        Raises:
            InterruptedRunError: a signal has asked the process to end.
        """
        due = self.minutes and time.monotonic() - self._last >= 60 * self.minutes
        if not (due or self._signal):
            return
        self._writing = True
        written = self._write(trained, progress, running)
        self._last, self._writing = time.monotonic(), False
        number, self._signal = self._signal, 0  # one that came meanwhile counts too
        if number:
            raise InterruptedRunError(
                f"stopped by {signal.Signals(number).name} after step {progress['steps']} of the training; "
                + (f"{self.path} holds it, and the same call continues it" if written else "nothing of it is kept")
            )

    def _write(self, trained: Trained, progress: Mapping[str, Any], running: Tensor) -> bool:
        """Write a checkpoint; a training continues without one where that is not possible."""
        tensors = {f"trained.{name}": value for name, value in trained.state().items()}
        tensors |= {f"random.{name}": value for name, value in random_state(running.device).items()}
        arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}
        arrays["running"] = running.detach().cpu().numpy()
        texts = {"identity": canonical_json(self._identity), "progress": json.dumps(dict(progress))}
        try:
            with replacing(self.path) as part:
                save_file(arrays, part, {**texts, "sha256": _digest(arrays, texts)})
        except (OSError, SafetensorError, UserError) as error:
            log.warning("checkpoint %s cannot be written (%s); the training continues without", self.path, error)
            return False
        log.info("checkpoint after step %d: %s", progress["steps"], self.path)
        return True

    def restore(self, trained: Trained, device: torch.device) -> tuple[dict[str, Any], Tensor] | None:
        """Continue from the checkpoint, where there is one of this training.

        One that is damaged or of another identity is set aside, with a message in the log.

        Args:
            trained: takes over what was updated.
            device: where the training computes.

        Returns:
            ``progress`` and ``running`` of :meth:`after_step`; None where training starts from the beginning.
        """
        if not self.path.exists():
            return None
        try:
            arrays, texts = self._read()
            found, progress = dict(json.loads(texts["identity"])), dict(json.loads(texts["progress"]))
        except Exception as error:  # libraries raise any for damaged bytes
            log.warning(
                "checkpoint %s is not used: it is damaged (%s); it is set aside, training starts over", self.path, error
            )
            self._set_aside()
            return None
        other = sorted(key for key in {*found, *self._identity} if found.get(key) != self._identity.get(key))
        if other:
            log.warning(
                "checkpoint %s is not used: it belongs to a training with other %s; it is set aside, "
                "training starts over",
                self.path,
                ", ".join(other),
            )
            self._set_aside()
            return None
        tensors = {name: torch.from_numpy(np.array(array)).to(device) for name, array in arrays.items()}
        trained.restore(_below("trained.", tensors))
        restore_random_state(_below("random.", tensors), device)
        log.info("continues after step %d, from %s", progress["steps"], self.path)
        return progress, tensors["running"]

    def _read(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and texts of the file; ValueError or KeyError where they are not what was written."""
        with safe_open(self.path, "np") as stream:
            texts = dict(stream.metadata() or {})
            names = stream.keys()
            arrays = {name: stream.get_tensor(name) for name in names}
        if texts.pop("sha256") != _digest(arrays, texts):
            raise ValueError("its sha256 is not that of its content")
        return arrays, texts

    def _set_aside(self) -> None:
        aside = self.path.with_suffix(".unusable")
        self.path.replace(aside)
        log.info("it is now %s", aside)

    def take(self, wanted: Sequence[Path]) -> bool:
        """Write the files of this very training, where it has ended before (:mod:`supertickets.jobs.finished`)."""
        taken = finished.take(self._finished, self._identity, wanted)
        if taken:  # it may have been killed in the middle of :meth:`finish`
            self._remove()
        return taken

    def finish(self, made: Sequence[Path]) -> None:
        """Keep what the training has written, and delete the checkpoint: it is at its end whatever signal comes."""
        self._end, self._signal = None, 0
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
        finished.keep(self._finished, self._identity, made)
        self._remove()

    @property
    def _finished(self) -> Path:
        return self.path.with_suffix(finished.SUFFIX)

    def _remove(self) -> None:
        """Delete the checkpoint, and what a process that was killed has left of one."""
        self.path.unlink(missing_ok=True)
        remove_abandoned(self.path)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _digest(arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and values, and texts: safetensors itself notices no changed value."""
    digest = hashlib.sha256(canonical_json(texts).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\0{name} {array.dtype} {array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
