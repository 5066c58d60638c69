"""The table of latency, the figure of speed, and curves against arithmetic or latency."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawing import MARGINS, draw, points
from made_up_runs import GRID, MAIN, verdicts, write_latency

from supertickets.encoder.arithmetic import multiply_adds
from supertickets.encoder.ticket import Shape
from supertickets.evaluation.latency import machines_text, place_text, usual
from supertickets.evaluation.results import read_groups
from supertickets.experiment.grid import groups_of
from supertickets.report.figures.axes import placed
from supertickets.report.figures.gain_curve import draw_gain_curve
from supertickets.report.figures.phase_transition import draw_phase_transition
from supertickets.report.figures.speed import panel
from supertickets.report.tables.latency import write_latency as write_table

pytestmark = pytest.mark.usefixtures("closed")

TINY = {"layers": 6, "heads": 12, "hidden": 24, "ffn": 96, "parameters": 10**6}


def test_the_table_says_how_long_each_takes(results: Path, tmp_path: Path) -> None:
    write_table(results, MAIN, {"minilm": []}, *(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 3 * 4 * 2 * 2 * 2 and table["milliseconds"].notna().all()
    md = (tmp_path / "t.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in md.splitlines() if line.startswith("|")]
    (found,) = (cells for cells in rows if cells[1:6] == ["movie", "torch on 4 CPU threads", "32", "128", "0.50"])
    assert found[6:] == ["75.0%", "50.0%", "512.00 (460.80 to 563.20)", "2.00 (1.80 to 2.20)"]
    full = next(cells for cells in rows if cells[1:6] == ["movie", "torch on one CPU thread", "1", "32", "0.00"])
    assert full[-1] == "1.00" and full[6:8] == ["100.0%", "100.0%"]
    for words in ("A processor (4 cores), float32, torch 2.13.0.", "30 rounds", "95%", "64"):
        assert words in md
    assert "rivals" not in md and "Rival" not in md


def test_rivals_are_in_the_table(tmp_path: Path) -> None:
    write_latency(tmp_path, GRID, rivals={"small": 0.25})
    write_table(tmp_path, MAIN, {"minilm": ["small"]}, *(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    md = (tmp_path / "t.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in md.splitlines() if line.startswith("|")]
    (found,) = (
        cells for cells in rows if cells[1:5] + cells[6:7] == ["movie", "torch on 4 CPU threads", "32", "128", "small"]
    )
    assert found[5:] == ["", "small", "", "25.0%", "256.00 (230.40 to 281.60)", "4.00 (3.60 to 4.40)"]
    assert "and rivals, whole" in md and "nan" not in md


def test_machines_that_differ_are_named_with_what_they_measured() -> None:
    one = {"processor": "P", "cores": 2, "precision": "float32", "versions": {"torch": "2"}}
    other = one | {"gpu": "G", "processor": "Q"}
    assert machines_text({("m", "a"): one, ("m", "b"): one}) == "P (2 cores), float32, torch 2"
    text = machines_text({("m", "a"): one, ("m", "b"): other})
    assert text == "P (2 cores), float32, torch 2 (a of m); Q (2 cores) and G, float32, torch 2 (b of m)"


def test_what_is_shown_is_the_first_backend_on_the_gpu_or_on_all_cores() -> None:
    keys = ["backend", "device", "threads"]
    rows = [("torch", "cpu", 1), ("torch", "cpu", 8), ("torch", "cuda", 1), ("int8", "cpu", 1), ("int8", "cpu", 8)]
    table = pd.DataFrame(rows, columns=keys)
    assert usual(table)[keys].to_numpy().tolist() == [["torch", "cuda", 1]]
    assert usual(table[table["device"] == "cpu"])[keys].to_numpy().tolist() == [["torch", "cpu", 8]]
    assert [place_text(row) for row in table.to_dict("records")[1:4]] == [
        "torch on 8 CPU threads", "torch on a GPU", "int8 on one CPU thread"
    ]  # fmt: skip


def test_the_figure_of_speed_is_the_comparisons_against_the_speed_ups(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("speed", results, drawn)
    compared = pd.read_csv(results / "comparisons/minilm/movie/n64/winning.csv").query("split == 'test'")
    for label in ("batches of 1", "batches of 32"):
        places, values = points(axes[0], label)
        np.testing.assert_allclose(places, 1 / (1 - compared["ratio"]))
        np.testing.assert_allclose(values, compared["difference"])
        curve = next(container for container in axes[0].containers if container.get_label() == label)
        across, along = (np.array(list(bars.get_segments())) for bars in curve.lines[2])
        np.testing.assert_allclose(across[:, :, 0], np.outer(1 / (1 - compared["ratio"]), [0.9, 1.1]))
        np.testing.assert_allclose(along[:, :, 1], compared[["low", "high"]])
    stars = [line for line in axes[0].lines if line.get_marker() == "*"]
    ratio = verdicts(results).loc["movie", "ratio"]
    assert [star.get_xdata()[0] for star in stars] == pytest.approx([1 / (1 - ratio)] * 2)
    (band,) = axes[1].patches
    assert (band.get_y(), band.get_height()) == (-2.5, 2.5)
    assert axes[0].get_xlabel() == "speed-up over the full model"
    drawn[-1].canvas.draw()
    assert "1.4x" in [label.get_text() for label in axes[0].get_xticklabels()]
    for words in (
        "128 tokens, torch on 4 CPU threads, A processor (4 cores)",
        "median of 30 rounds",
        "200 test examples of movie",
    ):
        assert words in text


def test_undefined_gains_are_said_to_be(results: Path) -> None:
    rows = pd.DataFrame({"difference": [np.nan], "batch_size": [1]})
    _, axis = plt.subplots()
    panel(axis, rows, np.nan, 1.0)
    assert [text.get_text() for text in axis.texts] == ["all gains are undefined"]


@pytest.fixture
def shaped(results: Path, tmp_path: Path) -> Path:
    """The made-up results, with dimensions of the encoder."""
    for folder in ("scores", "comparisons", "selections", "latency"):
        (tmp_path / folder).symlink_to(results / folder)
    (tmp_path / "pretrained/minilm").mkdir(parents=True)
    (tmp_path / "pretrained/minilm/shape.json").write_text(json.dumps(TINY))
    return tmp_path


ARITHMETIC = {"x": "arithmetic", "length": 16, "outputs": {"movie": 2, "rating": 1, "dev_only": 2}}


@pytest.mark.parametrize("axis", [ARITHMETIC, {"x": "latency"}], ids=["arithmetic", "latency"])
def test_curves_against_arithmetic_or_latency(shaped: Path, drawn: list[plt.Figure], axis: dict) -> None:
    compared = read_groups(shaped, "comparisons", groups_of(MAIN))
    expected = 1 - compared["ratio"].to_numpy()  # the made-up latency
    if axis["x"] == "arithmetic":
        shape = Shape(**TINY)
        heads, blocks = 72 - compared["heads_pruned"], 6 - compared["ffn_pruned"]
        outputs = compared["task"].map(axis["outputs"])
        cut, full = (
            [multiply_adds(shape, *row, 16, count) for *row, count in zip(*kept, outputs, strict=True)]
            for kept in ((heads, blocks), ([72] * len(heads), [6] * len(heads)))
        )
        expected = np.divide(cut, full)
    rows = placed(shaped, MAIN, axis, compared).rows
    np.testing.assert_allclose(rows["weight_remaining"], expected)
    files = (shaped / "f.pdf", shaped / "f.png")
    for function in (draw_gain_curve, draw_phase_transition):
        function(shaped, MAIN, MARGINS, axis, *files)
        panel = drawn[-1].axes[0]
        assert panel.get_xlabel() == f"{axis['x']} remaining"
        places, _ = points(panel, "winning tickets")
        own = compared["reported"] & (compared["task"] == "movie")
        np.testing.assert_allclose(places, np.sort(expected[own])[::-1])
        left, right = panel.get_xlim()
        assert left > 1 and right < places.min()
        remark = " ".join(drawn[-1].get_supxlabel().split())
        words = "an example of 16 tokens" if axis["x"] == "arithmetic" else "32 x 128 tokens by torch on 4 CPU threads"
        assert words in remark and "as a share of the full model's" in remark


def test_a_ticket_that_takes_longer_stays_inside(shaped: Path, drawn: list[plt.Figure]) -> None:
    (shaped / "latency").unlink()
    write_latency(shaped, GRID)
    path = shaped / "latency/minilm/movie.csv"
    table = pd.read_csv(path)
    table.assign(speedup=table["speedup"].mask(table["ratio"] == 0.1, 0.8)).to_csv(path, index=False)
    draw_gain_curve(shaped, MAIN, MARGINS, {"x": "latency"}, shaped / "f.pdf", shaped / "f.png")
    assert drawn[-1].axes[0].get_xlim()[0] > 1.25
