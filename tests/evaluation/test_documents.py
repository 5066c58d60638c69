"""Examples of one document are alike: documents are what is resampled, halved and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_runs import GRID, judge_all, write_run
from scipy import stats
from simulations import few_resamples, outcomes

from supertickets.data.task import split
from supertickets.evaluation.choice import halves
from supertickets.evaluation.compare import compare_group
from supertickets.evaluation.decompose import half_width
from supertickets.evaluation.gain import HONEST, reports
from supertickets.evaluation.judge import corrected, with_verdicts
from supertickets.evaluation.power import Spread, needed, needed_columns
from supertickets.evaluation.predictions import Outcomes, documents_of, read_outcomes
from supertickets.evaluation.resampling import Sampled, sample
from supertickets.evaluation.results import read_groups, resampled_text, write_csv
from supertickets.evaluation.select_ticket import select_ticket
from supertickets.evaluation.significance import difference, over_both
from supertickets.evaluation.ways import Ways, compare_ways
from supertickets.experiment.grid import groups_of, runs_of
from supertickets.experiment.paths import run_folder
from supertickets.multi_task.scores import adaptation_trained, multi_task_trained
from supertickets.report.figures.bias_variance import draw_bias_variance
from supertickets.report.figures.single_task_gain import draw_single_task_gain
from supertickets.report.tables.power import write_power
from supertickets.report.tables.super_tickets import write_super_tickets
from supertickets.report.tables.sweep import write_sweep

__all__ = ["few_resamples"]  # the fixture

#: One task has documents, ten examples each, and one has none.
TWO = GRID | {"tasks": ["movie", "dev_only"], "train_sizes": [64], "kinds": ["winning"]}
BY_DOCUMENT = TWO | {"separators": {"movie": "_"}}
MOVIE = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}


def name_documents(folder: Path, grid: dict[str, Any], names: list[str]) -> None:
    """Give the examples of ``movie`` ids that begin with the names of documents."""
    for run in runs_of(grid | {"tasks": ["movie"]}):
        path = folder / run_folder(run) / "predictions.parquet"
        table = pd.read_parquet(path)
        table.assign(id=[f"{name}_{row}" for row, name in enumerate(names)]).to_parquet(path)


def written(folder: Path, names: list[str]) -> Path:
    """Runs of two tasks, of which one has documents of these names, scored, compared and judged."""
    random = np.random.default_rng(0)
    for run in runs_of(TWO):
        write_run(folder, run, random)
    name_documents(folder, TWO, names)
    judge_all(folder, BY_DOCUMENT)
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty documents in validation, and twenty in test."""
    return written(tmp_path_factory.mktemp("judged"), [f"d{row // 10}" for row in range(400)])


def alike(random: np.random.Generator, documents: int) -> Iterator[tuple[Sampled, Sampled]]:
    """Simulate a full model and a ticket that are right on whole documents or wrong on them, in the mean equally often.

    Yields:
        Both, resampled by documents, and then resampled by examples.
    """
    of_example = np.repeat(np.arange(documents), random.integers(1, 16, documents))
    labels = np.zeros(len(of_example))
    predicted = []
    for _ in range(2):
        right = random.beta(2, 1, documents)[of_example]
        predicted.append((random.random((3, len(labels))) > right).astype(float))
    for known in (of_example, None):
        yield tuple(sample("accuracy", labels, runs, documents=known) for runs in predicted)


@pytest.mark.parametrize("documents", [60, 8])
def test_the_error_over_documents_is_the_spread_of_the_difference_and_that_over_examples_is_too_small(
    few_resamples: None, documents: int
) -> None:
    random = np.random.default_rng(documents)
    by_document, by_example = (
        pd.DataFrame(rows)
        for rows in zip(*([difference(*pair) for pair in alike(random, documents)] for _ in range(300)), strict=True)
    )
    spread = by_document["difference"].std()
    assert np.sqrt((by_document["error"] ** 2).mean()) == pytest.approx(spread, rel=0.15)
    assert np.sqrt((by_example["error"] ** 2).mean()) < 0.7 * spread
    covered, missed = (((table["low"] <= 0) & (table["high"] >= 0)).mean() for table in (by_document, by_example))
    assert covered > 0.93 and missed < 0.9
    of_fixed_runs = (by_document["examples_low"] <= 0) & (by_document["examples_high"] >= 0)
    assert of_fixed_runs.mean() > 0.85  # a percentile interval of few documents is short
    # What a pilot says of more documents: they have the spread of these.
    rows = by_document.assign(seeds=3, examples=1e6, documents=documents)
    error, _ = over_both(Spread.of(rows).variances(3, documents), 3, documents)
    assert error == pytest.approx(spread, rel=0.15)


def test_documents_of_one_example_have_the_variance_of_examples_whatever_their_number() -> None:
    random = np.random.default_rng(3)
    for count in (5, 300):
        labels, runs = np.zeros(count), np.tile((np.arange(count) % 5 > 1) * 1.0, (1, 1))
        names = random.permutation(count)
        found = sample("accuracy", labels, runs, documents=names)
        assert found.documents == found.examples == count
        assert found.resampled.std(ddof=1) == pytest.approx(100 * stats.sem(runs[0]), rel=0.04)
        draws = sample("accuracy", labels, np.stack([runs, runs], axis=1), documents=names)
        assert draws.documents == count and np.array_equal(draws.resampled, found.resampled)


def test_resamples_hold_whole_documents() -> None:
    """A correlation that is 1 in one document and -1 in another is one of these in resamples of one of them."""
    values = np.tile(np.arange(10.0), 2)
    predicted = np.concatenate([values[:10], -values[10:]])[None]
    found = sample("pearson", values, predicted, documents=np.repeat(["a", "b"], 10))
    assert {*found.resampled[0].round(6)} == {100.0, -100.0} and found.documents == 2


def test_without_documents_numbers_are_what_they_were(judged: Path, tmp_path: Path) -> None:
    """The numbers are those of versions that knew no documents."""
    random = np.random.default_rng(8)
    labels = random.integers(0, 2, 50).astype(float)
    full, ticket = (np.where(random.random((3, 50)) < right, labels, 1 - labels) for right in (0.9, 0.7))
    values = difference(sample("f1", labels, full), sample("f1", labels, ticket))
    names = ("difference", "low", "high", "error", "freedom", "examples_low", "variance_residual")
    assert [values[name] for name in names] == pytest.approx(
        [
            -27.136642535802196,
            -50.16044232882771,
            -4.1128427427766745,
            6.064135513661929,
            3.1564247787159316,
            -38.37018429095071,
            18.840858255281454,
        ]
    )
    assert halves(7)[0].tolist() == [4, 1, 2, 5]
    for group in groups_of(TWO | {"tasks": ["dev_only"]}):  # beside a task that has documents
        place = f"{group['model']}/{group['task']}/n64/winning.csv"
        compare_group(judged, TWO, group, "accuracy", tmp_path / "comparison.csv")
        assert (tmp_path / "comparison.csv").read_bytes() == (judged / "comparisons" / place).read_bytes()
        select_ticket(judged, TWO, group, "accuracy", tmp_path / "selection.csv")
        assert (tmp_path / "selection.csv").read_bytes() == (judged / "selections" / place).read_bytes()
        assert "documents" not in (judged / "comparisons" / place).read_text()


def test_halves_hold_whole_documents(few_resamples: None) -> None:
    names = np.array([4, 4, 1, 7, 7, 7, 1, 9, 2])
    first, second = halves(len(names), names)
    assert sorted([*first, *second]) == list(range(9)) and not {*names[first]} & {*names[second]}
    assert {len({*names[first]}), len({*names[second]})} == {2, 3}
    assert [part.tolist() for part in halves(3, np.zeros(3))] == [[0, 1, 2]]
    random = np.random.default_rng(5)
    labels, documents = random.integers(0, 2, 60).astype(float), np.repeat(np.arange(12), 5)
    runs = {
        ratio: Outcomes(labels, outcomes(random, labels, right).logits, documents)
        for ratio, right in ((0.0, 0.8), (0.1, 0.8), (0.2, 0.7))
    }
    full, ticket = reports("accuracy", {"validation": runs})[1]["other_half"]
    assert (full.examples, full.documents) == (60, 12) and ticket.documents == 12
    assert full.scores.tolist() == pytest.approx([100 * (run == labels).mean() for run in runs[0.0].predicted])


def test_a_document_is_what_the_parts_of_a_task_keep_whole() -> None:
    ids = pd.Series([f"{name}.*{row % 3}.*{row}" for row, name in enumerate("aabbccddee" * 4)])
    parts = split(
        pd.DataFrame({"id": ids, "text": [f"text {row}" for row in range(40)]}),
        {"seed": 3, "validation": 0.2, "test": 0.4, "group_separator": ".*"},
    )
    documents = documents_of(pd.Index(ids), ".*")
    assert len(np.unique(documents)) == 5 and parts.nunique() == 3
    assert (parts.groupby(documents).nunique() == 1).all()
    assert documents_of(pd.Index(ids), "") is None


def test_documents_are_counted_in_tables_and_named_in_notes(judged: Path, tmp_path: Path) -> None:
    compared = pd.read_csv(judged / "comparisons.csv").set_index(["task", "split", "ratio"])
    row = compared.loc["movie", "test", 0.5]
    assert (row["examples"], row["documents"]) == (200, 20)
    assert compared.loc["dev_only"]["documents"].isna().all()
    runs = [run for run in runs_of(TWO | {"tasks": ["movie"]}) if run["ratio"] in (0.0, 0.5)]
    by_ratio = {
        ratio: read_outcomes(judged, [run for run in runs if run["ratio"] == ratio], separator="_")["test"]
        for ratio in (0.0, 0.5)
    }
    expected = difference(
        *(sample("accuracy", of.labels, of.predicted, documents=np.arange(200) // 10) for of in by_ratio.values())
    )
    assert row[["difference", "error", "freedom", "p"]].tolist() == pytest.approx(
        [expected[name] for name in ("difference", "error", "freedom", "p")]
    )
    verdicts = pd.read_csv(judged / "verdicts.csv").set_index("task")
    assert verdicts["documents"].tolist()[0] == 20 and np.isnan(verdicts.loc["dev_only", "documents"])
    files = [tmp_path / f"table.{suffix}" for suffix in ("csv", "md", "tex")]
    for write, more in ((write_power, {"margins": dict.fromkeys(TWO["tasks"], 1.0)}), (write_super_tickets, {}),
                        (write_sweep, {})):  # fmt: skip
        write(judged, TWO, **more, csv=files[0], md=files[1], tex=files[2])
        assert "over seeds and examples (documents of movie)" in files[1].read_text()
    write_power(judged, TWO, dict.fromkeys(TWO["tasks"], 5.0), *files)
    assert "| Examples | Documents |" in " ".join(files[1].read_text().split())
    table = pd.read_csv(files[0]).set_index("task")
    movie, other = table.loc["movie"], table.loc["dev_only"]
    assert movie["examples_needed"] == 10 * movie["documents_needed"] and movie["documents"] == 20
    assert other["examples_needed"] > 1 and np.isnan(other["documents_needed"])
    for draw in (draw_bias_variance, draw_single_task_gain):
        draw(judged, TWO, tmp_path / "figure.pdf", tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("documents", "words"),
    [([np.nan, np.nan], "examples"), ([20, np.nan], "examples (documents of a)"), ([20, 30], "documents")],
)
def test_notes_say_what_intervals_are_over(documents: list[float], words: str) -> None:
    table = pd.DataFrame({"task": ["a", "b"], "documents": documents})
    assert resampled_text(table) == words
    average = pd.DataFrame({"task": ["average"], "documents": [50.0]})
    assert resampled_text(pd.concat([table, average])) == words
    assert resampled_text(table.drop(columns="documents")) == "examples"


def test_more_documents_are_needed_not_more_examples_of_the_same_ones() -> None:
    variances = {"variance_seeds": 0.4, "variance_examples": 1.0, "variance_residual": 0.1}
    pilot = pd.DataFrame([{"seeds": 5, "examples": 100, "documents": 40, **variances}])
    spread = Spread.of(pilot)
    columns = needed_columns(spread, 4.0, pilot)
    seeds, documents = needed(spread, 4.0, 5, 40, 1)
    assert columns == {
        "seeds_needed": seeds,
        "documents_needed": documents,
        "examples_needed": np.ceil(2.5 * documents),
    }
    assert 2 < documents < 40_000
    alone = pilot.drop(columns="documents")
    assert set(needed_columns(Spread.of(alone), 4.0, alone)) == {"seeds_needed", "examples_needed"}


def test_an_undecided_verdict_names_documents(few_resamples: None, judged: Path) -> None:
    grid = BY_DOCUMENT | {"tasks": ["movie"]}
    chosen = read_groups(judged, "selections", groups_of(grid))
    comparisons = read_groups(judged, "comparisons", groups_of(grid))
    # Tickets whose differences are all luck of the documents.
    alike = comparisons.assign(difference=-0.5, variance_seeds=0.1, variance_examples=9.0, variance_residual=0.1)
    alike = alike.assign(error=3.0, freedom=19.0, seeds_error=0.3, p=0.9, p_chance=0.0)
    verdict = with_verdicts(chosen.assign(**{f"difference_{HONEST}": -1.0}), corrected(alike), {"movie": 5.0})
    row = verdict.iloc[0]
    told = f"about {row['documents_needed']:.0f} documents would show that an equal model keeps within 5"
    assert told in row["verdict"]
    assert row["examples_needed"] == 10 * row["documents_needed"] > 200
    hopeless = with_verdicts(chosen.assign(**{f"difference_{HONEST}": -1.0}), corrected(alike), {"movie": 1e-6})
    assert "no affordable number of seeds and documents would show" in hopeless["verdict"].iloc[0]


def test_one_document_tells_no_spread_and_has_no_halves(tmp_path: Path) -> None:
    results = written(tmp_path, ["only"] * 400)
    compared = pd.read_csv(results / "comparisons.csv").query("task == 'movie'")
    assert (compared["documents"] == 1).all() and np.isfinite(compared[["difference", "p_seeds"]]).all(axis=None)
    undefined = ["low", "high", "p", "error", "examples_low", "variance_seeds", "variance_examples", "p_chance"]
    assert compared[undefined].isna().all(axis=None)
    chosen = pd.read_csv(results / "verdicts.csv").set_index("task")
    movie = chosen.loc["movie"]
    assert movie["verdict"] == "no verdict from one document of test"
    assert np.isfinite(movie["difference_other_seeds"]) and np.isnan(movie["difference_other_half"])
    assert np.isfinite(chosen.loc["dev_only", "p_other_half"])
    parts = pd.read_csv(results / "decompositions/minilm/movie/n64/winning.csv")
    assert parts["half"].isna().all() and parts["value"].notna().all()
    for draw in (draw_bias_variance, draw_single_task_gain):
        draw(results, TWO, tmp_path / "figure.pdf", tmp_path / "figure.png")
    files = [tmp_path / f"table.{suffix}" for suffix in ("csv", "md", "tex")]
    write_power(results, TWO, dict.fromkeys(TWO["tasks"], 1.0), *files)
    found = pd.read_csv(files[0]).set_index("task")
    assert found["detectable_10"].isna().to_dict() == {"movie": True, "dev_only": False}
    assert found.loc["movie", "documents"] == 1 and "undefined" not in files[1].read_text()


@pytest.mark.parametrize(("documents", "defined"), [([200], False), ([1, 199], False), ([100, 50, 50], False),
                                                    ([100, 50, 25, 25], True)])  # fmt: skip
def test_halves_of_few_documents(judged: Path, tmp_path: Path, documents: list[int], defined: bool) -> None:
    """Validation alone: a half of one document tells no spread, but a difference."""
    names = [f"d{place}" for place, count in enumerate(documents) for _ in range(count)]
    random = np.random.default_rng(0)
    grid = TWO | {"tasks": ["dev_only"], "separators": {"dev_only": "_"}}
    for run in runs_of(grid):
        write_run(tmp_path, run, random)
        path = tmp_path / run_folder(run) / "predictions.parquet"
        table = pd.read_parquet(path)
        table.assign(id=[f"{name}_{row}" for row, name in enumerate(names)]).to_parquet(path)
    judge_all(tmp_path, grid)
    row = pd.read_csv(tmp_path / "verdicts.csv").iloc[0]
    for way in ("other_half", "other_seeds"):
        assert np.isfinite(row[f"difference_{way}"]) == (len(documents) > 1)
        assert np.isfinite(row[f"error_{way}"]) == defined
    assert row["verdict"].startswith("no verdict from one document of validation") == (len(documents) == 1)


def test_bias_and_variance_have_intervals_over_documents(judged: Path) -> None:
    random = np.random.default_rng(11)
    found, spread = [], []
    for _ in range(400):
        documents = np.repeat(np.arange(15), 8)
        values = random.normal(size=15)[documents] + 0.3 * random.normal(size=120)
        found.append(half_width(values, documents) / stats.t.ppf(0.975, 14))
        spread.append(values.mean())
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.std(spread), rel=0.1)
    values = random.normal(size=30)
    assert half_width(values, None) == stats.norm.ppf(0.975) * stats.sem(values)
    assert half_width(values, np.arange(30)) == pytest.approx(stats.t.ppf(0.975, 29) * stats.sem(values))
    table = pd.read_csv(judged / "decompositions/minilm/movie/n64/winning.csv")
    assert set(table["documents"]) == {20} and set(table["examples"]) == {200}
    other = pd.read_csv(judged / "decompositions/minilm/dev_only/n64/winning.csv")
    assert "documents" not in other


def ways_of(task: str, separator: str) -> Ways:
    """Full models and winning tickets as two ways of training."""
    where = {"model": "minilm", "task": task, "train_size": 64}
    kinds = {"full": ("full", 0.0), "super": ("winning", 0.3)}
    runs = {
        way: [{**where, "seed": seed, "kind": kind, "ratio": ratio, "draw": 1} for seed in GRID["seeds"]]
        for way, (kind, ratio) in kinds.items()
    }
    return Ways(where, ["accuracy"], runs, separator)


def test_ways_of_training_are_compared_over_documents(judged: Path, tmp_path: Path) -> None:
    tasks = [ways_of("movie", "_"), ways_of("dev_only", "")]
    table = compare_ways(judged, tasks, ["full"], average=True).set_index(["task", "split"])
    row = table.loc[("movie", "test")]
    single = pd.read_csv(judged / "comparisons/minilm/movie/n64/winning.csv").set_index(["split", "ratio"])
    names = ["chance", "documents", "examples", "difference", "error", "freedom", "p"]
    assert row[names].tolist() == pytest.approx(single.loc[("test", 0.3), names].tolist())
    assert np.isnan(table.loc[("dev_only", "validation"), "documents"])
    average = table[table.index.get_level_values("task") == "average"].iloc[0]
    assert (average["examples"], average["documents"]) == (400, 20)  # of the task that has the fewest
    assert average["chance"] == table.loc[table["reported"] & table["metric"].notna(), "chance"].mean()
    without = compare_ways(judged, [ways_of("movie", ""), tasks[1]], ["full"], average=True)
    assert "documents" not in without
    write_csv(tmp_path / "ways.csv", without)


def test_ways_know_the_separators_of_their_tasks() -> None:
    spans = {"shared": "a+b", "model": "m", "seeds": [1], "separators": {"b": "_"}}
    spans |= {"metrics": {"a": ["accuracy"], "b": ["accuracy"]}}
    shared = spans | {"train_size": 9, "modes": ["full"], "then_single": [], "ratios": {"a": 0.1, "b": 0.1}}
    assert [task.separator for task in multi_task_trained(Path(), shared)] == ["", "_"]
    new = spans | {"train_sizes": [9], "starts": [("full", "full")], "single_starts": []}
    assert [task.separator for task in adaptation_trained(new)] == ["", "_"]


def test_contrasts_of_kinds_are_over_documents(tmp_path: Path) -> None:
    grid = BY_DOCUMENT | {"tasks": ["movie"], "kinds": ["winning", "random"], "ratios": [0.3]}
    random = np.random.default_rng(0)
    for run in runs_of(grid):
        write_run(tmp_path, run, random)
    name_documents(tmp_path, grid, [f"d{row // 10}" for row in range(400)])
    judge_all(tmp_path, grid)
    table = read_groups(tmp_path, "contrasts", [MOVIE | {"kind": "random"}])
    assert table["documents"].tolist() == [20, 20] and table["examples"].tolist() == [200, 200]
