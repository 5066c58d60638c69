"""The weights with which a task goes on from an encoder of several tasks."""

from supertickets.adaptation import start_from_shared
from supertickets.entry import run

if __name__ == "__main__":
    run(start_from_shared)
