"""Draw the ticket of a kind and ratio."""

from supertickets.entry import run
from supertickets.tickets import draw_ticket

if __name__ == "__main__":
    run(draw_ticket)
