"""Score the predictions of all runs."""

from supertickets.scores import collect_scores

from supertickets.entry import run

if __name__ == "__main__":
    run(collect_scores)
