# What the rules share: the checked config, fingerprints of code, and params.
#
# Parsed at every start, so nothing here imports torch, transformers or pandas or touches the network.

import atexit
import gc
import os
import re
import shlex
import sys
from pathlib import Path

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from supertickets.config import CATALOGUE, check_config, without_defaults_of_other_tasks
from supertickets.config_settings import outputs_of, pruning_of, training_of
from supertickets.environment import set_environment
from supertickets.errors import UserError
from supertickets.files import canonical_json
from supertickets.grid import adaptation_ways, grid_of, group_runs, groups_of, multi_task_ways, runs_of, scoped
from supertickets.layout import (
    ADAPTATION,
    GROUP_FILE,
    MULTI_TASK,
    TOKENIZER_FILES,
    TRIAL,
    drawn_kind,
    folder_of,
    group_file,
    kind_and_draw,
    size_from,
    ticket_file,
)
from supertickets.search import choices_of
from supertickets.sources import code_of
from supertickets.task_files import SERVER_PARTS, UNLABELLED, hub_downloads, inputs, is_local, parts_of, resolved
from supertickets.time_limit import warn_before_the_end
from supertickets.versions import other_versions

set_environment(WORKFLOW)
# A plan of thousands of jobs is millions of objects that stay; looking for garbage among them takes a sixth of the time.
# And at the end a tenth: without it they go with the process, all at once.
gc.set_threshold(200_000, 50, 100)
atexit.register(gc.freeze)

try:
    config = check_config(
        without_defaults_of_other_tasks(config, workflow.config_settings.overwrite_config), workflow.configfiles
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

# The full models' tell of all: whatever else was trained there came after them.
if workflow.is_main_process:
    older, differences = other_versions(Path("results/runs").glob("*/*/*/*/full/record.json"))
    if older:
        logger.warning(
            f"{older} full models, and what follows from them, were made with {differences}. They are kept;"
            " to make all that is asked for again: --forcerun encode"
        )

DEFINED = config["define"]
CATALOGUED = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
GRID = grid_of(config)
JOINT = config["multi_task"]
JOINT_TASKS = JOINT["tasks"] or config["tasks"]
ADAPTED = config["adaptation"]
TASKS = {task: DEFINED["tasks"][task] for task in (*config["tasks"], *JOINT_TASKS, *ADAPTED["tasks"])}
HUB_DATASETS = hub_downloads(TASKS)
CHOICES = choices_of(config["search"])
MODEL_FILES = ("config.json", *TOKENIZER_FILES, "model.safetensors")

#: Figures and tables with the part of the grid that each shows.
FIGURES = {
    "phase_transition": "main",
    "bias_variance": "main",
    "single_task_gain": "main",
    "ticket_kinds": "kinds",
    "data_size": "sizes",
    "ticket_masks": "main",
    "tickets_sharing": "joint",
    "ticket_importance": "joint",
}
TABLES = {
    "single_task_dev": "sizes",
    "seed_sensitivity": "sizes",
    "super_tickets": "sizes",
    "tasks": "main",
    "hyperparameters": "sizes",
    "sweep": "all",
    "published": "main",
    "multi_task_dev": "joint",
    "domain_adaptation": "joint",
}


def one_of(values):
    """A wildcard pattern that matches these values only."""
    return "|".join(re.escape(str(value)) for value in values)


wildcard_constraints:
    package=one_of(DEFINED["packages"]),
    dataset=one_of(Path(folder).name for folder in HUB_DATASETS) or "none",
    model=one_of(DEFINED["models"]),
    task=one_of(DEFINED["tasks"]),
    train_size=r"\d+|0\.\d+|all",
    seed=r"\d+",
    kind=one_of(
        drawn_kind(kind, draw + 1)
        for kind, count in {"winning": 1, "random": 1, **GRID["draws"]}.items()
        for draw in range(count)
    ),
    mode=one_of(JOINT["modes"]),
    ratio=r"[01]\.\d\d",
    weights="fine_tuned|pretrained",
    which="full|super",
    choice=one_of(CHOICES) or "none",
    step=r"\d+",
    held="own|full|union|nearest",
    figure=one_of(FIGURES),
    table=one_of(TABLES),


def code(script):
    """Fingerprint of a script and all it imports from the library, for a rule's params."""
    return code_of(WORKFLOW / "scripts" / f"{script}.py")


def trial(suffix):
    """Path pattern below the folder of one model, task, size and seed."""
    return f"results/{TRIAL}/{suffix}"


def step(suffix):
    """Path pattern below the folder of one step of an iterative ticket."""
    return trial(f"steps/{{kind}}-{{ratio}}/{{step}}/{suffix}")


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


def pruning(wildcards):
    """How the tickets of a kind are scored and cut."""
    return pruning_of(config, kind_and_draw(wildcards.kind)[0])


def get_ticket_run(wildcards):
    """The identity of a ticket's run as JSON; a step of k has its share of the ratio."""
    done = int(wildcards.step) / pruning(wildcards)["steps"] if "step" in wildcards.keys() else 1
    return get_run(wildcards, wildcards.kind, round(float(wildcards.ratio) * done, 2))


def get_ticket_settings(wildcards):
    """How a ticket is drawn, as JSON."""
    return canonical_json({**pruning(wildcards), "outputs": outputs_of(config, wildcards.task)})


def get_scored_weights(wildcards):
    """The weights that importance is computed on."""
    if wildcards.weights == "pretrained":
        return rules.fetch_model.output.weights.format(**wildcards)
    return rules.finetune.output.trained.format(**wildcards)


def get_scores_to_prune_by(wildcards):
    """Scores of the full model, or of the ticket of the step before with that ticket."""
    how = pruning(wildcards)
    before = int(wildcards.get("step", how["steps"])) - 1
    if before == 0:
        return {"importance": trial(f"importance/{how['weights']}.csv").format(**wildcards)}
    names = {"importance": "importance.csv", "previous": "ticket.json"}
    return {key: step(name).format(**dict(wildcards.items()) | {"step": before}) for key, name in names.items()}


#: Files that not every job of a rule has, by the names of their options.
OPTIONAL = {"input": ("previous", "ticket", "chosen"), "output": ("trained",)}


def get_optional_files(wildcards, input, output):
    """Such files of a job, for the command line.

    Snakemake does not record a param that is made from a rule's files: keeping weights or not reruns nothing.
    """
    found = {"input": input, "output": output}
    paths = {name: found[part].get(name) for part, names in OPTIONAL.items() for name in names}
    return " ".join(f"--{name} {shlex.quote(str(path))}" for name, path in paths.items() if path)


def get_training_options(wildcards, input, output):
    """The same and how often a checkpoint is written, which is not recorded either."""
    return f"{get_optional_files(wildcards, input, output)} --checkpoint-minutes {config['checkpoint_minutes']}"


def get_settings(wildcards):
    """All settings of a model's trainings on a task as JSON: equal settings are equal text, whatever the config's order."""
    return canonical_json(unsearched(training_of(config, wildcards.model, wildcards.task)))


def kept(path):
    """Weights are deleted after their last use, unless the config keeps them."""
    return path if config["keep_weights"] else temp(path)


def if_kept(**paths):
    """Weights that no other step reads: not even written, unless the config keeps them."""
    return paths if config["keep_weights"] else {}


def get_model_source(wildcards):
    """The package that holds a model, its download from the hub, or the files of the user's own folder."""
    entry = DEFINED["models"][wildcards.model]
    if "hub" in entry:
        return {"source": rules.fetch_hub_model.output[0].format(**wildcards)}
    if "package" in entry:
        return {"source": f"results/packages/{entry['package']}"}
    source, *files = (f"{entry['path']}/{name}" for name in MODEL_FILES)
    return {"source": source, "files": files}


def get_task_inputs(wildcards):
    """What holds a task's examples: a package, downloads from the hub, or files."""
    return inputs(DEFINED["tasks"][wildcards.task], config["glue"])


def get_task_definition(wildcards):
    """A task's definition, with how to read its files, as JSON."""
    return canonical_json(resolved(DEFINED["tasks"][wildcards.task], config["glue"]))


def options(values):
    """Options of a command line; what is None is left out, what is no text is JSON."""
    texts = {key: value if isinstance(value, str) else canonical_json(value) for key, value in values.items() if value}
    return " ".join(f"--{key} {shlex.quote(text)}" for key, text in texts.items())


def get_hub_model(wildcards):
    """What to download of a model, for the command line."""
    entry = DEFINED["models"][wildcards.model]
    return options({"repository": entry["hub"], "revision": entry["revision"], "sha256": entry.get("sha256")})


def get_hub_dataset(wildcards):
    """What to download of a dataset, for the command line."""
    return options(HUB_DATASETS[f"results/hub/datasets/{wildcards.dataset}"])


def get_downloads(wildcards):
    """All that the network is needed for, by this config."""
    models = [DEFINED["models"][model] for model in config["models"]]
    remote = {task: entry for task, entry in TASKS.items() if not is_local(entry, config["glue"])}
    packages = [entry["package"] for entry in (*models, *remote.values()) if "package" in entry]
    return [
        *(f"results/packages/{package}" for package in dict.fromkeys(packages)),
        *(f"results/hub/models/{name}" for name in config["models"] if "hub" in DEFINED["models"][name]),
        *hub_downloads(remote),
    ]


def get_group(wildcards):
    """What names a group of runs, as JSON."""
    return canonical_json(group_of(wildcards))


def group_of(wildcards):
    """A group of runs, from the wildcards of its path."""
    size = size_from(wildcards.train_size)
    return {"model": wildcards.model, "task": wildcards.task, "train_size": size, "kind": wildcards.kind}


def get_group_grid(wildcards):
    """What spans the runs of a group, as JSON: a step finds them by itself, for thousands of paths fit no command line."""
    draws = {kind: GRID["draws"][kind] for kind in ("winning", wildcards.kind)}
    return canonical_json({"seeds": config["seeds"], "ratios": config["ratios"], "draws": draws})


def get_group_runs(wildcards):
    """Records and predictions of the runs of a group."""
    return files_of(group_runs(GRID, group_of(wildcards)))


def get_compared_runs(wildcards):
    """The same with the full models, which tickets are compared with."""
    full = (run for run in group_runs(GRID, group_of(wildcards) | {"kind": "winning"}) if run["kind"] == "full")
    return list(dict.fromkeys([*files_of(full), *get_group_runs(wildcards)]))


def files_of(runs):
    """Records and predictions of runs."""
    names = ("record.json", "predictions.parquet")
    return [f"results/{folder_of(run)}/{name}" for run in runs for name in names]


def get_metrics(wildcards):
    """A task's metrics, separated by commas; the first chooses super tickets."""
    return ",".join(DEFINED["tasks"][wildcards.task]["metrics"])


def get_first_metric(wildcards):
    """The metric that chooses super tickets, and that is compared."""
    return DEFINED["tasks"][wildcards.task]["metrics"][0]
