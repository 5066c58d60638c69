"""Draw tickets of several kinds."""

from supertickets.entry import run
from supertickets.ticket_kinds import draw_ticket_kinds

if __name__ == "__main__":
    run(draw_ticket_kinds)
