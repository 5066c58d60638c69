"""The weights with which a task goes on from an encoder of several tasks."""

from supertickets.entry import run
from supertickets.shared_start import start_from_shared

if __name__ == "__main__":
    run(start_from_shared)
