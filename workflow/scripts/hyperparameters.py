"""Write the table of settings."""

from supertickets.entry import run
from supertickets.setting_tables import write_hyperparameters

if __name__ == "__main__":
    run(write_hyperparameters)
