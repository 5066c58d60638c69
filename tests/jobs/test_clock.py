"""What is dated in the future."""

from __future__ import annotations

import os
import time
from pathlib import Path

from supertickets.experiment.paths import folder_of
from supertickets.jobs.clock import SECONDS, folders_of, from_the_future


def test_folders_down_to_a_level_and_no_links(tmp_path: Path) -> None:
    (tmp_path / "b/c/d").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert list(folders_of(tmp_path, 2)) == [tmp_path, *(tmp_path / name for name in ("a", "b", "b/c"))]


def test_folders_of_runs_are_looked_at_and_none_below(tmp_path: Path) -> None:
    of_task = {"model": "m", "task": "new", "train_size": 9, "seed": 1}
    runs = (
        {**of_task, "kind": "full", "ratio": 0.0, "draw": 1},
        {"shared": "a+b", "model": "m", "mode": "super", "seed": 1},
        {"shared": "a+b", **of_task, "mode": "super", "ticket": "full"},
    )
    folders = [tmp_path / folder_of(run) for run in runs]
    for folder in folders:
        (folder / "below").mkdir(parents=True)
    assert {*folders} <= {*folders_of(tmp_path)}
    assert not {folder / "below" for folder in folders[::2]} & {*folders_of(tmp_path)}


def test_clocks_of_a_network_may_differ(tmp_path: Path) -> None:
    for name, ahead in {"now": 0, "ahead": SECONDS - 2, "future": SECONDS + 5}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, time.time() + ahead))
    paths = [tmp_path / name for name in ("now", "ahead", "future", "missing")]
    assert from_the_future(paths) == [tmp_path / "future"]


def test_the_folder_that_a_file_was_written_into_is_of_its_time(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    before = (tmp_path / "run").stat().st_mtime_ns
    time.sleep(0.05)
    (tmp_path / "run/record.json").touch()
    assert (tmp_path / "run").stat().st_mtime_ns > before
