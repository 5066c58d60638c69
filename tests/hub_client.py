"""A process that downloads from the stand-in hub, and how its downloads ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import PROJECT
from hub_server import Hub

#: Calls functions of supertickets.data.hub, a line of JSON each. It notes waits in place of waiting.
WORKER = """
import json, logging, sys, time
from pathlib import Path
from supertickets.data import hub
from supertickets.errors import UserError

answers, sys.stdout = sys.stdout, sys.stderr
waits, lines = [], []
time.sleep = waits.append
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
hub.log.addHandler(handler)
for line in sys.stdin:
    function, arguments = json.loads(line)
    waits.clear()
    lines.clear()
    error = None
    try:
        getattr(hub, function)(**{**arguments, "folder": Path(arguments["folder"])})
    except UserError as refusal:
        error = str(refusal)
    print(json.dumps({"error": error, "waits": waits, "log": lines}), file=answers, flush=True)
"""


@dataclass
class Outcome:
    """How a download ended: its error if any, the seconds that it waited, and what it logged."""

    error: str | None
    waits: list[float]
    log: list[str]


Download = Callable[..., Outcome]


@contextmanager
def downloading(hub: Hub, home: Path, **environment: str) -> Iterator[Download]:
    """Another process that downloads from a hub: the libraries read HF_ENDPOINT once, when they are imported."""
    kept = {key: value for key, value in os.environ.items() if not re.search("(?i)proxy$|^HF_|^XDG_", key)}
    ours = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "secret", "HF_HUB_DISABLE_TELEMETRY": "1", "HOME": str(home)}
    command = [sys.executable, "-c", WORKER]
    path = {"PYTHONPATH": str(PROJECT / "workflow")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=home, env=kept | ours | path | environment, **pipes) as process:

        def download(function: str, **arguments: Any) -> Outcome:
            process.stdin.write(json.dumps([function, arguments], default=str) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, "the downloading process ended"
            return Outcome(**json.loads(answer))

        yield download
        process.stdin.close()
