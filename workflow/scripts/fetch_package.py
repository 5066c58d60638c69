"""Fetch one pinned package."""

from supertickets.fetch import fetch_package

from supertickets.entry import run

if __name__ == "__main__":
    run(fetch_package)
