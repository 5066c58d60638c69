"""Fine-tune the full encoder with settings to choose from."""

from supertickets.entry import run
from supertickets.search_run import search_run

if __name__ == "__main__":
    run(search_run)
