"""The environment that every job starts in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from supertickets.jobs.orphans import WORKFLOW, this_workflow

#: glibc returns large freed blocks to the system at once, and a training asks for the same ones at every step. Keeping
#: them saves the page faults and changes no result.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": 2**25, "MALLOC_TRIM_THRESHOLD_": 2**31, "MALLOC_TOP_PAD_": 2**26}


def set_environment(workflow: Path) -> None:
    """Let jobs find the library, whatever folder they run in, and the Python that runs snakemake.

    They know whose jobs they are.

    Args:
        workflow: the folder that holds the library.
    """
    os.environ[WORKFLOW] = this_workflow()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(workflow), os.environ.get("PYTHONPATH")]))
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name, value in MALLOC.items():
        os.environ.setdefault(name, str(value))
