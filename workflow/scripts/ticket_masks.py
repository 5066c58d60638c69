"""Draw which units super tickets keep."""

from supertickets.entry import run
from supertickets.ticket_masks import draw_ticket_masks

if __name__ == "__main__":
    run(draw_ticket_masks)
