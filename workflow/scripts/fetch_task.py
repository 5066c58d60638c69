"""Label the sentences of a task and cut them into parts."""

from supertickets.entry import run
from supertickets.tasks import prepare_task

if __name__ == "__main__":
    run(prepare_task)
