# What accidents leave behind, and what is said of them: clocks that are set back, kills, folders and disks without room.

import tempfile

from supertickets.clock import bring_back, dated_in_the_future, follow_clock
from supertickets.finished import SUFFIX, forget_noted

#: Bytes up to which Snakemake compares files by content, not by time alone (--max-checksum-file-size).
BY_CONTENT = 1_000_000


def own_files():
    """Files that the user's own models and tasks are made from."""
    tasks = (entry for entry in TASKS.values() if is_local(entry, config["glue"]))
    yield from (Path(path) for entry in tasks for path in inputs(entry, config["glue"]))
    folders = (DEFINED["models"][model].get("path") for model in config["models"])
    yield from (Path(folder) / name for folder in folders if folder for name in MODEL_FILES)


def tell_of_the_clock(late):
    """Say that files have got another time."""
    logger.warning(
        f"{late} files of results/ were dated in the future, as when a clock is set back: dated now, in order"
    )


def tidy_up(locks):
    """Give up what finished trainings keep for themselves until Snakemake has taken note of them.

    Where there are more than this call's own locks another one goes on, and groups of its jobs may yet fail.
    """
    others = len(list(Path(".snakemake/locks").glob("*"))) > locks
    if workflow.is_main_process and not others:  # and not in every cluster job
        forget_noted(Path("results").rglob(f"*{SUFFIX}"), Path(".snakemake/incomplete"))


if workflow.is_main_process:
    # First of all, as results must stay later than what they are made from.
    by_time = (path for path in own_files() if path.is_file() and path.stat().st_size > BY_CONTENT)
    if ahead := dated_in_the_future(by_time):
        raise WorkflowError(
            f"dated in the future, as when a clock is set back: {', '.join(map(str, ahead))}; what is made from them"
            " would count as outdated: set the clock, or touch them"
        )
    if late := bring_back(Path("results")):
        tell_of_the_clock(late)

tidy_up(locks=0)
# In a cluster job too: it has a Snakemake of its own.
follow_clock(Path("results"), tell_of_the_clock)


def check_writable():
    """One error before the first job, not one for each, where results cannot be written."""
    for folder in [Path("results"), *Path("results").glob("*/")]:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise WorkflowError(f"{folder}: not writable: a read-only file system, or a folder of somebody else")


def tell_of_a_full_disk():
    """Logs lie on the same disk: where it is full to the end, no job has had room to say it."""
    try:
        with tempfile.TemporaryFile(dir="results", buffering=0) as probe:
            probe.write(bytes(2**20))
            os.fsync(probe.fileno())
    except OSError as error:
        logger.error(f"results: {error.strerror}")
