"""Write our scores beside the published ones."""

from supertickets.entry import run
from supertickets.published import write_published

if __name__ == "__main__":
    run(write_published)
