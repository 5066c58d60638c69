"""Compare trainings with tickets with those without."""

from supertickets.entry import run
from supertickets.multi_task_scores import compare_multi_task

if __name__ == "__main__":
    run(compare_multi_task)
