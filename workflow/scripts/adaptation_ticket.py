"""The ticket with which a task goes on from an encoder of several tasks."""

from supertickets.adaptation_ticket import adaptation_ticket
from supertickets.entry import run

if __name__ == "__main__":
    run(adaptation_ticket)
