"""What is dated in the future."""

from __future__ import annotations

import os
import time
from pathlib import Path

from supertickets.jobs.clock import SECONDS, from_the_future, now_in


def test_clocks_of_a_network_may_differ(tmp_path: Path) -> None:
    now = 1_000_000.0
    for name, ahead in {"now": 0, "ahead": SECONDS - 2, "future": SECONDS + 5, "a": SECONDS + 9}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, now + ahead))
    paths = [tmp_path / name for name in ("now", "ahead", "future", "missing", "a", "a")]
    assert from_the_future(paths, now) == [tmp_path / "a", tmp_path / "future"]


def test_the_clock_that_counts_is_that_of_the_files(tmp_path: Path) -> None:
    before = time.time()
    assert before - 1 < now_in(tmp_path) < time.time() + 1
    assert not list(tmp_path.iterdir())
