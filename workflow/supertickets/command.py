"""The command of an installed library: ``supertickets prune`` and ``supertickets cut``."""

from __future__ import annotations

import csv
import importlib.util
import logging
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supertickets.call import run
from supertickets.errors import PREFIX, UserError, blamed_on, reported

log = logging.getLogger(__name__)

#: What ``prune`` needs besides the library's own dependencies; the extra ``workflow`` has them with all others.
NEEDED = ("snakemake", "jsonschema", "yaml", "scipy", "statsmodels", "matplotlib")


def prune(
    model: str = "",
    /,
    *,
    data: Path,
    text: str,
    label: str,
    out: Path,
    text_pair: str = "",
    validation: Path | None = None,
    test: Path | None = None,
    finetuned: str = "",
    margin: float = 1.0,
    metric: str = "accuracy",
    seeds: int = 6,
    ratios: str = "0.1,0.3,0.6,0.9",
    max_length: int = 128,
    cores: str = "all",
    export: bool = True,
    dry_run: bool = False,
) -> None:
    """Find the super ticket of a model on a file of one's own, judge it, and export it. Runs the workflow.

    Args:
        model: a name of the catalogue, owner/name@commit of the hub, or a folder.
        data: file of examples, .csv, .tsv, .jsonl or .parquet; split into train, validation and test if validation is
            not given.
        text: column of the text.
        label: column of the label, or of the number to predict.
        out: folder to write: config.yaml and results/.
        text_pair: column of the second text, where examples are pairs.
        validation: file of validation examples, if data holds the training examples alone.
        test: file of test examples, beside that.
        finetuned: folder of a fine-tuned model to start from: it is the full model, and is not trained.
        margin: points that may be lost.
        metric: what is scored, the first chooses: accuracy, macro_f1, ...; pearson or spearman of a number.
        seeds: how many trainings at each ratio; ten and more give narrow intervals.
        ratios: shares to prune.
        max_length: longest text in tokens.
        cores: how many to use.
        export: write the super ticket and the full model as folders that transformers loads.
        dry_run: write the config, and say what would run.
    """
    snakefile = _snakefile()
    from supertickets.experiment.own_config import model_of, name_of, own_config, task_of

    files = {part: path for part, path in (("train", data), ("validation", validation), ("test", test)) if path}
    if "test" in files and "validation" not in files:
        raise UserError("--test is given without --validation, which chooses the super ticket: give both, or none")
    if finetuned and "validation" not in files:
        log.warning(
            "%s is split into train, validation and test: if the fine-tuned model was trained on it, its score is too "
            "high; name files that it has not seen with --validation and --test", data,
        )  # fmt: skip
    columns = {"text": text, **({"text_pair": text_pair} if text_pair else {}), "target": label}
    config = own_config(
        model_of(model, finetuned),
        (name_of(data.stem, "task"), task_of(files, columns, metric.split(","), _targets(files, columns))),
        margin, seeds, _numbers(ratios), max_length,
    )  # fmt: skip
    command = ["snakemake", "--cores", cores, "--snakefile", str(snakefile), "--directory", str(out.absolute())]
    _write_config(config, out, shlex.join(command))
    targets = ["results/figures/phase_transition.pdf", "results/tables/super_tickets.md"]
    exports = [f"results/exports/{config['models'][0]}/{config['tasks'][0]}/{which}" for which in ("super", "full")]
    targets += [f"{folder}/{name}" for folder in exports for name in ("cut/config.json", "README.md") if export]
    _run([sys.executable, "-m", *command, *targets, *(["--dry-run"] if dry_run else []), "--quiet", "rules"], out)
    if not dry_run:
        _report(config, out, exports[0] if export else "")
    print(f"To change the experiment, edit {out / 'config.yaml'}; then\n    {shlex.join(command)}")


def _snakefile() -> Path:
    """The workflow's Snakefile: that of the checkout, or the one that pip has installed with the library.

    Raises:
        UserError: it, or a package that it needs, is not there.
    """
    if lacking := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(f"the workflow's packages are needed, and {lacking[0]} is missing: pip install '.[workflow]'")
    from supertickets.experiment.config import WORKFLOW

    path = WORKFLOW.parent / "Snakefile"
    if not path.is_file():
        raise UserError(
            f"{path}: no such file: the workflow is not installed with the library; pip install '.[workflow]'"
        )
    return path


def _numbers(text: str) -> list[float]:
    """Numbers with commas between them."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--ratios is {text!r:.80}: numbers with commas between them are needed, as 0.1,0.3")


def _targets(files: dict[str, Path], columns: dict[str, str]) -> list[str]:
    """All labels of some files, as the workflow will read them.

    Raises:
        UserError: a file is not there, has no such column, or has a broken row.
    """
    from supertickets.data.readers import read_rows
    from supertickets.files import read_whole

    found: list[str] = []
    for path in files.values():
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        found += read_rows(read_whole(path), {"columns": columns}, str(path))["target"].tolist()
    return found


def _write_config(config: dict[str, Any], out: Path, command: str) -> None:
    """Check a config and write it, unless somebody has edited what is there.

    Raises:
        UserError: the config cannot be used, or another one is there.
    """
    import yaml

    from supertickets.experiment.config import SCHEMA, check_config

    check_config(config)
    path = out / "config.yaml"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
        path.write_text(f"# Every key: {SCHEMA}\n# After a change:\n# {command}\n\n{text}", encoding="utf-8")
    elif yaml.safe_load(path.read_text(encoding="utf-8")) != config:
        raise UserError(f"{path} differs from these options: delete it, give another --out, or continue with {command}")


def _run(command: Sequence[str], out: Path) -> None:
    """Run Snakemake to its end, whatever signals come: it has its own way to stop.

    Raises:
        UserError: it has failed; the message is that of a job, where one has said why.
    """
    began = time.time()
    with subprocess.Popen(command) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends it to Snakemake too
        status = process.wait()
    if status:
        logs = [path for path in (out / "results").rglob("*.log") if path.stat().st_mtime >= began]
        error = next(iter(reported(logs)), "the workflow has stopped, see above; the same command continues")
        raise UserError(error.removeprefix(PREFIX))


def _report(config: dict[str, Any], out: Path, exported: str) -> None:
    """Print the verdict, and where the figure and the exported ticket are."""
    with (out / "results/verdicts.csv").open(encoding="utf-8", newline="") as lines:
        row = next(csv.DictReader(lines))
    print(f"\nPruning {row['model']} on {row['task']}, margin {config['margin']:g}: {row['verdict']}.")
    print(f"Figure: {out / 'results/figures/phase_transition.pdf'}")
    if exported:
        folder = out / exported
        print(f'Super ticket: {folder}\n    model = supertickets.load("{folder / "cut"}")')
        print(f'    classify = pipeline("text-classification", model="{folder / "dense"}", truncation=True)')


def cut(model: Path, ticket: Path, out: Path) -> None:
    """Cut a model for classification to a ticket, and write it with full sizes (dense/) and with its own (cut/).

    Args:
        model: folder of a model of transformers for classification, with its tokenizer.
        ticket: the ticket's file, such as one of results/runs/.../tickets/.
        out: folder to write.
    """
    from transformers import AutoTokenizer

    from supertickets.api import cut as cut_to
    from supertickets.api import export, load

    full = load(model)
    with blamed_on(f"{model}: no tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(model)
    export(cut_to(full, ticket), out, tokenizer)


#: What can be asked for, by name.
COMMANDS = {"prune": prune, "cut": cut}


def main() -> None:
    """Run what the first argument names with the options after it."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: supertickets {{{','.join(COMMANDS)}}} --option value ... (--help lists the options)")
    run(COMMANDS[sys.argv[1]], sys.argv[2:])
