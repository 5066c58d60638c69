"""Score the predictions of all runs."""

from supertickets.entry import run
from supertickets.scores import collect_scores

if __name__ == "__main__":
    run(collect_scores)
