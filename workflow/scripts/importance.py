"""Score the units of a model."""

from supertickets.entry import run
from supertickets.scoring import score_run

if __name__ == "__main__":
    run(score_run)
