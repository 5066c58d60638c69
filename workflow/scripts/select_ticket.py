"""Choose the super ticket of a model, task and size."""

from supertickets.entry import run
from supertickets.selection import select_ticket

if __name__ == "__main__":
    run(select_ticket)
