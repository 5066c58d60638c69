"""Small files, written whole or not at all."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from supertickets.errors import UserError
from supertickets.files import canonical_json, read_json, replacing, write_json


def test_what_a_killed_process_was_writing_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    killed, young = tmp_path / ".table.md.killed.md", tmp_path / ".table.md.young.md"
    killed.write_text("half")
    with replacing(path) as part:
        part.write_text("first")
        for old in (killed, part):
            os.utime(old, (time.time() - 5,) * 2)
        young.write_text("half")
        write_json(path, {"second": 2})
        assert not killed.exists() and part.exists() and young.exists()
    assert path.read_text() == "first"


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "content.json"
    write_json(path, {"b": 1, "a": [0.1]})
    assert read_json(path) == {"b": 1, "a": [0.1]} and path.stat().st_mode & 0o044
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"b": 1, "a": [0.1]} and len(list(path.parent.iterdir())) == 1
    path.write_text('{"b": 1,\n "a"}')
    with pytest.raises(UserError, match=r"content.json, line 2: not valid JSON"):
        read_json(path)


def test_equal_content_is_equal_text() -> None:
    assert canonical_json({"b": 1, "a": {"d": 2, "c": None}}) == canonical_json(
        json.loads('{"a":{"c":null,"d":2},"b":1}')
    )
