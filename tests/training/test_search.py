"""Settings chosen on validation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from supertickets.errors import DivergedError, UserError
from supertickets.files import write_json
from supertickets.training import try_settings as try_settings
from supertickets.training.choose_settings import choose_settings

CHOICES = {"lr0.1": {"learning_rate": 0.1}, "lr0.2": {"learning_rate": 0.2}, "lr0.3": {"learning_rate": 0.3}}


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({"lr0.1": [50, 60], "lr0.2": [70, 50], "lr0.3": [40, 40]}, 0.2),
        ({"lr0.1": [50, 50], "lr0.2": [50, 50], "lr0.3": [40, 40]}, 0.1),
        ({"lr0.1": [-90, -80], "lr0.2": [99, None], "lr0.3": [-95, -90]}, 0.1),
    ],
)
def test_the_best_mean_counts_and_a_collapse_is_the_worst(
    tmp_path: Path, scores: dict[str, list[float | None]], best: float
) -> None:
    for name, values in scores.items():
        for seed, value in enumerate(values):
            write_json(tmp_path / f"seed{seed}/{name}.json", {"score": value})
    choose_settings([0, 1], CHOICES, tmp_path / "chosen.json")
    content = json.loads((tmp_path / "chosen.json").read_text())
    assert content["chosen"] == {"learning_rate": best}
    assert [tried["scores"] for tried in content["tried"]] == list(scores.values())


def test_a_search_in_which_everything_diverges_chooses_nothing(tmp_path: Path) -> None:
    for name in CHOICES:
        write_json(tmp_path / f"seed1/{name}.json", {"score": None})
    with pytest.raises(
        UserError, match=r"search: each of lr0.1, lr0.2, lr0.3 diverged for some seed; give lower rates"
    ):
        choose_settings([1], CHOICES, tmp_path / "chosen.json")
    assert not (tmp_path / "chosen.json").exists()


def test_a_training_that_diverges_is_recorded_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*arguments: Any, **others: Any) -> None:
        raise DivergedError("training diverged: the loss is nan")

    monkeypatch.setattr(try_settings, "train_run", diverging)
    nowhere = [tmp_path] * 4
    try_settings.try_settings(*nowhere, {}, {"learning_rate": 1.0}, tmp_path, "accuracy", tmp_path / "score.json")
    assert json.loads((tmp_path / "score.json").read_text()) == {
        "score": None, "settings": {"learning_rate": 1.0}, "problem": "training diverged: the loss is nan",
    }  # fmt: skip
