"""Draw the ticket of a kind and ratio."""

from supertickets.drawing import draw_ticket
from supertickets.entry import run

if __name__ == "__main__":
    run(draw_ticket)
