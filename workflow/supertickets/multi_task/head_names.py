"""Names of the task heads in the weights of a multi-task encoder."""

from __future__ import annotations


def head_name(task: str, parameter: str) -> str:
    """Name of a parameter of a task's head."""
    return f"{task}/{parameter}"
