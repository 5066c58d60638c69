"""Choose a training subset."""

from supertickets.subsample import subsample

from supertickets.entry import run

if __name__ == "__main__":
    run(subsample)
