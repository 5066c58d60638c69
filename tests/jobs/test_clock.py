"""Times of files after a clock was set back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supertickets.jobs import clock


def test_what_another_workflow_writes_meanwhile_is_not_of_the_future(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "record.json").write_text("x")
    original = clock._changed

    def changed(path: Path) -> int:
        os.utime(path)
        return original(path)

    monkeypatch.setattr(clock, "_changed", changed)
    assert clock.bring_back(tmp_path) == 0
