"""The workflow on a real Slurm, with everything that happens there: run by "make test-slurm"."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import eager_snakemake
import psutil
import pytest
from conftest import Workspace, new_workspace, tiny_config
from slurm_cluster import Cluster, why_not

from supertickets.jobs.finished import IDENTITY, SUFFIX

pytestmark = pytest.mark.slurm

FIGURE = "results/figures/phase_transition.pdf"
TRIAL = "results/runs/tiny/toy/n32/seed1"
TICKETS = ("winning-0.30", "winning-0.60")
EAGER = Path(eager_snakemake.__file__)
#: Seconds that the full model trains for: a minute is the shortest limit of time, and is looked at every half.
SECONDS = 100


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if reason := why_not():
        pytest.fail(reason)  # these tests run where somebody asks for them, so nothing is passed over in silence
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with Cluster(folder / "run") as cluster:
        yield cluster
    shutil.rmtree(folder)


def config(epochs: int) -> dict[str, object]:
    how = {"epochs": epochs, "batch_size": 8, "learning_rate": 1.0e-3}
    return tiny_config(tasks=["toy"], seeds=[1], training=how)


@pytest.fixture(scope="module")
def epochs_a_second(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How many epochs this machine trains in a second."""
    short, record = (
        new_workspace(tmp_path_factory.mktemp("short") / "project", config(200)),
        f"{TRIAL}/full/record.json",
    )
    short.make(record)
    return 200 / json.loads((short.folder / record).read_text())["seconds"]["train"]


def prepared(folder: Path, settings: dict[str, object]) -> Workspace:
    """A project that has what its full model is trained from; none of it is a cluster job of the test."""
    workspace = new_workspace(folder, settings)
    workspace.make("results/encoded/tiny/toy.parquet", "results/subsets/toy/n32/seed1.json")
    return workspace


class Submitted:
    """A call of snakemake with the profile, going on in the background."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        self.log = workspace.folder / "snakemake.log"
        command = [sys.executable, str(EAGER), "--profile", "profiles/slurm", "--slurm-status-command", "squeue"]
        command += ["--latency-wait", "20", *arguments]
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                command, cwd=workspace.folder, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )

    def end(self, seconds: float = 800) -> str:
        """Its output, once it has ended well."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = "none"
        output = self.log.read_text()
        assert code == 0, output[-8000:]
        return output


def tells(log: Path, text: str) -> bool:
    """Whether a log is there that holds a text; a job that is submitted again begins it anew."""
    try:
        return text in log.read_text()
    except FileNotFoundError:
        return False


def calls_above(function: str, folder: Path) -> list[int]:
    """How many calls of snakemake are above each process of a function in a folder, the submitting one left out."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if (process.info["cmdline"] or [])[1:5] == ["-P", "-m", "supertickets", function] and process.info[
            "cwd"
        ] == str(folder):
            found.append(sum(above.cmdline()[1:3] == ["-m", "snakemake"] for above in process.parents()))
    return found


def test_accidents_on_the_way_to_the_figure(cluster: Cluster, tmp_path: Path, epochs_a_second: float) -> None:
    settings = config(round(SECONDS * epochs_a_second)) | {"ratios": [0.6]}
    workspace = prepared(tmp_path / "the project", settings)
    local = workspace.copy(tmp_path / "local" / "the project")
    beside = ThreadPoolExecutor().submit(local.make, FIGURE)
    # The full model comes to its limit of a minute; its ticket to one of memory, which Snakemake alone goes beyond.
    limits = ["finetune:runtime=attempt"]
    limits += [f"{rule}:mem_mb=50 if attempt == 1 else 2000" for rule in ("prune", "rewind", "retrain")]
    together = ["--group-components", "judged_{model}_{task}_{train_size}_{kind}=5"]
    call = Submitted(workspace, FIGURE, "--set-resources", *limits, *together)
    trial = workspace.folder / TRIAL

    def says(name: str, text: str) -> bool:
        return tells(trial / name / "train.log", text)

    def wait(name: str, text: str) -> None:
        cluster.wait(lambda: says(name, text) or call.process.poll() is not None, f"{name} does not say {text!r}", 500)

    wait("full", "epoch")
    cluster.restart_controller()
    cluster.drain()
    wait("full", "stopped by SIGTERM")
    cluster.wait(lambda: cluster.jobs("PENDING"), "the training is not submitted again", 120)
    assert not cluster.jobs()  # nothing runs on a node that is drained
    assert (trial / "full/train.log").read_text().count("checkpoint after step") == 1
    cluster.resume()
    wait("full", "continues after step")
    cluster.lose_node()
    (trial / "full/train.log").unlink()
    cluster.wait(lambda: "node information for job" in call.log.read_text(), "the loss of the node is not seen", 120)
    wait("full", "continues after step")
    wait("winning-0.60", "epoch")
    # No start of snakemake for each job of a group.
    assert calls_above("training.run:train_run", workspace.folder) == [1]
    cluster("scancel", *cluster.jobs())
    wait("winning-0.60", "continues after step")
    output = call.end()
    assert output.count("Trying to restart job") >= 4
    slurm = "".join(path.read_text() for path in (workspace.folder / ".snakemake/slurm_logs").rglob("*.log"))
    assert "DUE TO TIME LIMIT" in slurm and "CANCELLED" in slurm
    assert "exceeded memory limit" in "".join(path.read_text() for path in cluster.folder.glob("*.log"))
    assert not list(trial.rglob("checkpoint.safetensors")) and not cluster.jobs()

    beside.result()
    assert workspace.predictions() == local.predictions()
    assert (workspace.folder / FIGURE).read_bytes() == (local.folder / FIGURE).read_bytes()
    # Where it is run reruns nothing, nor does what a job was allowed.
    assert workspace.planned(FIGURE) == {}
    assert local.planned("--profile", "profiles/slurm", FIGURE) == {}


def test_the_submitting_snakemake_is_killed_and_its_jobs_go_on(
    cluster: Cluster, tmp_path: Path, epochs_a_second: float
) -> None:
    workspace = prepared(tmp_path / "the project", config(round(60 * epochs_a_second)))
    folder, target = workspace.folder / TRIAL / "full", f"{TRIAL}/full/record.json"
    log = folder / "train.log"
    call = Submitted(workspace, target)
    cluster.wait(lambda: tells(log, "epoch"), "nothing is trained", 300)
    os.killpg(call.process.pid, signal.SIGKILL)
    call.process.wait()
    (first,) = cluster.jobs("RUNNING")
    workspace.make("--unlock")
    again = Submitted(workspace, target)
    cluster.wait(lambda: tells(log, "waiting for its end"), "the training is done twice at once", 200)
    assert first in cluster.jobs("RUNNING")
    silent = "Slurm does not answer"
    cluster.restart_controller(lambda: cluster.wait(lambda: tells(again.log, silent), "nothing is said of it", 200))
    cluster.wait(lambda: (folder / f"checkpoint{SUFFIX}" / IDENTITY).exists(), "the first job comes to no end", 300)
    again.end()
    assert tells(log, "its files are taken over")
    assert workspace.planned(target) == {} and not cluster.jobs()


def test_a_broken_task_holds_up_no_other(cluster: Cluster, tmp_path: Path) -> None:
    settings = tiny_config(tasks=["toy", "broken"], seeds=[1])
    settings["define"]["tasks"]["broken"] = settings["define"]["tasks"]["toy"] | {"path": "data/broken.tsv"}
    workspace = new_workspace(tmp_path / "the project", settings)
    good = (workspace.folder / "data/toy.tsv").read_text()
    (workspace.folder / "data/broken.tsv").write_text(f"{good}one field\n")
    records = [f"results/runs/tiny/{task}/n32/seed1/full/record.json" for task in ("toy", "broken")]
    call = Submitted(workspace, *records, "--retries", "0")
    assert call.process.wait(600) == 1
    assert [(workspace.folder / path).exists() for path in records] == [True, False]
    assert "broken.tsv, line" in call.log.read_text()


def test_what_a_failed_group_has_trained_is_taken_over(cluster: Cluster, tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "the project", tiny_config(tasks=["toy"], seeds=[1]))
    workspace.make(f"{TRIAL}/importance/fine_tuned.csv")
    trials = [workspace.folder / TRIAL / name for name in TICKETS]
    targets = [f"{TRIAL}/{name}/record.json" for name in TICKETS]
    components = ["--group-components", "tickets_{model}_{task}=2"]
    call = Submitted(workspace, *targets, "--retries", "0", *components)
    identities = {trial / f"checkpoint{SUFFIX}" / IDENTITY: trial for trial in trials}
    cluster.wait(lambda: any(path.exists() for path in identities), "no ticket is trained", 300)
    good, broken = sorted(trials, key=lambda trial: not (trial / "record.json").exists())
    (broken / "checkpoint.lock").mkdir(parents=True)  # before its training has come to that, which cannot lock it
    before = (good / "record.json").read_bytes()
    assert call.process.wait(600) == 1
    assert not (good / "record.json").exists()
    (broken / "checkpoint.lock").rmdir()
    Submitted(workspace, *targets, *components).end()
    assert (good / "record.json").read_bytes() == before and tells(good / "train.log", "taken over")
    assert (broken / "record.json").exists()


def test_each_task_of_an_array_does_its_own_job(cluster: Cluster, tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "the project", tiny_config(tasks=["toy"]))
    workspace.make("results/tasks/toy.parquet")
    subsets = [f"results/subsets/toy/n32/seed{seed}.json" for seed in (1, 2)]
    # Groups are never arrays, so the rule is in none.
    call = Submitted(workspace, *subsets, "--groups", "prune=none", "--slurm-array-jobs", "subsample")
    assert "Submitted array job" in call.end()
    made = [(workspace.folder / path).read_bytes() for path in subsets]
    assert made[0] != made[1]
