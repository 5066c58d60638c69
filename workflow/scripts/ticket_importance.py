"""Figure: importance of units summed over tasks, and each task's share."""

from supertickets.entry import run
from supertickets.ticket_importance import draw_ticket_importance

if __name__ == "__main__":
    run(draw_ticket_importance)
