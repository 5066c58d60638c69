"""Label the sentences of a task and cut them into parts."""

from supertickets.tasks import prepare_task

from supertickets.entry import run

if __name__ == "__main__":
    run(prepare_task)
