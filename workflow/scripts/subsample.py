"""Choose a training subset."""

from supertickets.entry import run
from supertickets.subsample import subsample

if __name__ == "__main__":
    run(subsample)
