"""Write an archive for the GLUE server."""

from supertickets.entry import run
from supertickets.submissions import write_submission

if __name__ == "__main__":
    run(write_submission)
