# Accidents: closed terminals, clocks that are set back, folders that cannot be written, other versions, full disks, a
# Slurm that does not answer.

import signal
import tempfile

from supertickets.errors import reported
from supertickets.jobs.clock import from_the_future, now_in
from supertickets.jobs.finished import give_up_deleted
from supertickets.jobs.slurm import expect_answers
from supertickets.jobs.versions import other_versions


def hang_up(number, frame):
    """End as by Ctrl-C, which the terminal sends to the jobs too, if this process leads a group of its own."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


# A closed terminal ends a workflow, unless it was started to outlast the terminal (nohup).
if workflow.is_main_process and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
    signal.signal(signal.SIGHUP, hang_up)

# Slurm's plugin would wait for ever for a controller that does not answer.
if workflow.is_main_process:
    expect_answers(WorkflowError)


def check_times():
    """Refuse to make anything of files dated in the future: jobs would fail, each when it is done.

    The clock is that of the file system of results, for files on other ones too.
    """
    results = Path("results")
    inputs = (Path(path) for job in workflow.dag.needrun_jobs() for path in job.input)
    late = from_the_future(inputs, now_in(results if results.is_dir() else Path()))
    if late:
        places = [results, *(path for path in late if not path.is_relative_to(results))]
        named = " ".join(shlex.quote(str(path)) for path in places if path.exists())
        count = f"{len(late)} files are" if len(late) > 1 else "1 file is"
        raise WorkflowError(
            f"{count} dated in the future, as when a clock is set back, the first of them {late[0]}: what"
            " is made from them would count as failed. Set the clock right, or date all of them now:"
            f" touch .now && find {named} -exec touch -h -r .now {{}} + && rm .now"
        )


def check_writable():
    """One error before the first job, not one for each, where results cannot be written."""
    for folder in [Path("results"), *Path("results").glob("*/")]:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise WorkflowError(f"{folder}: not writable: a read-only file system, or a folder of somebody else")


def name_other_versions():
    """Say which results were made with other versions of libraries.

    The full models' records are enough: every other run was trained after its full model.
    """
    older, differences = other_versions(Path("results/runs").glob("*/*/*/*/full/record.json"))
    if older:
        logger.warning(
            f"{older} full models, and what follows from them, were made with {differences}. They are kept;"
            " to make all that is asked for again: --forcerun tokenise"
        )


def report_full_disk():
    """Report a full disk, for which jobs had no room in their logs."""
    try:
        with tempfile.TemporaryFile(dir="results", buffering=0) as probe:
            probe.write(bytes(2**20))
            os.fsync(probe.fileno())
    except OSError as error:
        logger.error(f"results: {error.strerror}")


def report_errors():
    """Repeat the failed jobs' errors at the end: Snakemake showed them below whole commands, while others ran."""
    failed = {Path(log) for job in workflow.scheduler.failed for log in job.log}
    for message, logs in reported(failed).items():
        others = f" and {len(logs) - 1} more" if len(logs) > 1 else ""
        logger.error(f"{message} ({logs[0]}{others})")
