"""One encoder whose units belong to several tasks, each of which trains the units of its own ticket only.

A weight matrix that tasks hold different heads of is kept with its heads in an order in which those of the same tasks
are side by side, so that what a task updates are contiguous pieces, each with its own moments and its own number of
steps. Everything else is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from supertickets.encoder.families import Architecture
from supertickets.encoder.model import Classifier
from supertickets.encoder.rewind import kept_part
from supertickets.encoder.ticket import Ticket
from supertickets.engine.optimizer import EPS, Updated, divisor_of, gradient_of, restore_state, state_of, without_decay

#: The tasks that hold something, by their numbers.
Holders = tuple[int, ...]


@dataclass(frozen=True)
class SharedTensor:
    """One weight tensor of the encoder, and which task holds what of it.

    Attributes:
        value: float32; the axis of heads, if any, first and in the order of ``order``.
        axis: which axis of the original tensor that is.
        order: the original index of each row of ``value``; None where all tasks that hold anything hold everything.
        pieces: rows of ``value`` and who holds them, in order.
        rows: for each task the rows of ``value`` that it holds, in their original order.
    """

    value: Tensor
    axis: int
    order: Tensor | None
    pieces: list[tuple[slice, Holders]]
    rows: list[Tensor]

    @classmethod
    def of(cls, tensor: Tensor, kept: Sequence[tuple[int, np.ndarray]]) -> SharedTensor:
        """Divide a tensor by what each task keeps of it (:func:`~supertickets.encoder.rewind.kept_part`)."""
        axis = max(axis for axis, _ in kept)
        held = np.zeros((tensor.shape[axis], len(kept)), dtype=bool)
        for task, (_, indices) in enumerate(kept):
            held[indices, task] = True
        patterns, group = np.unique(held, axis=0, return_inverse=True)
        order = np.argsort(group, kind="stable")
        bounds = [0, *np.cumsum(np.bincount(group))]
        holders = [tuple(np.flatnonzero(pattern).tolist()) for pattern in patterns]
        pieces = [(slice(low, high), who) for low, high, who in zip(bounds, bounds[1:], holders, strict=False)]
        place = torch.from_numpy(np.argsort(order)).to(tensor.device)
        rows = [place[torch.from_numpy(indices).to(tensor.device)] for _, indices in kept]
        if len(patterns) == 1:
            return cls(tensor, 0, None, pieces, rows)
        taken = torch.from_numpy(order).to(tensor.device)
        return cls(tensor.movedim(axis, 0).index_select(0, taken), axis, taken, pieces, rows)

    def of_task(self, task: int) -> Tensor:
        """What a task holds, in the original order; the tensor itself where that is everything."""
        if self.order is None:
            return self.value
        return self.value.index_select(0, self.rows[task]).movedim(0, self.axis)

    def pieces_of(self, task: int, gradient: Tensor) -> list[Tensor]:
        """The gradient of :meth:`of_task` for each piece that the task holds, contiguous."""
        if self.order is None:
            return [gradient]
        rows = self.rows[task]
        ordered = gradient.movedim(self.axis, 0).index_select(0, rows.argsort())
        sizes = [part.stop - part.start for part, holders in self.pieces if task in holders]
        return list(ordered.split(sizes))

    def whole(self) -> Tensor:
        """The full tensor in its original order."""
        if self.order is None:
            return self.value
        return self.value.index_select(0, self.order.argsort()).movedim(0, self.axis).contiguous()


class Key(NamedTuple):
    """What is updated together: values that the same tasks hold and that are decayed alike, heads by themselves."""

    holders: Holders
    plain: bool
    head: bool = False


class SharedEncoder:
    """The weights of one encoder and of each task's head, and how they are updated.

    Args:
        tensors: the encoder's parameters by name, float32; updated in place where no heads are cut.
        models: each task's model, cut to its ticket; the values of its parameters come from here (:meth:`fill`).
        kind: optimizer, ``adamax`` or ``adamw``.
        weight_decay: of matrices.
        untouched: what a step does to units that its task does not hold: ``frozen`` leaves them and their moments
            alone, ``zero_gradient`` lets the optimizer take a step with a gradient of zero, as published.
        eps, bias_correction: as of :class:`~supertickets.engine.optimizer.Updated`.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        models: Sequence[Classifier],
        kind: str,
        weight_decay: float,
        untouched: str,
        eps: float = EPS,
        bias_correction: bool = True,
    ) -> None:
        self.models, self.untouched = models, untouched
        tickets, architecture = [model.ticket for model in models], models[0].architecture
        self.tensors = {name: _shared(name, tensor, tickets, architecture) for name, tensor in tensors.items()}
        self.heads = [
            {name: value.detach() for name, value in model.named_parameters() if name not in tensors}
            for model in models
        ]
        found: dict[Key, list[Tensor]] = {}
        for name, shared in self.tensors.items():
            for part, holders in shared.pieces:
                found.setdefault(Key(holders, without_decay(name)), []).append(shared.value[part])
        for task, head in enumerate(self.heads):
            for name, value in head.items():
                found.setdefault(Key((task,), without_decay(name), head=True), []).append(value)
        self.groups = {
            key: Updated(values, kind, 0.0 if key.plain else weight_decay, eps, bias_correction)
            for key, values in found.items()
            if key.holders
        }

    def fill(self, task: int) -> None:
        """Bring the weights of a task's model up to date; whole ones in float32 are these very tensors."""
        for name, parameter in self.models[task].named_parameters():
            if name not in self.tensors:
                continue
            shared = self.tensors[name]
            if shared.order is None and parameter.dtype == shared.value.dtype:
                parameter.data = shared.value
            else:
                parameter.data.copy_(shared.of_task(task))

    @torch.no_grad()
    def step(self, task: int, rate: float, clip_norm: float) -> None:
        """One update of what a task holds, from the gradients of its model, which are used up and cleared.

        Args:
            task: its number.
            rate: this step's learning rate.
            clip_norm: gradients of a larger global norm are divided down to it.
        """
        values = {name: shared.value for name, shared in self.tensors.items()} | self.heads[task]
        named = self.models[task].named_parameters()
        gradients = {name: gradient_of(parameter).to(values[name].dtype) for name, parameter in named}
        # In the order of a single task's optimizer, so that the norm is the same to the last digit.
        divisor = divisor_of([gradients[name] for name in sorted(gradients, key=without_decay)], clip_norm)
        parts: dict[Key, list[Tensor]] = {}
        for name, shared in self.tensors.items():
            held = [holders for _, holders in shared.pieces if task in holders]
            if held:
                for holders, piece in zip(held, shared.pieces_of(task, gradients[name]), strict=True):
                    parts.setdefault(Key(holders, without_decay(name)), []).append(piece)
        for name in self.heads[task]:
            parts.setdefault(Key((task,), without_decay(name), head=True), []).append(gradients[name])
        for key, group in self.groups.items():
            if key in parts:
                group.update(parts[key], rate, divisor)
            elif self.untouched == "zero_gradient" and not key.head:
                group.update([torch.zeros_like(value) for value in group.values], rate, divisor)
        self.models[task].zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Weights and the optimizer's state, by name."""
        return state_of(self.groups.values())

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a :meth:`state`, in place."""
        restore_state(self.groups.values(), state)

    def whole(self) -> dict[str, Tensor]:
        """The encoder's full tensors by name."""
        return {name: shared.whole() for name, shared in self.tensors.items()}


def _shared(name: str, tensor: Tensor, tickets: Sequence[Ticket], architecture: Architecture) -> SharedTensor:
    return SharedTensor.of(tensor, [kept_part(name, tensor.shape, ticket, architecture) for ticket in tickets])
