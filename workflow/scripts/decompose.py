"""Split the loss of runs into bias and variance."""

from supertickets.decomposition import decompose_group
from supertickets.entry import run

if __name__ == "__main__":
    run(decompose_group)
