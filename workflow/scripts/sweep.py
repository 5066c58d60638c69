"""Write the table of all tickets."""

from supertickets.entry import run
from supertickets.result_tables import write_sweep

if __name__ == "__main__":
    run(write_sweep)
