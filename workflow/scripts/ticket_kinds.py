"""Draw winning, random and losing tickets side by side."""

from supertickets.entry import run
from supertickets.ticket_kinds import draw_ticket_kinds

if __name__ == "__main__":
    run(draw_ticket_kinds)
