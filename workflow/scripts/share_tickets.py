"""Write the tickets of all tasks for one training on them."""

from supertickets.entry import run
from supertickets.share_tickets import share_tickets

if __name__ == "__main__":
    run(share_tickets)
