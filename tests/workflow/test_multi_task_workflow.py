"""The multi-task part of the tiny experiment, from selections to the table and the figure."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Workspace, made_once, new_workspace, tiny_config
from matplotlib.patches import Wedge
from scipy import stats

from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError
from supertickets.evaluation.metric import metric_of, predicted
from supertickets.evaluation.ways import Ways, compare_ways, score_ways
from supertickets.experiment.adaptation import adaptation_grid
from supertickets.experiment.config import check_config
from supertickets.multi_task.scores import compare_adaptation, score_adaptation
from supertickets.multi_task.share_tickets import share_tickets
from supertickets.report.figures import style, ticket_importance
from supertickets.report.tables.domain_adaptation import write_domain_adaptation
from supertickets.report.tables.multi_task_dev import write_multi_task_dev
from supertickets.report.tables.ways import with_differences

TABLE, FIGURE = "results/tables/multi_task_dev.md", "results/figures/tickets_sharing.pdf"
PIES, ADAPTED, SPREAD = "figures/ticket_importance.pdf", "tables/domain_adaptation.md", "tables/seed_sensitivity.md"
EVERYTHING = [TABLE, FIGURE, *(f"results/{name}" for name in (PIES, ADAPTED, SPREAD))]
MODES = ("full", "super", "random", "union")
SHARED = {"shared": "toy+toy_value", "model": "tiny"}
TOGETHER, ADAPTED_IN = (f"{part}/toy+toy_value/tiny" for part in ("multi_task", "adaptation"))
WAYS = ("single_full", "single_super", *MODES, "full_then_single", "super_then_single")


def adapting_config(**changes: Any) -> dict[str, Any]:
    """The tiny experiment with a new task, whose examples are dealt in another way."""
    config = tiny_config(
        adaptation={
            "tasks": ["toy_new"],
            "train_sizes": [20, 0.5],
            "tickets": ["full", "union", "nearest"],
            "from_single": ["toy"],
        }
    )
    tasks = config["define"]["tasks"]
    tasks["toy_new"] = tasks["toy"] | {"split": {"seed": 9}}
    return config | changes


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny experiment of two tasks, with its multi-task part."""

    def make(folder: Path) -> None:
        new_workspace(folder, adapting_config()).make(*EVERYTHING)

    return Workspace(made_once(tmp_path_factory, "multi-task", make))


def results_of(workspace: Workspace) -> Path:
    return workspace.folder / "results"


@pytest.mark.slow
def test_every_task_has_the_ticket_that_its_mode_says(shared: Workspace) -> None:
    results = results_of(shared)
    for seed in (1, 2):
        trials = {task: results / f"runs/tiny/{task}/n32/seed{seed}/tickets" for task in ("toy", "toy_value")}
        ratios = {
            task: pd.read_csv(results / f"selections/tiny/{task}/n32/winning.csv")["ratio"].item() for task in trials
        }
        found = {
            mode: json.loads((results / f"{TOGETHER}/{mode}/seed{seed}/tickets.json").read_text()) for mode in MODES
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
        record = json.loads((results / f"{TOGETHER}/super/seed{seed}/record.json").read_text())
        for task in trials:
            assert record["tasks"][task]["weight_remaining"] == found["super"][task]["weight_remaining"]
            assert record["tasks"][task]["settings"]["classifier_dropout"] == 0.1


def _units(content: dict) -> list[tuple]:
    return [(layer, head) for layer, kept in enumerate(content["heads"]) for head in kept] + [
        ("ffn", layer) for layer in content["ffn"]
    ]


def folders(way: str, task: str) -> list[str]:
    """Where the trainings of a way lie, seed by seed."""
    single = f"runs/tiny/{task}/n32/seed{{}}"
    if way in MODES:
        place = f"{TOGETHER}/{way}/seed{{}}"
    elif way.endswith("_then_single"):
        place = f"{ADAPTED_IN}/{task}/n32/seed{{}}/{way.removesuffix('_then_single')}-own"
    else:
        place = f"{single}/full"
    return [place.format(seed) for seed in (1, 2)]


def scored(path: Path, task: str, metric: str, split: str = "test") -> float:
    """The score of a training's predictions on a part, anew."""
    rows = pd.read_parquet(path / "predictions.parquet")
    rows = rows[rows["split"] == split]
    if "task" in rows:
        rows = rows[rows["task"] == task]
    return 100 * metric_of(metric).plain(predicted(np.stack(rows["logits"].tolist())), rows["label"].to_numpy())


@pytest.mark.slow
def test_the_table_says_what_was_predicted(shared: Workspace) -> None:
    results = results_of(shared)
    table = pd.read_csv(results / "tables/multi_task_dev.csv").set_index(["task", "way", "metric"])
    scores: dict[tuple[str, str], np.ndarray] = {}
    for task, metrics in (("toy", ("accuracy", "f1")), ("toy_value", ("pearson", "spearman"))):
        for way in WAYS:
            for metric in metrics:
                where = folders(way, task)
                if way == "single_super":
                    ratio = pd.read_csv(results / f"selections/tiny/{task}/n32/winning.csv")["ratio"].item()
                    where = [place.replace("/full", f"/winning-{ratio:.2f}") for place in where]
                values = np.array([scored(results / place, task, metric) for place in where])
                row = table.loc[(task, way, metric)]
                assert row[["score", "std"]].tolist() == pytest.approx([values.mean(), values.std(ddof=1)])
                if metric == metrics[0]:
                    scores[task, way] = values
        for way in WAYS:
            gain = (scores[task, way] - scores[task, "full"]).mean()
            row = table.loc[(task, way, metrics[0])]
            assert np.isnan(row["difference"]) if way == "full" else row["difference"] == pytest.approx(gain)
            assert np.isnan(table.loc[(task, way, metrics[1]), "difference"])
    assert len(table) == len(WAYS) * (2 + 2 + 1)
    average = pd.read_csv(results / "tables/multi_task_dev.csv").query("task == 'average'").set_index("way")
    # Seeds count once for the average, as their tasks were trained together.
    compared = pd.read_csv(results / f"{TOGETHER}/comparisons.csv").query("task == 'average'").set_index("way")
    for way in WAYS:
        by_seed = (scores["toy", way] + scores["toy_value", way]) / 2
        assert average.loc[way, ["score", "std"]].tolist() == pytest.approx([by_seed.mean(), by_seed.std(ddof=1)])
        if way != "full":
            differences = by_seed - (scores["toy", "full"] + scores["toy_value", "full"]) / 2
            assert average.loc[way, "difference"] == pytest.approx(differences.mean())
            assert compared.loc[way, "seeds_error"] == pytest.approx(stats.sem(differences))
    text = (results / "tables/multi_task_dev.md").read_text()
    for words in (
        "Gain",
        "all tasks, random tickets",
        "super tickets, then one",
        "toy_value",
        "average",
        "seeds: 1, 2",
        "by the very runs of 'one task, super ticket', which flatters these on every split.",
    ):
        assert words in text
    assert "nan" not in text and "ublished" not in text


@pytest.mark.slow
def test_published_numbers_stand_beside_ours(shared: Workspace, tmp_path: Path) -> None:
    results = results_of(shared)
    (tmp_path / "multi_task").symlink_to(results / "multi_task")
    numbers = {
        "tiny": {
            "shared_weight": {"mean": 0.9, "printed": 0.95},
            "tasks": {
                "toy": {"full": {"accuracy": 80, "f1": 70}, "shared": {"accuracy": 82, "f1": 72}},
                "toy_value": {"full": {"pearson": 60, "spearman": 50}, "shared": {"pearson": 64, "spearman": 54}},
            },
        }
    }
    grid = {"models": ["tiny"], "tasks": ["toy", "toy_value"], "train_sizes": [32], "seeds": [1, 2]}
    write_multi_task_dev(results, grid, [], numbers, *(tmp_path / f"t.{ending}" for ending in ("csv", "md", "tex")))
    table = pd.read_csv(tmp_path / "t.csv").set_index(["task", "way"])
    for way, f1, mean in (("full", 70, 65), ("super", 72, 68)):
        assert table.loc[("toy", way), "published"].tolist() == [
            numbers["tiny"]["tasks"]["toy"]["full" if way == "full" else "shared"]["accuracy"],
            f1,
        ]
        average = table.loc[("average", way)].set_index("metric").loc["all metrics"]
        assert average["published"] == mean
        of_tasks = [table.loc[(task, way), "score"].mean() for task in ("toy", "toy_value")]
        assert average["score"] == pytest.approx(np.mean(of_tasks))
        assert (average["difference"] != average["difference"]) == (way == "full")
    assert (average["published_weight_mean"], average["published_weight_printed"]) == (0.9, 0.95)
    assert (
        table.drop([(task, way) for task in ("toy", "toy_value", "average") for way in ("full", "super")])["published"]
        .isna()
        .all()
    )
    assert "Published" in (tmp_path / "t.md").read_text()


@pytest.mark.slow
def test_new_tasks_are_compared_with_both_baselines(shared: Workspace) -> None:
    results = results_of(shared)
    table = pd.read_csv(results / "tables/domain_adaptation.csv", dtype={"train_size": str})
    single = ("toy:full-full", "toy:super-full", "toy:super-union")
    ways = ("pretrained", "full-full", "super-full", "super-union", "super-nearest", *single)
    assert len(table) == 2 * len(ways) and set(table["train_size"]) == {"20", "0.5"}
    rows = table[table["train_size"] == "0.5"].set_index("way")
    found = pd.read_csv(results / f"{ADAPTED_IN}/comparisons.csv", dtype={"train_size": str}).query("reported")
    found = found[found["baseline"] == "pretrained"].set_index(["way", "train_size"])
    for _, row in table[table["way"] != "pretrained"].iterrows():
        names = ["difference", "low", "high"]
        np.testing.assert_array_equal(
            row[names].astype(float), found.loc[(row["way"], row["train_size"]), names].astype(float)
        )
    where = {way: f"{ADAPTED_IN}/toy_new/n0.5/seed{{}}/{way}" for way in ways}
    where["pretrained"] = "runs/tiny/toy_new/n0.5/seed{}/full"
    where |= {way: f"adaptation/toy/tiny/toy_new/n0.5/seed{{}}/{way.removeprefix('toy:')}" for way in single}
    scores = {
        way: np.array([scored(results / place.format(seed), "toy_new", "accuracy") for seed in (1, 2)])
        for way, place in where.items()
    }
    for way, values in scores.items():
        assert rows.loc[way, "score"] == pytest.approx(values.mean())
        for baseline, suffix in (("pretrained", ""), ("full-full", "_no_tickets")):
            found = rows.loc[way, f"difference{suffix}"]
            if suffix and way in single:
                baseline = "toy:full-full"
            if way in (baseline, "pretrained"):
                assert np.isnan(found)
            else:
                assert found == pytest.approx((values - scores[baseline]).mean())
    tickets = {
        way: json.loads((results / where[way].format(1) / "ticket.json").read_text())
        for way in ways
        if way != "pretrained"
    }
    for way, ticket in tickets.items():
        record = json.loads((results / where[way].format(1) / "record.json").read_text())
        assert record["weight_remaining"] == ticket["weight_remaining"]
    assert tickets["super-full"]["weight_remaining"] == 1
    of_tasks = json.loads((results / f"{TOGETHER}/super/seed1/tickets.json").read_text())
    nearest = tickets["super-nearest"]["origin"]["nearest"]
    assert tickets["super-nearest"]["heads"] == of_tasks[nearest]["heads"]
    assert set(map(tuple, _units(tickets["super-union"]))) == set().union(
        *(map(tuple, _units(ticket)) for ticket in of_tasks.values())
    )
    assert tickets["toy:super-union"]["heads"] == of_tasks["toy"]["heads"]
    text = (results / "tables/domain_adaptation.md").read_text()
    for words in (
        "50% of the training examples",
        "20 training examples",
        "pre-trained weights",
        "nearest task's",
        "union",
        "Over no tickets",
        "toy, toy_value together, and on toy alone.",
        "toy alone, super ticket",
        "its ticket",
    ):
        assert words in text
    assert "nan" not in text


@pytest.mark.slow
def test_the_encoder_of_a_single_task_is_that_of_its_run(shared: Workspace) -> None:
    results = results_of(shared)
    ratio = pd.read_csv(results / "selections/tiny/toy/n32/winning.csv")["ratio"].item()
    for mode, run in (("full", "full"), ("super", f"winning-{ratio:.2f}")):
        for seed in (1, 2):
            found = pd.read_parquet(results / f"multi_task/toy/tiny/{mode}/seed{seed}/predictions.parquet")
            expected = pd.read_parquet(results / f"runs/tiny/toy/n32/seed{seed}/{run}/predictions.parquet")
            pd.testing.assert_frame_equal(found.drop(columns="task"), expected)


@pytest.mark.slow
def test_new_tasks_can_be_scored_on_validation(
    shared: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shared.folder)
    config = adapting_config()
    config["adaptation"]["scored"] = "validation"
    results, grid = results_of(shared), adaptation_grid(check_config(config), "tiny")
    folder = tmp_path / ADAPTED_IN
    folder.mkdir(parents=True)
    score_adaptation(results, grid, folder / "scores.parquet")
    compare_adaptation(results, grid, folder / "comparisons.csv")
    files = [tmp_path / f"table.{ending}" for ending in ("csv", "md", "tex")]
    shown = {"models": ["tiny"], "seeds": [1, 2]}
    write_domain_adaptation(tmp_path, shown, ["toy", "toy_value"], ["toy"], "validation", *files)
    row = (
        pd.read_csv(files[0], dtype={"train_size": str})
        .query("train_size == '0.5' and way == 'toy:super-full'")
        .iloc[0]
    )
    start, pretrained = (
        np.mean([scored(results / place.format(seed), "toy_new", "accuracy", "validation") for seed in (1, 2)])
        for place in ("adaptation/toy/tiny/toy_new/n0.5/seed{}/super-full", "runs/tiny/toy_new/n0.5/seed{}/full")
    )
    assert row["split"] == "validation" and row["score"] == pytest.approx(start)
    assert row["difference"] == pytest.approx(start - pretrained)
    assert "on the validation split" in files[1].read_text()


@pytest.mark.slow
def test_spread_over_seeds_is_told_of_all_ways_of_training(shared: Workspace) -> None:
    results = results_of(shared)
    table = pd.read_csv(results / "tables/seed_sensitivity.csv", dtype={"train_size": str})
    assert len(table) == 2 * 3 + 2 * 3 and table[table["training"] == "new task"]["super_mean"].isna().all()
    rows = table.set_index(["training", "task", "train_size"])
    for training, task, size, full, ticket in (
        ("all tasks", "toy_value", "32", f"{TOGETHER}/full/seed{{}}", f"{TOGETHER}/super/seed{{}}"),
        (
            "all tasks, then alone",
            "toy_value",
            "32",
            *(f"{ADAPTED_IN}/toy_value/n32/seed{{}}/{mode}-own" for mode in ("full", "super")),
        ),
        (
            "all tasks, then new task",
            "toy_new",
            "0.5",
            *(f"{ADAPTED_IN}/toy_new/n0.5/seed{{}}/{mode}-full" for mode in ("full", "super")),
        ),
        (
            "toy alone, then new task",
            "toy_new",
            "0.5",
            *(f"adaptation/toy/tiny/toy_new/n0.5/seed{{}}/{mode}-full" for mode in ("full", "super")),
        ),
    ):
        metric = "pearson" if task == "toy_value" else "accuracy"
        for name, place in (("full", full), ("super", ticket)):
            values = [scored(results / place.format(seed), task, metric) for seed in (1, 2)]
            found = rows.loc[(training, task, size), [f"{name}_{what}" for what in ("mean", "std", "min", "max")]]
            assert found.tolist() == pytest.approx([np.mean(values), np.std(values, ddof=1), min(values), max(values)])


@pytest.mark.slow
def test_slices_of_a_pie_are_the_tasks_shares_in_the_importance(
    shared: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = results_of(shared)
    drawn: list[plt.Figure] = []
    monkeypatch.setattr(style, "save", lambda figure, *files: drawn.append(figure))
    grid = {"models": ["tiny"], "tasks": ["toy", "toy_value"], "train_sizes": [32], "seeds": [1, 2]}
    how = {"method": "sensitivity", "weights": "fine_tuned"}
    made: list[Wedge] = []
    monkeypatch.setattr(ticket_importance, "Wedge", lambda *names: made.append(Wedge(*names)) or made[-1])
    ticket_importance.draw_ticket_importance(results, grid, how, tmp_path / "f.pdf", tmp_path / "f.png")
    expected = {}
    for task in grid["tasks"]:
        tables = [
            pd.read_csv(results / f"runs/tiny/{task}/n32/seed{seed}/importance/fine_tuned.csv").query(
                "method == 'sensitivity'"
            )
            for seed in (1, 2)
        ]
        for (_, one), (_, other) in zip(tables[0].iterrows(), tables[1].iterrows(), strict=True):
            place = (5 + 1 if one["kind"] == "ffn" else one["head"] + 1, one["layer"] + 1)
            expected.setdefault(place, []).append((one["normalized"] + other["normalized"]) / 2)
    heads = max(sum(scores) for (column, _), scores in expected.items() if column <= 4)
    blocks = max(sum(scores) for (column, _), scores in expected.items() if column == 6)
    assert len(made) == 2 * (3 * 4 + 3)
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert first.center == second.center
        scores = expected[first.center]
        for wedge, score in ((first, scores[0]), (second, scores[1])):
            assert (wedge.theta2 - wedge.theta1) / 360 == pytest.approx(score / sum(scores))
            largest = blocks if wedge.center[0] == 6 else heads
            assert (wedge.r / ticket_importance.RADIUS) ** 2 == pytest.approx(sum(scores) / largest)
    assert first.theta2 == 90  # from the top, clockwise
    text = " ".join(drawn[0].get_supxlabel().split())
    assert "Sensitivity of the fine-tuned weights" in text and "means over 2 seeds" in text


@pytest.mark.slow
def test_scores_of_a_training_are_those_of_its_record(shared: Workspace, tmp_path: Path) -> None:
    results, where = results_of(shared), {"model": "tiny", "task": "toy", "train_size": 32}
    runs = {mode: [{**SHARED, "mode": mode, "seed": 2}] for mode in ("full", "super")}
    trained = [Ways(where, ["accuracy"], runs)]
    row = score_ways(results, trained).query("way == 'super'").iloc[0]
    record = json.loads((results / f"{TOGETHER}/super/seed2/record.json").read_text())
    assert row["weight_remaining"] == record["tasks"]["toy"]["weight_remaining"] and row["seed"] == 2
    table = compare_ways(results, trained, ["full"], average=True)
    assert table["p"].isna().all() and "average" not in set(table["task"])  # one seed tells no spread
    folder = tmp_path / f"{TOGETHER}/super/seed1"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record))
    wrong = [Ways(where, ["accuracy"], {"super": [{**SHARED, "mode": "super", "seed": 1}]})]
    with pytest.raises(UserError, match=r"record.json: is of run .*'seed': 2.*expected .*'seed': 1.*delete the folder"):
        score_ways(tmp_path, wrong)


@pytest.mark.slow
def test_only_what_a_change_touches_runs_again(shared: Workspace, tmp_path: Path) -> None:
    workspace = shared.copy(tmp_path / "project")
    assert workspace.planned(*EVERYTHING) == {}
    collected = {"score_multi_task": 1, "compare_multi_task": 1}
    adapted = {"score_adaptation": 1, "compare_adaptation": 1}
    workspace.configure(adapting_config(multi_task={"untouched": "zero_gradient"}))
    # All multi-task trainings, and what continues from them: two seeds, two modes of two tasks, and four starts of two
    # sizes of the new one. Encoders of a single task are trained in no such way, and stay.
    changed = workspace.planned(*EVERYTHING)
    again = 2 * (2 * 2 + 4 * 2)
    assert changed == collected | adapted | {
        "train_multi_task": 8,
        "start_adaptation": again,
        "adapt": again,
        "write_table": 3,
    }
    # A new size continues from the encoders that are there.
    adaptation = adapting_config()["adaptation"]
    workspace.configure(adapting_config(adaptation=adaptation | {"train_sizes": [20, 0.5, "all"]}))
    new = {"subsample": 2, "finetune": 2, "score_units": 2} | dict.fromkeys(("start_adaptation", "adapt"), 14)
    assert workspace.planned(*EVERYTHING) == adapted | new | {"draw_adaptation_ticket": 14, "write_table": 2}
    # So do other examples to predict of the new task, and those of a shared one have the encoders trained again.
    trained = {"finetune": 4, "score_units": 4} | dict.fromkeys(("start_adaptation", "adapt"), 28)
    workspace.configure(adapting_config(evaluate={"validation": "all", "test": {"default": "all", "toy_new": 10}}))
    assert workspace.planned(*EVERYTHING) == adapted | trained | {"draw_adaptation_ticket": 4, "write_table": 2}
    workspace.configure(adapting_config(evaluate={"validation": "all", "test": {"default": "all", "toy": 10}}))
    planned = workspace.planned(*EVERYTHING)
    assert planned["train_multi_task"] == 8 + 4 and planned["finetune"] == 2 and planned["adapt"] == again + 12
    workspace.configure(adapting_config(multi_task={"modes": ["full", "super"]}))
    assert workspace.planned(*EVERYTHING) == collected | {"write_table": 2}
    # With ratios of the config's own nothing is searched for: no ticket is trained for the figure.
    workspace = new_workspace(tmp_path / "fresh", tiny_config(multi_task={"ratios": {"toy": 0.4, "tiny/toy_value": 0}}))
    planned = workspace.planned(FIGURE)
    assert "retrain" not in planned and planned["prune"] == 2 and planned["finetune"] == 2


@pytest.mark.slow
def test_tasks_laid_over_the_default_are_those_of_all_parts(shared: Workspace, tmp_path: Path) -> None:
    workspace = shared.copy(tmp_path / "project")
    workspace.configure(adapting_config(multi_task={"tasks": ["toy", "toy_value"]}))
    (workspace.folder / "more.yaml").write_text("tasks: [toy_new, toy]")
    planned = workspace.planned("--configfile", "more.yaml")
    assert planned["train_multi_task"] == 8
    output = workspace.make("--dry-run", "--configfile", "more.yaml")
    assert "domain_adaptation" not in output
    trained = set(re.findall(r"results/encoded/tiny/(\w+).parquet", output))
    assert trained == {"toy_new", "toy"}
    # They have folders of their own, and leave those of the others alone; the same tasks in another order are the same.
    assert {*re.findall(r"results/(?:multi_task|adaptation)/([^/]+)/", output)} == {"toy+toy_new"}
    workspace.configure(adapting_config(multi_task={"tasks": ["toy_value", "toy"]}))
    assert workspace.planned(*EVERYTHING) == {"draw_figure": 2, "write_table": 2}


@pytest.mark.slow
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
        ({"then_single": ["none"]}, "multi_task.then_single[0] is 'none'"),
        ({"adaptation": {"tasks": ["toys"]}}, "adaptation.tasks[0] is 'toys': no such name; known are"),
        ({"adaptation": {"tasks": ["toy"]}}, "adaptation.tasks[0] is 'toy': the encoders are trained on it"),
        (
            {"adaptation": {"tasks": ["toy_new"], "train_sizes": [0.5, 90]}},
            "adaptation.train_sizes[1] is 90: task toy_new has 84",
        ),
        ({"adaptation": {"tickets": ["own"]}}, "adaptation.tickets[0] is 'own'"),
        ({"adaptation": {"from_single": ["toy_new"]}}, "adaptation.from_single[0] is 'toy_new': not a task of this"),
        (
            {"adaptation": {"tasks": ["toy_new"], "from_single": ["toy"], "modes": ["union"]}, "multi_task": False},
            "adaptation.modes is ['union'], and encoders of from_single have none; add full or super",
        ),
        (
            {"adaptation": {"tasks": ["toy_value"], "from_single": ["toy_value"]}, "multi_task": False},
            "adaptation.from_single[0] is 'toy_value': it is a new task, too",
        ),
        (
            {"adaptation": {"from_single": ["toy"]}, "multi_task": {"tasks": ["toy"]}},
            "adaptation.from_single[0] is 'toy': it is all that multi-task training has; write multi_task: false",
        ),
        ({"adaptation": {"from_single": ["toy"]}, "search": {"epochs": [1, 2]}}, "and search chooses the settings of"),
        (
            {"adaptation": {"from_single": ["toy"]}, "training_overrides": {"toy": {"model_epoch": "best"}}},
            "adaptation.from_single[0] is 'toy', and model_epoch chooses an epoch of its full model",
        ),
    ],
)
def test_wrong_settings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict, message: str
) -> None:
    workspace = new_workspace(tmp_path / "project", adapting_config())
    monkeypatch.chdir(workspace.folder)
    config = yaml.safe_load((workspace.folder / "config.yaml").read_text())
    with pytest.raises(UserError) as error:
        check_config(config | (changes if "adaptation" in changes else {"multi_task": changes}))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (TABLE, "multi_task.modes is ['super']: this needs 'full' among them"),
        (f"results/{TOGETHER}/comparisons.csv", "multi_task.modes is ['super']: this needs 'full' among them"),
        (f"results/{ADAPTED}", "adaptation.tasks is empty: name the new tasks"),
        (f"results/{ADAPTED_IN}/scores.parquet", "adaptation.tasks is empty: name the new tasks"),
        ("results/search/tiny/toy/n32/chosen.json", "search is empty: list values of a setting to choose from"),
    ],
)
def test_what_needs_more_than_the_config_has_says_so(tmp_path: Path, target: str, message: str) -> None:
    workspace = new_workspace(tmp_path / "project", tiny_config(multi_task={"modes": ["super"]}))
    done = workspace("--dry-run", target)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_stages_that_resample_know_what_names_the_documents_of_their_tasks(tmp_path: Path) -> None:
    config = adapting_config()
    for task in ("toy_value", "toy_new"):
        config["define"]["tasks"][task]["split"] = {"group_separator": "_"}
    workspace = new_workspace(tmp_path / "project", config)
    files = [f"{folder}/tiny/{task}/n32/winning" for folder in ("comparisons", "selections", "decompositions")
             for task in ("toy", "toy_value")]  # fmt: skip
    targets = [f"results/{name}.csv" for name in (*files, f"{TOGETHER}/comparisons", f"{ADAPTED_IN}/comparisons")]
    output = workspace.make("--dry-run", "--printshellcmds", *targets, "results/scores.csv")
    found: dict[str, set[str]] = {}
    for function, grid in re.findall(r"supertickets \w+\.(\w+:\w+) --results results --grid '?(\{.*?\})'? --", output):
        found.setdefault(function.partition(":")[2], set()).add(json.dumps(json.loads(grid).get("separators")))
    of_groups = {"null", '{"toy_value": "_"}'}
    assert {name: found[name] for name in ("compare_group", "select_ticket", "decompose_group")} == dict.fromkeys(
        ("compare_group", "select_ticket", "decompose_group"), of_groups
    )
    assert found["compare_multi_task"] == {'{"toy_value": "_"}'} and found["score_group"] == {"null"}
    assert found["compare_adaptation"] == {'{"toy_new": "_"}'}


def test_gains_are_joined_and_corrected_over_tasks_and_sizes() -> None:
    at = [("a", "20"), ("a", "0.5"), ("b", "20"), ("b", "0.5")]
    rows = [{"model": "tiny", "task": task, "train_size": size, "split": "test", "metric": "f1"} for task, size in at]
    rows.append({"model": "tiny", "task": "average", "train_size": "20"})
    compared = []
    for place, row in enumerate(rows):
        for way, baseline, shift in (("super", "full", 0), ("random", "full", 10), ("super", "pretrained", 20)):
            number = place + shift
            values = {
                "chance": 50 + place,
                "difference": number,
                "low": number - 0.5,
                "high": number + 0.25,
                "p": 0.01 * (number + 1),
            }
            compared.append({**row, "way": way, "baseline": baseline, "reported": True, **values})
    more = {**compared[0], "split": "validation_mismatched", "reported": False, "difference": 99}
    table = pd.DataFrame([{**row, "way": way} for row in rows for way in ("full", "super")])
    found = with_differences(table, pd.DataFrame([*compared, more]), "full")
    assert len(found) == len(table) and found[found["way"] == "full"]["difference"].isna().all()
    assert found["chance"].tolist() == [50 + place for place in range(5) for _ in ("full", "super")]
    tickets = found[found["way"] == "super"]
    for name, expected in (("difference", range(5)), ("low", np.arange(5) - 0.5), ("high", np.arange(5) + 0.25)):
        assert tickets[name].tolist() == pytest.approx(list(expected))
    # Holm's: the smallest of four by four, the next by three, never less than one before; an average by itself.
    assert tickets["p"].tolist() == pytest.approx([0.04, 0.06, 0.06, 0.06, 0.05])


@pytest.mark.slow
def test_ways_that_predicted_other_examples_are_not_compared(shared: Workspace, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(results_of(shared) / "multi_task", results / "multi_task")
    path = results / f"{TOGETHER}/super/seed1/predictions.parquet"
    table = pd.read_parquet(path)
    table[table["id"] != table["id"][0]].to_parquet(path)
    runs = {mode: [{**SHARED, "mode": mode, "seed": 1}] for mode in ("full", "super")}
    trained = [Ways({"model": "tiny", "task": "toy", "train_size": 32}, ["accuracy"], runs)]
    with pytest.raises(UserError, match=r"super/seed1/predictions.parquet: other examples than in other runs; delete"):
        compare_ways(results, trained, ["full"], average=False)
