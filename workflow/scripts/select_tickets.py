"""Choose the super tickets."""

from supertickets.selection import write_super_tickets

from supertickets.entry import run

if __name__ == "__main__":
    run(write_super_tickets)
