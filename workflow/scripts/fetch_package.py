"""Fetch one pinned package."""

from supertickets.entry import run
from supertickets.fetch import fetch_package

if __name__ == "__main__":
    run(fetch_package)
