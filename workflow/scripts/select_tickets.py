"""Choose the super tickets."""

from supertickets.entry import run
from supertickets.selection import write_super_tickets

if __name__ == "__main__":
    run(write_super_tickets)
