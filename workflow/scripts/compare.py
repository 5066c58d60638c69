"""Compare the tickets of a group with the full models."""

from supertickets.comparisons import compare_group
from supertickets.entry import run

if __name__ == "__main__":
    run(compare_group)
