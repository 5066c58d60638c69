"""Run benchmarks: ``python -m benchmarks [NAME ...]``, those of speed that need no GPU where no name is given."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

NAMES = ("training", "passes", "overhead", "precision", "multi_task", "sweep", "warm")
#: Run where they are named only: no speed against a peer, or a GPU is needed.
BY_NAME = ("scale", "disk", "kills", "groups", "gpu")


def main() -> None:
    """Run the named benchmarks one after another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*NAMES, *BY_NAME)))
    names = parser.parse_args().names or NAMES
    unknown = set(names) - {*NAMES, *BY_NAME}
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, *BY_NAME))}")
    if len(names) == 1:
        import_module(f"benchmarks.{names[0]}").main()
        return
    for name in names:  # each in a process of its own: a child's peak memory counts its parent's before it starts
        subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)


if __name__ == "__main__":
    main()
