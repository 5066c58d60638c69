"""Draw what super tickets gain."""

from supertickets.entry import run
from supertickets.single_task_gain import draw_single_task_gain

if __name__ == "__main__":
    run(draw_single_task_gain)
