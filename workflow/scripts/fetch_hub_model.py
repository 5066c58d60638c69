"""Download one model from the hub."""

from supertickets.entry import run
from supertickets.hub import fetch_hub_model

if __name__ == "__main__":
    run(fetch_hub_model)
