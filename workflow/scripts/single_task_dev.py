"""Write the table of full models and super tickets."""

from supertickets.entry import run
from supertickets.result_tables import write_single_task_dev

if __name__ == "__main__":
    run(write_single_task_dev)
