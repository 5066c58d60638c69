"""Write the table of multi-task training."""

from supertickets.entry import run
from supertickets.multi_task_tables import write_multi_task_dev

if __name__ == "__main__":
    run(write_multi_task_dev)
