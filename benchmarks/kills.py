"""The tiny workflow of the tests, killed at many random moments and called again each time."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from .data import ROOT
from .results import write

sys.path.append(str(ROOT / "tests"))  # where the harness is

from accidents import TARGETS, Disturber, accident_config, contents
from conftest import new_workspace

KILLS, SEED = 60, 1


def main() -> None:
    """Kill it, and write ``results/kills``; what was lost, wrong or done twice is printed and ends in an error."""
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = new_workspace(Path(folder) / "undisturbed", accident_config())
        undisturbed.make(*TARGETS)  # the first time reads and compiles everything
        began = time.perf_counter()
        undisturbed.make("--forceall", *TARGETS)
        longest = time.perf_counter() - began
        disturber = Disturber(undisturbed.copy(Path(folder) / "killed"), contents(undisturbed), SEED)
        tally = disturber.run(KILLS, longest, lambda text: print(text, file=sys.stderr, flush=True))
    names = {"all": "workflow and jobs killed", "workflow": "workflow killed, not its jobs", "job": "one job killed"}
    rows = [{"what": names[way], "times": count} for way, count in tally.kills.items()]
    rows += [
        {"what": "calls that had to be unlocked first", "times": tally.unlocked},
        {"what": "finished, and compared with the undisturbed run", "times": tally.finished},
        {"what": "results that differ, or finished runs made again", "times": len(tally.wrong)},
    ]
    text = (
        f"The tiny workflow of `tests/accidents.py`, killed at {KILLS} random moments (seed {SEED}), each up to "
        f"{longest:.0f} s after its start, which is how long it takes. A call that has ended by itself is not counted."
    )
    found = {"kills": tally.kills, "unlocked": tally.unlocked, "finished": tally.finished, "wrong": tally.wrong}
    write("kills", "python -m benchmarks kills", text, pd.DataFrame(rows), found)
    if tally.wrong:
        sys.exit("\n".join(tally.wrong))
