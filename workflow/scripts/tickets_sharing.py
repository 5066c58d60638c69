"""Draw which tasks hold each unit."""

from supertickets.entry import run
from supertickets.tickets_sharing import draw_tickets_sharing

if __name__ == "__main__":
    run(draw_tickets_sharing)
