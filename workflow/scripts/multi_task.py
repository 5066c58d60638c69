"""Train one encoder on several tasks."""

from supertickets.entry import run
from supertickets.multi_task_run import train_multi_task

if __name__ == "__main__":
    run(train_multi_task)
