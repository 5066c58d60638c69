"""Tokenise a task for an encoder."""

from supertickets.encode import encode_task
from supertickets.entry import run

if __name__ == "__main__":
    run(encode_task)
