"""Choose training settings on validation."""

from supertickets.entry import run
from supertickets.search import choose_settings

if __name__ == "__main__":
    run(choose_settings)
