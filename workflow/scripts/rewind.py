"""Cut a ticket out of the pre-trained weights."""

from supertickets.rewind import rewind

from supertickets.entry import run

if __name__ == "__main__":
    run(rewind)
