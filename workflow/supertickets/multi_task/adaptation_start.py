"""The weights of a multi-task encoder that a task continues from. Arrays only, as in rewinding."""

from __future__ import annotations

from pathlib import Path

from supertickets.encoder.rewind import read_arrays, write_cut
from supertickets.multi_task.head_names import head_name


def start_adaptation(shared: Path, config: Path, ticket: Path, task: str, start: Path) -> None:
    """Write the weights that a task continues from.

    Args:
        shared: weights of a multi-task encoder, with the heads of its tasks.
        config: its ``config.json``.
        ticket: the units that the task continues with.
        task: its name. A task that took part in that training keeps its head, a new one draws it.
        start: safetensors file to write.

    Raises:
        UserError: the weights cannot be read, or do not fit the ticket.
    """
    tensors = read_arrays(shared)
    heads = {name: tensors.pop(name) for name in list(tensors) if "/" in name}
    prefix = head_name(task, "")
    own = {name.removeprefix(prefix): value for name, value in heads.items() if name.startswith(prefix)}
    write_cut(tensors | own, config, ticket, start)
