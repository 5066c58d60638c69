"""Train a rewound ticket."""

from supertickets.runs import train_run

from supertickets.entry import run

if __name__ == "__main__":
    run(train_run)
