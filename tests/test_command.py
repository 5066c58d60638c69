"""``supertickets prune``: from a file of one's own to a verdict and a model to use."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import PROJECT, write_tiny_model, write_tiny_task

import supertickets
from supertickets import command as command_module
from supertickets.call import run
from supertickets.command import prune
from supertickets.errors import UserError
from supertickets.experiment.config import check_config
from supertickets.experiment.own_config import model_of, name_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CALL = "import sys; from supertickets.command import main; main()"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny model and a file of quoted examples."""
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "My BERT")
    write_tiny_task(tmp_path / "toy.tsv")
    for name in ("Complaints 2024.csv", "toy.csv", "toy2.csv"):
        pd.read_csv("toy.tsv", sep="\t").to_csv(name, index=False)
    return tmp_path


@pytest.fixture
def pruned(home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the command prints, in this process, on the file of examples if the arguments name no other."""

    def called(*arguments: str) -> str:
        given = ["--data", "Complaints 2024.csv", "--text", "text", "--label", "label", "--out", "out"]
        run(prune, [*(given if "--data" not in arguments else []), *arguments])
        return "".join(capfd.readouterr())

    return called


@pytest.mark.slow
def test_from_a_file_to_a_verdict_and_a_model(home: Path) -> None:
    command = [sys.executable, "-c", CALL, "prune", "My BERT", "--data", "Complaints 2024.csv", "--text", "text"]
    command += ["--label", "label", "--out", "out", "--seeds", "2", "--ratios", "0.3", "--cores", "2"]
    command += ["--max-length", "16", "--margin", "2.5"]
    path = {"PYTHONPATH": str(PROJECT / "workflow")}
    done = subprocess.run(command, text=True, capture_output=True, env=os.environ | path)
    assert done.returncode == 0, done.stderr
    with Path("out/results/verdicts.csv").open() as lines:
        verdict = next(csv.DictReader(lines))["verdict"]
    folder = Path("out/results/exports/my-bert/complaints-2024/super")
    assert f"Pruning my-bert on complaints-2024, margin 2.5: {verdict}.\n" in done.stdout
    assert f'model = supertickets.load("{folder}/cut")' in done.stdout
    assert supertickets.load(folder / "cut").config.id2label == {0: "no", 1: "yes"}
    assert (folder / "README.md").is_file() and (folder.parent / "full/dense/model.safetensors").is_file()
    assert Path("out/results/figures/phase_transition.pdf").is_file()
    # What it prints goes on, in any folder; edited, the config is the user's.
    again = re.search(r"^    (snakemake --cores 2 .*)$", done.stdout, re.MULTILINE)
    assert again and again[1] in Path("out/config.yaml").read_text()
    config = yaml.safe_load(Path("out/config.yaml").read_text())
    assert config["define"]["tasks"]["complaints-2024"]["path"] == str(home / "Complaints 2024.csv")
    Path("out/config.yaml").write_text(yaml.safe_dump(config | {"ratios": [0.3, 0.6]}))
    done = subprocess.run(command, text=True, capture_output=True, env=os.environ | path)
    assert done.returncode == 1 and done.stderr.startswith("Error: out/config.yaml differs from these options")
    target = f"{again[1]} results/verdicts.csv --dry-run"
    done = subprocess.run([sys.executable, "-m", *target.split()], text=True, capture_output=True, cwd=home.parent)
    assert done.returncode == 0 and re.search(r"^retrain +2$", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_a_failing_job_is_one_line_at_the_end(pruned: Callable[..., str]) -> None:
    Path("My BERT/model.safetensors").write_bytes(b"no weights")
    with pytest.raises(SystemExit, match=r"^Error: .*My BERT/config.json: model\.safetensors is not a readable"):
        pruned("My BERT", "--seeds", "2", "--cores", "1")


def test_a_dry_run_says_what_would_run_and_writes_the_config(pruned: Callable[..., str]) -> None:
    printed = pruned("minilm", "--dry-run", "--no-export", "--metric", "macro_f1,accuracy", "--seeds", "3")
    assert "Verdict" not in printed and "To change the experiment, edit out/config.yaml; then\n" in printed
    config = check_config(yaml.safe_load(Path("out/config.yaml").read_text()))
    task = config["define"]["tasks"]["complaints-2024"]
    assert config["models"] == ["minilm"] and config["seeds"] == [1, 2, 3] and config["train_sizes"] == ["all"]
    assert task["metrics"] == ["macro_f1", "accuracy"] and task["labels"] == ["no", "yes"]
    assert not list(Path("out/results").glob("*")) and not config["multi_task"]["tasks"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["roberta-huge"], r"'roberta-huge' is neither a folder, nor a model of the catalogue \(minilm, .*: branches"),
        (["owner/name@main"], "nor a model of the hub with its commit, owner/name@ and 40 hexadecimal digits"),
        ([], "no model: give one of minilm, .* or --finetuned"),
        (["minilm", "--data", "none.csv", "--text", "a", "--label", "b", "--out", "o"], "none.csv: no such file"),
        (
            ["minilm", "--data", "toy.tsv", "--text", "texts", "--label", "label", "--out", "o"],
            r"toy.tsv, line 1: no column 'texts'; the columns are \['id', 'text', 'label', 'value'\]",
        ),
        (
            ["minilm", "--data", "toy.tsv", "--text", "text", "--label", "value", "--out", "o"],
            "toy.tsv: column 'value' holds 1.. different labels in 120 rows: .* --metric pearson or spearman",
        ),
        (["minilm", "--ratios", "0.1;0.3"], "--ratios is '0.1;0.3': numbers with commas between them"),
        (["minilm", "--test", "toy.tsv"], "--test is given without --validation"),
        (["minilm", "--metric", "auc"], r"complaints-2024.metrics\[0\] is 'auc'"),
        (["minilm", "--margin", "0"], "margin is 0.0"),
        (["minilm", "--seeds", "0"], r"seeds is \[\]"),
        (
            ["minilm", "--finetuned", "My BERT"],
            "finetuned is '.*My BERT', for task .*: its classes are LABEL_0, LABEL_1",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(
    pruned: Callable[..., str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match=f"(?s)Error: .*{message}"):
        pruned(*arguments)
    assert not Path("out").exists() and not Path("o").exists()


def test_without_the_workflow_s_packages_or_files_there_is_one_error(
    pruned: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_module, "NEEDED", ("yaml", "no_such_package"))
    with pytest.raises(
        SystemExit, match=r"packages are needed, and no_such_package is missing: pip install '\.\[workf"
    ):
        pruned("minilm")
    monkeypatch.undo()
    monkeypatch.setattr("supertickets.experiment.config.WORKFLOW", Path("/none/workflow"))
    with pytest.raises(SystemExit, match=r"/none/Snakefile: no such file: the workflow is not installed"):
        pruned("minilm")


def test_a_fine_tuned_model_may_know_the_test_examples_of_a_file_that_is_dealt(pruned: Callable[..., str]) -> None:
    config = Path("My BERT/config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"id2label": {"0": "yes", "1": "no"}}))
    given = ["--finetuned", "My BERT", "--seeds", "1", "--no-export", "--dry-run"]
    warning = "is split into train, validation and test: if the fine-tuned model was trained on it, its score is too"
    assert f"Complaints 2024.csv {warning}" in pruned("minilm", *given)
    assert warning not in pruned(*given, "--validation", "toy.csv", "--test", "toy2.csv", "--out", "other")
    written = yaml.safe_load(Path("other/config.yaml").read_text())["define"]
    assert set(written["tasks"]["complaints-2024"]["files"]) == {"train", "validation", "test"}
    assert written["models"] == {"my-bert": {"finetuned": str(Path("My BERT").absolute())}}


def test_models_by_name_hub_and_folder(home: Path) -> None:
    assert model_of("minilm", "") == ("minilm", {})
    name, entry = model_of("minilm", "My BERT")
    assert name == "minilm" and entry["package"] and entry["finetuned"] == str(home / "My BERT")
    assert model_of(f"owner/Some_Model@{COMMIT}", "") == ("some_model", {"hub": "owner/Some_Model", "revision": COMMIT})
    assert model_of("My BERT", "") == ("my-bert", {"path": str(home / "My BERT")})
    assert model_of("", "My BERT") == ("my-bert", {"finetuned": str(home / "My BERT")})
    assert name_of("Ünï.Cødé!", "x") == "n-.c-d" and name_of("???", "task") == "task"
    with pytest.raises(UserError, match="no model"):
        model_of("", "")


def test_the_wheel_holds_all_files_that_snakemake_reads() -> None:
    packed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    held = {path for patterns in packed.values() for pattern in patterns for path in PROJECT.glob(pattern)}
    library = PROJECT / "workflow/supertickets"
    needed = {path for path in (PROJECT / "workflow").rglob("*") if path.is_file() and library not in path.parents}
    needed |= {PROJECT / name for name in ("Snakefile", "config.yaml", "profiles/default/config.yaml")}
    assert {path for path in needed if "__pycache__" not in path.parts} <= held
    for folder, patterns in packed.items():
        for path in (path for pattern in patterns for path in PROJECT.glob(pattern)):
            assert Path("share/supertickets") / path.relative_to(PROJECT) == Path(folder) / path.name
