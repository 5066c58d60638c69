"""The multi-task part of the tiny experiment, from selections to the table and the figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Workspace, new_workspace, tiny_config
from scipy import stats

from supertickets.config import check_config
from supertickets.errors import UserError
from supertickets.formulas import FORMULAS, predicted
from supertickets.multi_task_scores import compare_multi_task, score_multi_task
from supertickets.share_tickets import share_tickets
from supertickets.tickets import Ticket

TABLE, FIGURE = "results/tables/multi_task_dev.md", "results/figures/tickets_sharing.pdf"
MODES = ("full", "super", "random", "union")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny experiment of two tasks, with its multi-task part."""
    workspace = new_workspace(tmp_path_factory.mktemp("shared") / "project", tiny_config())
    workspace.make(TABLE, FIGURE)
    return workspace


def results_of(workspace: Workspace) -> Path:
    return workspace.folder / "results"


def test_every_task_has_the_ticket_that_its_mode_says(shared: Workspace) -> None:
    results = results_of(shared)
    for seed in (1, 2):
        trials = {task: results / f"runs/tiny/{task}/n32/seed{seed}/tickets" for task in ("toy", "toy_value")}
        ratios = {
            task: pd.read_csv(results / f"selections/tiny/{task}/n32/winning.csv")["ratio"].item() for task in trials
        }
        found = {
            mode: json.loads((results / f"multi_task/tiny/{mode}/seed{seed}/tickets.json").read_text())
            for mode in MODES
        }
        for task, folder in trials.items():
            for mode, kind in (("super", "winning"), ("random", "random")):
                expected = json.loads((folder / f"{kind}-{ratios[task]:.2f}.json").read_text())
                assert found[mode][task]["ratio"] == ratios[task]
                for key in ("heads", "ffn", "heads_pruned", "ffn_pruned", "weight_remaining"):
                    assert found[mode][task][key] == expected[key], (mode, task, key)
            assert Ticket.of(found["full"][task], task) == Ticket.full(3, 4)
            assert found["full"][task]["weight_remaining"] == 1
            united = [set(map(tuple, _units(found["super"][other]))) for other in trials]
            assert set(map(tuple, _units(found["union"][task]))) == set.union(*united)
        record = json.loads((results / f"multi_task/tiny/super/seed{seed}/record.json").read_text())
        for task in trials:
            assert record["tasks"][task]["weight_remaining"] == found["super"][task]["weight_remaining"]
            assert record["tasks"][task]["settings"]["classifier_dropout"] == 0.1


def _units(content: dict) -> list[tuple]:
    return [(layer, head) for layer, kept in enumerate(content["heads"]) for head in kept] + [
        ("ffn", layer) for layer in content["ffn"]
    ]


def test_the_table_says_what_was_predicted(shared: Workspace) -> None:
    results = results_of(shared)
    table = pd.read_csv(results / "tables/multi_task_dev.csv").set_index("task")
    scores = pd.read_parquet(results / "multi_task/tiny/scores.parquet")
    assert set(scores["task"]) == {"toy", "toy_value"} and set(scores["mode"]) == set(MODES)
    by_mode = {}
    for mode in MODES:
        values = []
        for seed in (1, 2):
            rows = pd.read_parquet(results / f"multi_task/tiny/{mode}/seed{seed}/predictions.parquet")
            rows = rows[(rows["task"] == "toy") & (rows["split"] == "test")]
            logits = np.stack(rows["logits"].tolist())
            values.append(100 * FORMULAS["accuracy"](predicted(logits), rows["label"].to_numpy()))
        by_mode[mode] = np.array(values)
        assert table.loc["toy", mode] == pytest.approx(np.mean(values))
    gain = (by_mode["super"] - by_mode["full"]).mean()
    assert table.loc["toy", "difference_super"] == pytest.approx(gain)
    single = pd.read_parquet(results / "scores/tiny/toy/n32/winning.parquet")
    full = single[(single["ratio"] == 0) & (single["split"] == "test") & (single["metric"] == "accuracy")]
    assert table.loc["toy", "single_full"] == pytest.approx(full["value"].mean())
    tasks = table.loc[["toy", "toy_value"]]
    for name in (*MODES, "single_super", "weight_remaining", "difference_super", "difference_union"):
        assert table.loc["average", name] == pytest.approx(tasks[name].mean()), name
    # Seeds count once for the average, as their tasks were trained together.
    compared = pd.read_csv(results / "multi_task/tiny/comparisons.csv")
    rows = compared[(compared["task"] == "average") & (compared["mode"] == "super")]
    metrics = {"toy": "accuracy", "toy_value": "pearson"}
    wide = scores[(scores["split"] == "test") & (scores["metric"] == scores["task"].map(metrics))]
    by_seed = wide.groupby(["mode", "seed"])["value"].mean().unstack()
    differences = by_seed.loc["super"] - by_seed.loc["full"]
    assert rows["difference"].item() == pytest.approx(differences.mean())
    assert rows["seeds_error"].item() == pytest.approx(stats.sem(differences))
    text = (results / "tables/multi_task_dev.md").read_text()
    for words in ("Gain, super", "Random tickets", "Union of tickets", "toy_value", "average", "seeds: 1, 2"):
        assert words in text
    assert "nan" not in text and "published" not in text


def test_scores_of_a_training_are_those_of_its_record(shared: Workspace, tmp_path: Path) -> None:
    results, metrics = results_of(shared), {"toy": ["accuracy"]}
    score_multi_task(results, "tiny", ["super"], [2], metrics, tmp_path / "scores.parquet")
    row = pd.read_parquet(tmp_path / "scores.parquet").iloc[0]
    record = json.loads((results / "multi_task/tiny/super/seed2/record.json").read_text())
    assert row["weight_remaining"] == record["tasks"]["toy"]["weight_remaining"] and row["seed"] == 2
    compare_multi_task(results, "tiny", ["full", "super"], [2], metrics, tmp_path / "one.csv")
    table = pd.read_csv(tmp_path / "one.csv")
    assert table["p"].isna().all() and "average" not in set(table["task"])  # one seed tells no spread
    folder = tmp_path / "multi_task/tiny/super/seed1"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"record.json: is of run .*'seed': 2.*expected .*'seed': 1.*delete the folder"):
        score_multi_task(tmp_path, "tiny", ["super"], [1], metrics, tmp_path / "scores.parquet")


def test_only_what_a_change_touches_runs_again(shared: Workspace, tmp_path: Path) -> None:
    workspace = shared.copy(tmp_path / "project")
    assert workspace.planned(TABLE, FIGURE) == {}
    workspace.configure(tiny_config(multi_task={"untouched": "zero_gradient"}))
    changed = workspace.planned(TABLE, FIGURE)
    assert changed == {"multi_task": 8, "score_multi_task": 1, "compare_multi_task": 1, "table": 1}
    workspace.configure(tiny_config(multi_task={"modes": ["full", "super"]}))
    assert workspace.planned(TABLE, FIGURE) == {"score_multi_task": 1, "compare_multi_task": 1, "table": 1}
    # With ratios of the config's own nothing is searched for: no ticket is trained for the figure.
    workspace = new_workspace(tmp_path / "fresh", tiny_config(multi_task={"ratios": {"toy": 0.4, "tiny/toy_value": 0}}))
    planned = workspace.planned(FIGURE)
    assert "retrain" not in planned and planned["ticket"] == 2 and planned["finetune"] == 2


def test_the_published_sizes_are_tickets_of_given_ratios(shared: Workspace, tmp_path: Path) -> None:
    results = results_of(shared)
    trials = [{"model": "tiny", "task": task, "train_size": 32, "seed": 1} for task in ("toy", "toy_value")]
    shape = results / "pretrained/tiny/shape.json"
    given = {"toy": 0.3, "toy_value": 0.0}
    share_tickets(results, trials, "super", given, shape, {"toy": 2, "toy_value": 1}, tmp_path / "tickets.json")
    content = json.loads((tmp_path / "tickets.json").read_text())
    assert (content["toy"]["ratio"], content["toy_value"]["heads_pruned"]) == (0.3, 0)
    assert content["toy"]["heads_pruned"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["toys"]}, "multi_task.tasks[0] is 'toys': no such name; known are"),
        ({"ratios": {"movie": 0.1}}, "multi_task.ratios.movie: not a task or model/task of multi-task training (toy, "),
        ({"ratios": {"toy": 0.123}}, "multi_task.ratios.toy is 0.123: a ratio has at most two decimals"),
        ({"modes": ["all"]}, "multi_task.modes[0] is 'all'"),
        ({"sampler": "sorted"}, "multi_task.sampler is 'sorted'"),
        ({"training": {"rate": 1}}, "multi_task.training: unknown key rate"),
    ],
)
def test_wrong_settings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict, message: str
) -> None:
    workspace = new_workspace(tmp_path / "project", tiny_config())
    monkeypatch.chdir(workspace.folder)
    config = yaml.safe_load((workspace.folder / "config.yaml").read_text())
    with pytest.raises(UserError) as error:
        check_config(config | {"multi_task": changes})
    assert message in str(error.value)


def test_what_needs_a_mode_says_so(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "project", tiny_config(multi_task={"modes": ["super"]}))
    done = workspace("--dry-run", TABLE)
    assert done.returncode != 0
    assert "multi_task.modes is ['super']: this needs 'full' among them" in done.stdout + done.stderr
