# What the rules share: the checked config, fingerprints of code, and params.
#
# Parsed at every start, so nothing here imports torch, transformers or pandas or touches the network.

import re
import shlex
import sys
from pathlib import Path

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))

from snakemake.exceptions import WorkflowError

from supertickets.config import check_config, outputs_of, training_of
from supertickets.environment import set_environment
from supertickets.errors import UserError
from supertickets.files import canonical_json
from supertickets.grid import draws_of, runs_of
from supertickets.layout import TOKENIZER_FILES, TRIAL, drawn_kind, kind_and_draw, run_folder, size_from
from supertickets.sources import code_of

set_environment(WORKFLOW)

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
    train_size=r"\d+|0\.\d+|all",
    seed=r"\d+",
    kind=one_of(drawn_kind(*draw) for draw in draws_of(config)),
    ratio=r"[01]\.\d\d",


def code(script):
    """Fingerprint of a script and all it imports from the library, for a rule's params."""
    return code_of(WORKFLOW / "scripts" / f"{script}.py")


def trial(suffix):
    """Path pattern below the folder of one model, task, size and seed."""
    return f"results/{TRIAL}/{suffix}"


def get_run(wildcards, name="full", ratio=0.0):
    """A run's identity as JSON, from the wildcards of its path."""
    kind, draw = kind_and_draw(name)
    run = {
        "model": wildcards.model,
        "task": wildcards.task,
        "train_size": size_from(wildcards.train_size),
        "seed": int(wildcards.seed),
        "kind": kind,
        "ratio": ratio,
        "draw": draw,
    }
    return canonical_json(run)


def get_stratify(wildcards):
    """Whether a task's subsets are stratified, as 0 or 1; a regression has no classes."""
    return int(config["stratify"] and outputs_of(config, wildcards.task) > 1)


def get_ticket_run(wildcards):
    """The same of a ticket's run."""
    return get_run(wildcards, wildcards.kind, float(wildcards.ratio))


def get_ticket_settings(wildcards):
    """How a ticket is drawn, as JSON."""
    return canonical_json({"ffn_rule": config["ffn_rule"], "outputs": outputs_of(config, wildcards.task)})


def get_settings(wildcards):
    """All settings of a task's trainings as JSON: equal settings are equal text, whatever the config's order."""
    return canonical_json(training_of(config, wildcards.task))


def kept(path):
    """Weights are deleted after their last use, unless the config keeps them."""
    return path if config["keep_weights"] else temp(path)


def if_kept(**paths):
    """Weights that no other step reads: not even written, unless the config keeps them."""
    return paths if config["keep_weights"] else {}


def get_trained_option(wildcards, output):
    """Where a ticket's trained weights go, for the command line.

    Snakemake does not record a param that comes from the output: keeping weights or not reruns nothing.
    """
    return f"--trained {shlex.quote(output.trained)}" if config["keep_weights"] else ""


def get_model_source(wildcards):
    """The package that holds a model, or the files of the user's own folder."""
    entry = DEFINED["models"][wildcards.model]
    if "package" in entry:
        return {"source": f"results/packages/{entry['package']}"}
    files = [f"{entry['path']}/{name}" for name in (*TOKENIZER_FILES, "model.safetensors")]
    return {"source": f"{entry['path']}/config.json", "files": files}


def get_task_source(wildcards):
    """The package that holds a task's sentences, or the user's own file."""
    entry = DEFINED["tasks"][wildcards.task]
    return f"results/packages/{entry['package']}" if "package" in entry else entry["path"]


def get_runs(wildcards):
    """Records and predictions of every run."""
    names = ("record.json", "predictions.parquet")
    return [f"results/{run_folder(run)}/{name}" for run in runs_of(config) for name in names]


def get_figures(wildcards):
    """The figures that the config has the runs for."""
    names = ["phase_transition", *(["ticket_kinds"] if len(config["kinds"]) > 1 else [])]
    return [f"results/figures/{name}.pdf" for name in names]


def get_grid():
    """What spans the runs, for steps that find them by themselves: thousands of paths fit no command line."""
    axes = ("models", "tasks", "train_sizes", "seeds", "kinds", "random_draws", "ratios")
    return {axis: config[axis] for axis in axes}


def get_metrics():
    """Metrics by task; the first one chooses super tickets."""
    return {task: DEFINED["tasks"][task]["metrics"] for task in config["tasks"]}
