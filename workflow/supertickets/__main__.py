"""The entry point: ``python -P -m supertickets package.module:function --option value`` calls a library function.

Inside a workflow its server calls it (:mod:`supertickets.jobs.warm`), otherwise this process does. So nothing is
imported here that takes long.
"""

from __future__ import annotations

import os
import signal
import sys

from supertickets.jobs.warm import COLD, FOLDER, ONE_THREAD, run_warm

#: Possible reasons why the server refused a job; it does not say which applies.
WHY = "the workflow's server has ended, or has another Python, or other code or packages than there are now"

if __name__ == "__main__":
    status = run_warm(sys.argv[1:])
    if status is None:
        folder = os.environ.get(FOLDER)
        if folder and not os.environ.get(COLD):
            print(f"This job starts a Python of its own, which takes longer: {WHY}.", file=sys.stderr)
        os.environ.update(ONE_THREAD)
        from pathlib import Path

        from supertickets.call import main
        from supertickets.jobs.orphans import alive, end_with_workflow

        end_with_workflow(alive(Path(folder)) if folder else None)
        main(sys.argv[1:])
    elif status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
