"""A Slurm cluster of one node on this machine: its own daemons on loopback, without systemd, cgroups, accounting."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

#: Where commands look that have no SLURM_CONF: the plugin's job steps drop it.
ETC = Path("/etc/slurm")
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16917
SlurmdPort=16918
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=300
EnforcePartLimits=ALL
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
InactiveLimit=0
KillWait=10
JobRequeue=0
MpiDefault=none
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=08:00:00 DefMemPerCPU=500 State=UP
"""
#: Two pretend GPUs: enough to see which device a job is given.
GPUS = "AutoDetect=off\nNodeName={host} Name=gpu File=/dev/null\nNodeName={host} Name=gpu File=/dev/zero\n"


def why_not() -> str | None:
    """Why there can be no such cluster here; None if there can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install --no-install-recommends slurm-wlm munge"
    if os.geteuid() != 0:
        return "only root can start a cluster of its own"
    for name in ("slurm.conf", "gres.conf"):
        _remove_abandoned(ETC / name)
    if (ETC / "slurm.conf").exists():
        return f"{ETC / 'slurm.conf'} is there: this machine belongs to a cluster"
    return None


def _remove_abandoned(link: Path) -> None:
    """Remove a link that tests which were killed have left: into a temporary folder, of a controller that has ended."""
    if not link.is_symlink() or not link.readlink().is_relative_to(tempfile.gettempdir()):
        return
    try:
        os.kill(int((link.readlink().parent / "slurmctld.pid").read_text()), 0)
    except (FileNotFoundError, ProcessLookupError, ValueError):  # no number, or of no process
        link.unlink()


class Cluster:
    """The daemons, as long as the block runs.

    Args:
        folder: for their files; its path has to be short, for it holds a socket.
        cpus: that the node pretends to have.
    """

    def __init__(self, folder: Path, cpus: int = 4) -> None:
        self.folder, self.host, self.cpus = folder, socket.gethostname().partition(".")[0], cpus

    def __enter__(self) -> Cluster:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 * 9 // 10
        values = {"host": self.host, "folder": self.folder, "cpus": self.cpus, "memory": memory}
        (self.folder / "slurm.conf").write_text(CONFIG.format(**values))
        (self.folder / "gres.conf").write_text(GPUS.format(**values))
        ETC.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).symlink_to(self.folder / name)
        try:
            self._munge()
            self._start("slurmctld")
            self._start("slurmd")
            self.wait(lambda: "idle" in self("sinfo", "-h", "-o", "%T"), "the node is not idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for name in ("slurmd", "slurmctld", "munged"):
            self._stop(name)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)

    def __call__(self, *command: str) -> str:
        """What a command of Slurm prints; nothing where it fails."""
        done = subprocess.run(command, text=True, capture_output=True, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def wait(self, condition: Callable[[], object], otherwise: str, seconds: float = 60) -> None:
        """Wait until something is so; TimeoutError with the daemons' logs where it does not become so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))
                raise TimeoutError(f"{otherwise}\n{logs}")
            time.sleep(0.2)

    def restart_controller(self, meanwhile: Callable[[], object] = lambda: time.sleep(5)) -> None:
        """Stop slurmctld, leave the cluster without one for some time, and start it again."""
        self._stop("slurmctld")
        meanwhile()
        self._start("slurmctld")
        self.wait(lambda: self("scontrol", "ping"), "slurmctld does not answer")

    def lose_node(self) -> None:
        """Kill the node's daemon and all that runs for jobs, as a power cut does, and take the node in again."""
        for process in psutil.process_iter(["name", "environ"]):
            if process.info["name"] in ("slurmd", "slurmstepd") or "SLURM_JOB_ID" in (process.info["environ"] or {}):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._become("DOWN", lambda state: "down" in state)
        self._start("slurmd")
        self._become("RESUME", lambda state: "down" not in state)

    def drain(self) -> None:
        """Start nothing more on the node; what runs goes on."""
        self._become("DRAIN", lambda state: "drai" in state)

    def resume(self) -> None:
        """Take the node in again."""
        self._become("RESUME", lambda state: "drai" not in state)

    def _become(self, asked: str, condition: Callable[[str], bool]) -> None:
        def done() -> bool:
            self("scontrol", "update", f"NodeName={self.host}", f"State={asked}", "Reason=test")
            state = self("sinfo", "-h", "-o", "%T")
            return bool(state) and condition(state)

        self.wait(done, f"the node does not take {asked}")

    def jobs(self, state: str = "RUNNING") -> list[str]:
        """Numbers of the jobs in a state."""
        return self("squeue", "-h", "-t", state, "-o", "%i").split()

    def _munge(self) -> None:
        """A munged of our own: its own key and socket."""
        folder = self.folder / "munge"
        folder.mkdir(mode=0o700)
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        folder.chmod(0o755)  # clients of any user reach the socket
        names = {"key-file": key, "socket": folder / "socket", "pid-file": self.folder / "munged.pid"}
        names |= {"log-file": folder / "log", "seed-file": folder / "seed"}
        subprocess.run(["munged", "--force", *(f"--{name}={path}" for name, path in names.items())], check=True)

    def _start(self, daemon: str) -> None:
        subprocess.run([daemon], check=True, timeout=60)

    def _stop(self, daemon: str) -> None:
        try:
            number = int((self.folder / f"{daemon}.pid").read_text())
            os.kill(number, signal.SIGTERM)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                os.kill(number, 0)
                time.sleep(0.1)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return
