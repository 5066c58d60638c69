"""Score the units of a fine-tuned encoder."""

from supertickets.entry import run
from supertickets.sensitivity import score_run

if __name__ == "__main__":
    run(score_run)
