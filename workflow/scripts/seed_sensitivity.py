"""Write the table of spreads over seeds."""

from supertickets.entry import run
from supertickets.result_tables import write_seed_sensitivity

if __name__ == "__main__":
    run(write_seed_sensitivity)
