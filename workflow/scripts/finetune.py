"""Fine-tune the full encoder."""

from supertickets.entry import run
from supertickets.runs import train_run

if __name__ == "__main__":
    run(train_run)
