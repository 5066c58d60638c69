"""Put all scores, and all comparisons, into one table each."""

from supertickets.aggregate import aggregate
from supertickets.entry import run

if __name__ == "__main__":
    run(aggregate)
