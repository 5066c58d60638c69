"""Score the units of a fine-tuned encoder."""

from supertickets.sensitivity import score_run

from supertickets.entry import run

if __name__ == "__main__":
    run(score_run)
