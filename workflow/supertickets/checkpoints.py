"""Checkpoints of a training: at an interval, and when a signal asks for one; the same training goes on from there."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from .dropout import random_state, restore_random_state
from .errors import DivergedError, InterruptedRunError, UserError
from .files import canonical_json, remove_abandoned, replacing
from .sources import code_of

log = logging.getLogger(__name__)

#: A checkpoint is written, and the process ends.
STOPPING = (signal.SIGTERM, signal.SIGINT)
#: A checkpoint is written, and training goes on: what a batch system sends some time before it stops a job.
ASKING = signal.SIGUSR1


class Trained(Protocol):
    """What is updated by a training's steps."""

    def state(self) -> dict[str, Tensor]:
        """Weights, moments and counts by name."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take them over, in place."""


class Checkpoints:
    """The checkpoint of one training.

    Args:
        path: safetensors file, beside what the training makes.
        identity: all that decides what the training comes to: run, settings, fingerprints of inputs, versions. A
            checkpoint of another identity is not gone on from.
        source: the module that trains; its code and that of all it imports is part of the identity.
        minutes: between two checkpoints; 0 for none but those that a signal asks for.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], source: Path, minutes: float) -> None:
        self.path, self.minutes = path, minutes
        self._given, self._source = identity, source
        self._last, self._signal = time.monotonic(), 0

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {**self._given, "code": code_of(self._source)}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take note of signals while the block trains; afterwards they do again what they did before."""
        before = {number: signal.signal(number, self._note) for number in (*STOPPING, ASKING)}
        self._last = time.monotonic()
        try:
            yield
        except DivergedError:
            self.remove()  # it would diverge again
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._signal in STOPPING:  # it came after the last step
            name = signal.Signals(self._signal).name
            raise InterruptedRunError(f"stopped by {name} at the end of the training; the same call does it again")

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._signal not in STOPPING:  # a stop is not taken back
            self._signal = number

    def after_step(self, trained: Trained, progress: Mapping[str, Any], running: Tensor) -> None:
        """Write a checkpoint if one is due.

        Args:
            trained: what the step has updated.
            progress: what else the training has to know, as JSON can hold it; ``steps`` are those done.
            running: the sum of losses of the epoch so far, shape () or (tasks,).

        Raises:
            InterruptedRunError: a signal has asked the process to end.
        """
        due = self.minutes and time.monotonic() - self._last >= 60 * self.minutes
        if not (due or self._signal):
            return
        number, self._signal = self._signal, 0
        written = self._write(trained, progress, running)
        self._last = time.monotonic()
        if number in STOPPING:
            kept = f"{self.path} holds it, and the same call goes on from there" if written else "nothing of it is kept"
            raise InterruptedRunError(
                f"stopped by {signal.Signals(number).name} after step {progress['steps']} of the training; {kept}"
            )

    def _write(self, trained: Trained, progress: Mapping[str, Any], running: Tensor) -> bool:
        """Write a checkpoint; a training goes on without where that is not possible."""
        tensors = {f"trained.{name}": value for name, value in trained.state().items()}
        tensors |= {f"random.{name}": value for name, value in random_state(running.device).items()}
        arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}
        arrays["running"] = running.detach().cpu().numpy()
        texts = {"identity": canonical_json(self._identity), "progress": json.dumps(dict(progress))}
        try:
            with replacing(self.path) as part:
                save_file(arrays, part, {**texts, "sha256": _digest(arrays, texts)})
        except (OSError, SafetensorError, UserError) as error:
            log.warning("checkpoint %s cannot be written (%s); the training goes on without", self.path, error)
            return False
        log.info("checkpoint after step %d: %s", progress["steps"], self.path)
        return True

    def restore(self, trained: Trained, device: torch.device) -> tuple[dict[str, Any], Tensor] | None:
        """Go on from the checkpoint, where there is one of this training.

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
            if not self.path.is_file():
                raise ValueError("it is no file")
            arrays, texts = self._read()
            found, progress = dict(json.loads(texts["identity"])), dict(json.loads(texts["progress"]))
        # TypeError and AttributeError come from types of numbers that NumPy has not, and of texts that are not ours
        except (
            OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError, RecursionError, MemoryError
        ) as error:  # fmt: skip
            return self._set_aside(f"it is damaged ({error})")
        other = sorted(key for key in {*found, *self._identity} if found.get(key) != self._identity.get(key))
        if other:
            return self._set_aside(f"it belongs to a training with other {', '.join(other)}")
        tensors = {name: torch.from_numpy(np.array(array)).to(device) for name, array in arrays.items()}
        trained.restore(_below("trained.", tensors))
        restore_random_state(_below("random.", tensors), device)
        log.info("going on after step %d, from %s", progress["steps"], self.path)
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

    def _set_aside(self, why: str) -> None:
        aside = self.path.with_suffix(".unusable")
        log.warning("checkpoint %s is not used: %s; it is set aside as %s, training starts anew", self.path, why, aside)
        self.path.replace(aside)

    def remove(self) -> None:
        """Delete the checkpoint, and what a process that was killed has left of one: the training is at its end."""
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
