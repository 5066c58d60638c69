"""The pages of a report: what they say, and that they work in a browser."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import BROWSER, opened
from drawing import MARGINS
from made_up_runs import GRID, MAIN, METRICS, judge_all, outputs, verdicts

from supertickets.data.examples import SCHEMA
from supertickets.evaluation.results import read_groups
from supertickets.experiment.grid import groups_of
from supertickets.experiment.shown import FIGURES, TABLES
from supertickets.report.figures.phase_transition import draw_phase_transition
from supertickets.report.html import write_html
from supertickets.report.pages.explorer import write_explorer
from supertickets.report.pages.rows import curves, read_trainings
from supertickets.report.pages.start import steps, write_start

#: What closes a script, and a table cell, if nobody escapes it.
HOSTILE = "</script></td><script>console.error('hostile')</script>"
LABELS = {"movie": [HOSTILE, "yes & no"], "dev_only": ["no", "yes"]}
DEFINITIONS = {
    task: {"type": "classification" if task in LABELS else "regression", "metrics": METRICS[task].split(",")}
    | ({"labels": LABELS[task]} if task in LABELS else {})
    for task in GRID["tasks"]
}
ARITHMETIC = {"x": "arithmetic", "length": 16, "outputs": {"movie": 2, "rating": 1, "dev_only": 2}}
#: As the made-up results are judged.
JUDGED = dict.fromkeys(GRID["tasks"], 1.0)


def complete(results: Path, folder: Path) -> Path:
    """The made-up results with the texts of their examples and the dimensions of their encoder."""
    for path in results.iterdir():
        if path.name not in ("tasks", "figures") and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    for name in ("tasks", "pretrained/minilm", "figures"):
        (folder / name).mkdir(parents=True)
    (folder / "pretrained/minilm/shape.json").write_text(
        json.dumps({"layers": 6, "heads": 12, "hidden": 24, "ffn": 96, "parameters": 10**6})
    )
    splits = ["validation"] * 200 + ["test"] * 200
    texts = [f"{HOSTILE} {index} " + "long " * 60 * (index == 1) for index in range(400)]
    table = {"id": [f"e{index}" for index in range(400)], "split": splits, "text": texts, "text_pair": [None] * 400}
    for task in GRID["tasks"]:
        pq.write_table(pa.table({**table, "label": [0.0] * 400}, schema=SCHEMA), folder / f"tasks/{task}.parquet")
    return folder


@pytest.fixture(scope="module")
def whole(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up results that have all that pages are made from."""
    folder = complete(results, tmp_path_factory.mktemp("pages"))
    draw_phase_transition(
        folder, MAIN, MARGINS, {"x": "weight"}, folder / "f.pdf", folder / "figures/phase_transition.png"
    )
    return folder


def start(folder: Path, grid: dict[str, Any] = MAIN, **options: Any) -> str:
    """The start page."""
    texts = {"caption": "A caption.", "kinds": ["winning", "random"]}
    write_start(folder, grid, JUDGED, DEFINITIONS, **texts, html=folder / "s.html", **options)
    return (folder / "s.html").read_text()


def explorer(folder: Path, grid: dict[str, Any] = MAIN, **options: Any) -> dict[str, Any]:
    """The specification in the explorer."""
    write_explorer(folder, grid, MARGINS, DEFINITIONS, ARITHMETIC, html=folder / "e.html", **options)
    text = (folder / "e.html").read_text()
    (found,) = re.findall(r'<script type="application/json" id="specification">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_the_start_page_has_verdicts_the_experiment_and_what_to_do(whole: Path) -> None:
    text = start(whole, measured=True)
    judged = verdicts(whole)
    for task in GRID["tasks"]:
        assert f"<strong>{task}</strong>: {judged.loc[task, 'verdict']}." in text
    row = judged.loc["movie"]
    gain = f"{row['difference_other_seeds']:+.1f} ({row['low_other_seeds']:+.1f} to {row['high_other_seeds']:+.1f})"
    speedup = 1 / (1 - row["ratio"])
    for words in (
        gain, f"{speedup:.2f} ({0.9 * speedup:.2f} to {1.1 * speedup:.2f})", "64 training examples", "1, 2, 3",
        "0.1, 0.3, 0.5",
        "to lose less than the margin, 1 point", "36 trainings", "data:image/png;base64,", "A caption.",
        "results/exports/minilm/movie/super/README.md", "snakemake --report report.html", "ticket_kinds.pdf",
    ):  # fmt: skip
        assert words in text
    assert HOSTILE not in text and "&lt;/script&gt;" in text
    targets = re.findall(r"results/(figures|tables)/(\w+)\.", text)
    assert targets and all(name in (FIGURES if folder == "figures" else TABLES) for folder, name in targets)
    assert "worth.md" in text and "speed.pdf" not in text and "worth.md results/figures/speed.pdf" in start(whole)


def test_what_to_do_next_depends_on_the_verdicts() -> None:
    found = ["no verdict from one document of test", "undecided: a difference of 5.7", "gains 2.1 at 84% weight"]
    judged = pd.DataFrame({"model": "minilm", "task": GRID["tasks"], "verdict": found, "ratio": np.nan})
    words = " ".join(text for text, _ in steps(judged, MAIN, ["winning"], measured=True))
    assert "One document gives no verdict on movie." in words and "rating: undecided." in words
    assert "seed gives no verdict" not in words
    judged["verdict"] = "no verdict from one seed"
    words = " ".join(text for text, _ in steps(judged, MAIN, ["winning"], measured=True))
    assert "One seed gives no verdict." in words and "One document" not in words


def test_gains_of_tasks_with_documents_are_over_these(whole: Path) -> None:
    compared, chosen = (read_groups(whole, folder, groups_of(MAIN)) for folder in ("comparisons", "selections"))
    trainings, _ = read_trainings(whole, MAIN, ARITHMETIC, measured=False)
    compared["documents"] = compared["examples"].where(compared["task"] == "rating") / 2
    drawn = curves(trainings, compared, chosen).query("ratio > 0")
    first = drawn[drawn["metric"].isin(["accuracy", "pearson"])]
    assert {*zip(first["task"], first["gain_over"], strict=True)} == {
        ("movie", "seeds and examples"), ("rating", "seeds and documents"), ("dev_only", "seeds and examples")
    }  # fmt: skip


def test_curves_of_the_explorer_are_those_of_the_figures(whole: Path) -> None:
    data = explorer(whole, measured=True)["datasets"]
    compared = read_groups(whole, "comparisons", groups_of(MAIN))
    drawn = pd.DataFrame(data["curves"])
    for _, row in compared.iterrows():
        keys = ["task", "split", "metric", "ratio"]
        (point,) = drawn[(drawn[keys] == row[keys]).all(axis=1)].to_dict("records")
        np.testing.assert_allclose(
            [point[name] for name in ("gain", "gain_low", "gain_high", "weight", "latency")],
            [*row[["difference", "low", "high", "weight_remaining"]], 1 - row["ratio"]], atol=1e-4,
        )  # fmt: skip
        assert point["gain_over"] == "seeds and examples"
    assert set(drawn.query("metric == 'matthews'")["gain_over"]) == {"seeds"}
    assert {(row["task"], row["ratio"]) for row in data["curves"] if row["star"]} == {*verdicts(whole)["ratio"].items()}
    band = pd.DataFrame(data["full"]).query("metric in ['pearson', 'matthews']")
    assert {(row["metric"], row["gain_low"]) for _, row in band.dropna().iterrows()} == {("pearson", -2.5)}
    # A ticket that keeps heads 0, 1, 2 and 1 of three in each layer, and the first block: seed 1.
    (ticket,) = (row for row in data["tickets"] if (row["task"], row["seed"], row["ratio"]) == ("movie", 1, 0.3))
    assert ticket["cells"] == "1111" + "0100" and ticket["heads"] == 3
    (full,) = (row for row in data["tickets"] if (row["task"], row["seed"], row["ratio"]) == ("movie", 2, 0))
    assert full["cells"] == "1" * 8


def test_examples_of_the_explorer_are_those_that_tickets_lose_and_win(whole: Path) -> None:
    data = explorer(whole)["datasets"]
    run = {"model": "minilm", "task": "movie", "train_size": 64, "seed": 2, "draw": 1}
    labels, full = outputs(whole, run | {"kind": "full", "ratio": 0.0}, "test")
    _, ticket = outputs(whole, run | {"kind": "winning", "ratio": 0.5}, "test")
    was, now = (logits.argmax(axis=1) == labels for logits in (full, ticket))
    (row,) = (row for row in data["tickets"] if (row["task"], row["seed"], row["ratio"]) == ("movie", 2, 0.5))
    assert row["counts"] == f"{(was & ~now).sum()} lost, {(~was & now).sum()} won, of 200 test examples"
    texts = {row["key"]: row for row in data["texts"]}
    shown = [row for row in data["examples"] if (row["task"], row["seed"], row["ratio"]) == ("movie", 2, 0.5)]
    assert [row["what"] for row in shown] == ["lost"] * 5 + ["won"] * 5
    for row in shown:
        place = int(texts[row["key"]]["id"][1:]) - 200
        right, before, after = (
            LABELS["movie"][int(values[place])] for values in (labels, full.argmax(1), ticket.argmax(1))
        )
        assert (row["right"], row["full"], row["ticket"]) == (right, before, after)
        assert (right == before, right == after) == ((True, False) if row["what"] == "lost" else (False, True))
        assert texts[row["key"]]["text"].startswith(HOSTILE)
    # Of a regression: the errors that grow most.
    _, full = outputs(whole, run | {"task": "rating", "kind": "full", "ratio": 0.0}, "test")
    labels, ticket = outputs(whole, run | {"task": "rating", "kind": "winning", "ratio": 0.5}, "test")
    change = np.abs(ticket[:, 0] - labels) - np.abs(full[:, 0] - labels)
    first = next(row for row in data["examples"] if (row["task"], row["seed"], row["ratio"]) == ("rating", 2, 0.5))
    assert texts[first["key"]]["id"] == f"e{200 + change.argmax()}" and first["what"] == "lost"
    assert all(len(row["text"]) <= 201 for row in data["texts"])


@pytest.mark.parametrize("seeds", [[2], [1, 2]], ids=len)
def test_pages_of_few_seeds_have_no_intervals(results: Path, whole: Path, tmp_path: Path, seeds: list[int]) -> None:
    grid = MAIN | {"seeds": seeds, "selection": {"ratio": "by_seed"}}
    for name in ("runs", "latency", "tasks", "pretrained", "figures"):
        (tmp_path / name).symlink_to(whole / name)
    judge_all(tmp_path, grid)
    text = start(tmp_path, grid)
    assert "no verdict from one seed" in text or len(seeds) == 2
    own = re.search(r"1:0\.\d 2:0\.\d", text) if len(seeds) == 2 else re.search(r"2:0\.\d", text)
    assert own and "Ratio by seed" in text and "that each seed chose by its own score. Full" in " ".join(text.split())
    assert not re.search(r"\d to [+-]?\d", text) and "nan" not in text.replace("enan", "")
    drawn = explorer(tmp_path, grid)["datasets"]["curves"]
    assert all(row["gain_low"] is None and row["score_low"] is None for row in drawn)
    assert "each seed has a super ticket of its own ratio" in (tmp_path / "e.html").read_text()


def test_pages_of_undefined_scores_say_so(results: Path, whole: Path, tmp_path: Path) -> None:
    grid = MAIN | {"tasks": ["rating"]}
    shutil.copytree(results / "runs/minilm/rating", tmp_path / "runs/minilm/rating")
    for path in (tmp_path / "runs").rglob("predictions.parquet"):
        table = pd.read_parquet(path)
        table.assign(logits=[[1.0]] * len(table)).to_parquet(path)
    for name in ("latency", "tasks", "pretrained", "figures"):
        (tmp_path / name).symlink_to(whole / name)
    judge_all(tmp_path, grid)
    assert "undefined: some runs predict the same" in start(tmp_path, grid)
    explorer(tmp_path, grid)
    text = (tmp_path / "e.html").read_text()
    assert "Not drawn, as undefined (the same prediction for all examples): 24 of 24" in text


def test_a_page_that_is_too_large_for_a_report_is_named_in_the_log(
    whole: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    explorer(whole)
    assert not caplog.records
    monkeypatch.setattr("supertickets.report.pages.explorer.SHOWN", 100_000)
    explorer(whole)
    assert "e.html: " in caplog.text and "take report.zip" in caplog.text


def test_what_a_page_shows_is_escaped(tmp_path: Path) -> None:
    body = "{% block body %}{{ table(heads, rows) }}{% endblock %}"
    write_html(tmp_path / "p.html", HOSTILE, body, heads=[(HOSTILE, True)], rows=[[HOSTILE]])
    text = (tmp_path / "p.html").read_text()
    assert "<script>" not in text and text.count("&lt;script&gt;") == 4


in_a_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium: apt install chromium")


@in_a_browser
def test_a_click_shows_the_mask_and_the_examples_of_a_ticket(whole: Path, tmp_path: Path) -> None:
    explorer(whole, measured=True)
    script = """
      const seen = () => document.querySelector("#chart svg").textContent;
      const mask = () => [...document.querySelectorAll("#chart svg path")].filter(
        path => /state: pruned/.test(path.getAttribute("aria-label"))).length;
      const before = [mask(), seen()];
      const dot = [...document.querySelectorAll("#chart svg path")].find(
        path => /seed: 2; .*ratio: 0.50/.test(path.getAttribute("aria-label")));
      dot.dispatchEvent(new MouseEvent("click", {bubbles: true}));
      await pause();
      const after = [mask(), seen()];
      const controls = Object.fromEntries([...document.querySelectorAll("#controls select")].map(
        select => [select.name, [...select.options].map(option => option.label)]));
      const task = document.querySelector("#controls select[name=chosen_task]");
      task.value = "rating";
      task.dispatchEvent(new Event("change", {bubbles: true}));
      await pause();
      return {before, after, controls, other: seen()};
    """
    said = opened(whole / "e.html", tmp_path, script)
    assert said["errors"] == [] and said["requests"] == []
    (pruned, before), (now, after) = said["outcome"]["before"], said["outcome"]["after"]
    assert pruned == 3 and "seed 1" in before  # the first seed keeps the first block alone
    assert now == 2 and "movie, seed 2, ratio 0.5" in after and "lost" in after
    assert said["outcome"]["controls"] == {
        "chosen_model": ["minilm"], "chosen_task": GRID["tasks"],
        "chosen_metric": ["accuracy", "Matthews correlation", "Pearson correlation", "Spearman correlation"],
        "chosen_split": ["test", "validation"], "chosen_show": ["gain over the full model", "score"],
        "chosen_axis": ["weight remaining", "arithmetic remaining", "latency remaining"],
    }  # fmt: skip
    # A task that lacks the chosen metric shows its own first one.
    other = said["outcome"]["other"]
    assert "test Pearson correlation: gain (points)" in other and "rating, seed 2" in other


@in_a_browser
def test_the_start_page_opens(whole: Path, tmp_path: Path) -> None:
    start(whole)
    said = opened(whole / "s.html", tmp_path, "return document.images[0].naturalWidth")
    assert said["errors"] == [] and said["requests"] == [] and said["outcome"] > 500
