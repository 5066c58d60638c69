"""Write the table of super tickets."""

from supertickets.entry import run
from supertickets.result_tables import write_super_tickets

if __name__ == "__main__":
    run(write_super_tickets)
