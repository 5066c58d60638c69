"""Score a group of runs."""

from supertickets.entry import run
from supertickets.scores import score_group

if __name__ == "__main__":
    run(score_group)
