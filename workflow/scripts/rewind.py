"""Cut a ticket out of the pre-trained weights."""

from supertickets.entry import run
from supertickets.rewind import rewind

if __name__ == "__main__":
    run(rewind)
