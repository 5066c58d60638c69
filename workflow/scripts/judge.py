"""Correct comparisons for their number and give verdicts."""

from supertickets.entry import run
from supertickets.verdicts import judge

if __name__ == "__main__":
    run(judge)
