"""Score the trainings of one model on several tasks."""

from supertickets.entry import run
from supertickets.multi_task_scores import score_multi_task

if __name__ == "__main__":
    run(score_multi_task)
