# What the rules share: the checked config, fingerprints of code, and params.
#
# Parsed at every start, so nothing here imports torch, transformers or pandas or touches the network.

import os
import re
import sys
from pathlib import Path

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))
SCRIPTS = WORKFLOW / "scripts"
# Wherever a job starts, its script finds the library, and "python" is the one that runs snakemake.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")]))
# glibc returns large freed blocks to the system at once and a training asks for the same ones at every step:
# keeping them saves the page faults and changes no result.
for name, value in {"MMAP_THRESHOLD": 2**25, "TRIM_THRESHOLD": 2**31, "TOP_PAD": 2**26}.items():
    os.environ.setdefault(f"MALLOC_{name}_", str(value))
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

from snakemake.exceptions import WorkflowError

from supertickets.config import check_config, outputs_of, training_of
from supertickets.errors import UserError
from supertickets.files import canonical_json
from supertickets.grid import runs_of
from supertickets.layout import TOKENIZER_FILES, TRIAL, run_folder
from supertickets.sources import code_of

try:
    config = check_config(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

DEFINED = config["define"]


def one_of(values):
    """A wildcard pattern that matches these values only."""
    return "|".join(re.escape(str(value)) for value in values)


wildcard_constraints:
    package=one_of(DEFINED["packages"]),
    model=one_of(DEFINED["models"]),
    task=one_of(DEFINED["tasks"]),
    train_size=r"\d+|all",
    seed=r"\d+",
    kind=one_of(config["kinds"]),
    ratio=r"[01]\.\d\d",


def code(script):
    """Fingerprint of a script and all it imports from the library, for a rule's params."""
    return code_of(SCRIPTS / f"{script}.py")


def trial(suffix):
    """Path pattern below the folder of one model, task, size and seed."""
    return f"results/{TRIAL}/{suffix}"


def get_run(wildcards, kind="full", ratio=0.0):
    """A run's identity as JSON, from the wildcards of its path."""
    size = wildcards.train_size
    run = {
        "model": wildcards.model,
        "task": wildcards.task,
        "train_size": size if size == "all" else int(size),
        "seed": int(wildcards.seed),
        "kind": kind,
        "ratio": ratio,
    }
    return canonical_json(run)


def get_ticket_settings(wildcards):
    """How a ticket is drawn, as JSON."""
    settings = {"kind": wildcards.kind, "ratio": float(wildcards.ratio), "ffn_rule": config["ffn_rule"]}
    return canonical_json({**settings, "outputs": outputs_of(config, wildcards.task)})


def get_settings(wildcards):
    """All settings of a task's trainings as JSON: equal settings are equal text, whatever the config's order."""
    return canonical_json(training_of(config, wildcards.task))


def kept(path):
    """Weights are deleted after their last use, unless the config keeps them."""
    return path if config["keep_weights"] else temp(path)
