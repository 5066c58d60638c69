"""Files dated in the future."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from supertickets.jobs import clock
from supertickets.jobs.clock import dated_in_the_future, files_below


def test_files_of_the_future_are_found_and_left_as_they_are(tmp_path: Path) -> None:
    assert list(files_below(tmp_path / "nothing")) == []
    for name, ahead in (("a/old", -5), ("a/near", 5), ("b/c/late", 60), ("b/c/later", 3600)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (time.time() + ahead,) * 2)
    (tmp_path / "loop").symlink_to(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    late = [str(tmp_path / "b/c" / name) for name in ("late", "later")]
    assert sorted(dated_in_the_future(files_below(tmp_path))) == late
    assert dated_in_the_future([tmp_path / "a/near", tmp_path / "b/c/late"]) == late[:1]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_removed_meanwhile_is_not_of_the_future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    files = list(files_below(tmp_path))
    (tmp_path / "file").unlink()
    assert dated_in_the_future(files) == [] and clock.TOLERANCE == 10
