"""Write the table of tasks."""

from supertickets.entry import run
from supertickets.setting_tables import write_tasks

if __name__ == "__main__":
    run(write_tasks)
