"""Tables of results: what tickets score, what super tickets are and gain, and how much seeds matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .content import read_table
from .grid import groups_of
from .inference import LEVEL, average
from .outcomes import reported
from .selection import EXPERIMENT, WAYS, honest
from .stage_tables import TABLES, read_groups, read_judged, require_among
from .tables import Columns, Files, P, scope_note, write_formats

POINTS, SHARE, RATIO, COUNT = "+.1f", ".1%", ".2f", ".0f"
SCORE, STD = ".1f", ".2f"
#: What is told of a super ticket by each way.
MEANS = ("full", "ticket", "difference")
#: A gain and the ends of its interval.
ENDS = ("difference", "low", "high")
#: Ways of training (:mod:`supertickets.grid`) without and with tickets.
SPREADS = {
    "alone": ("single_full", "single_super"),
    "new task": ("pretrained", ""),
    "all tasks": ("full", "super"),
    "all tasks, then alone": ("full_then_single", "super_then_single"),
    "all tasks, then new task": ("full-full", "super-full"),
}
#: What the first columns of every table say.
WHERE: Columns = {"model": ("Model", ""), "task": ("Task", ""), "train_size": ("Train size", "")}


def write_super_tickets(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write which ticket is best on validation, where the curve peaks and until where it holds, and a verdict.

    Args:
        results: the results folder, with ``verdicts.csv``.
        grid: what spans the runs.
        csv, md, tex: files to write.
    """
    table = read_judged(results, "verdicts.csv", grid)
    names = [*EXPERIMENT, "metric", "split", "seeds", "ratio", "heads_pruned", "ffn_pruned", "weight_remaining"]
    names += ["peak_ratio", "peak_low", "peak_high", "holds_ratio", "holds_weight", "verdict"]
    shown = table[names].assign(peak=between(table, "peak_low", "peak_high", RATIO))
    columns = WHERE | {
        "ratio": ("Ratio", RATIO),
        "heads_pruned": ("Heads cut", COUNT),
        "ffn_pruned": ("FFNs cut", COUNT),
        "weight_remaining": ("Weight", SHARE),
        "peak_ratio": ("Peak", RATIO),
        "peak": ("Peak, interval", ""),
        "holds_ratio": ("Holds to", RATIO),
        "verdict": ("Verdict", ""),
    }
    text = (
        "Super tickets: the winning ticket with the best mean validation score over seeds, the heavier of equals. "
        f"{scope_note(table, grid)} "
        "Peak: the ratio with the best mean, 0 for the full model, with its interval by bootstrap over seeds. Peak and "
        f"verdict are of the {told(table)}. Holds to: the largest "
        "ratio up to which no ticket is significantly worse than the full model (Holm, over ratios and tasks). Losses "
        f"not excluded: by the {LEVEL:.0%} intervals of the tickets up to there, over seeds and examples."
    )
    write_formats(shown.drop(columns="peak"), columns, text, Files(csv, md, tex), shown)


def write_single_task_dev(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write what super tickets score and gain: reported on the split that they were chosen on, and honestly.

    Args:
        results: the results folder, with ``verdicts.csv`` and the comparisons of winning tickets.
        grid: what spans the runs.
        csv, md, tex: files to write.
    """
    verdicts = read_judged(results, "verdicts.csv", grid)
    ways = [way for way in WAYS if f"difference_{way}" in verdicts]
    table = verdicts.assign(**{name: honest(verdicts, name) for name in (*MEANS, "low", "high")})
    others = further(results, grid, verdicts)
    table = pd.concat([table, others, *averages(table, ways, len(grid["seeds"]))], ignore_index=True)
    ways = [way for way in WAYS if f"difference_{way}" in table]
    names = [f"{name}_{way}" for way in ways for name in (*MEANS, "low", "high", "p")]
    first = [*EXPERIMENT, "metric", "split", "seeds", "ratio", "weight_remaining"]
    table = table[[*first, *MEANS, "low", "high", "gain_p_holm", *names]]
    heads = dict(zip(WAYS, ("Gain, same split", "Gain, cross-fitted", "Gain, test"), strict=True))
    columns = {**WHERE, "metric": ("Metric", ""), "weight_remaining": ("Weight", SHARE)}
    columns |= {"full": ("Full", SCORE), "ticket": ("Super", SCORE), **{way: (heads[way], "") for way in ways}}
    columns["gain_p_holm"] = ("p", P)
    text = (
        f"Full model and super ticket. {scope_note(verdicts, grid)} Means over seeds; scores are of the "
        f"{told(verdicts)}. Same split: ticket chosen and reported on validation, as published, which flatters it. "
        "Cross-fitted: each half of validation reported with the ticket that the other half chose. Test: chosen on "
        f"validation, reported on test. Intervals are of {LEVEL:.0%}, over seeds and examples. Full, Super and p (by "
        "Holm's correction over tasks, an average's uncorrected) are of test, or cross-fitted where there is no test."
    )
    if len(others):
        text += " Mismatched: a further part that took no part in the choice, so its gain is told as that on test."
    shown = table.assign(**{way: with_intervals(table, [f"{name}_{way}" for name in ENDS], POINTS) for way in ways})
    shown["task"] += table["split"].map({"validation_mismatched": " (mismatched)"}).fillna("")
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def further(results: Path, grid: dict[str, Any], verdicts: pd.DataFrame) -> pd.DataFrame:
    """Rows of parts other than validation and test, such as MNLI's mismatched one, with the honest scores.

    Args:
        results: the results folder.
        grid: what spans the runs.
        verdicts: the super tickets. None was chosen on these parts, so what one gains there is held out.
    """
    winning = [group for group in groups_of(grid) if group["kind"] == "winning"]
    compared = read_groups(results, "comparisons", winning, grid)
    compared = compared[~compared["split"].isin(["validation", "test"])]
    found = verdicts[[*EXPERIMENT, "ratio"]].merge(compared, on=[*EXPERIMENT, "ratio"])
    return found.assign(**{f"{name}_held_out": found[name] for name in (*MEANS, "low", "high", "p")})


def with_intervals(table: pd.DataFrame, names: Sequence[str], how: str) -> list[str]:
    """Values with their intervals as text, empty where there are none; ``names`` of value, low and high end."""
    value, low, high = names
    pairs = zip(table[value], between(table, low, high, how), strict=True)
    return ["" if pd.isna(one) else f"{one:{how}}" + f" ({interval})" * bool(interval) for one, interval in pairs]


def averages(table: pd.DataFrame, ways: list[str], seeds: int) -> Iterator[pd.DataFrame]:
    """A row of averages over tasks for each model and size that has several; a way that not all tasks have is left out.

    Args:
        table: one row a task, with the honest scores too.
        ways: those of :data:`~supertickets.selection.WAYS` that are there.
        seeds: number of seeds.
    """
    for (model, size), rows in table.groupby(["model", "train_size"], sort=False):
        if len(rows) < 2:
            continue
        row = {"model": model, "train_size": size, "task": "average", "seeds": seeds}
        row |= {name: rows[name].mean() for name in ("weight_remaining", "full", "ticket")}
        found = averaged(lambda name, rows=rows: honest(rows, name), seeds)
        row |= {name: found[name] for name in ("difference", "low", "high")} | {"gain_p_holm": found["p"]}
        for way in ways:
            if rows[f"difference_{way}"].notna().all():
                values = averaged(lambda name, rows=rows, way=way: rows[f"{name}_{way}"], seeds)
                values |= {name: rows[f"{name}_{way}"].mean() for name in ("full", "ticket")}
                row |= {f"{name}_{way}": value for name, value in values.items()}
        yield pd.DataFrame([row])


def averaged(column: Callable[[str], pd.Series], seeds: int) -> dict[str, float]:
    """The average gain of several tasks, from columns of one way."""
    return average(*(column(name).to_numpy() for name in ("difference", "error", "freedom", "seeds_error")), seeds)


def write_seed_sensitivity(
    results: Path, grid: dict[str, Any], others: list[str], csv: Path, md: Path, tex: Path
) -> None:
    """Write the spread over seeds of full models and super tickets, on the reported split.

    Args:
        results: the results folder, with ``verdicts.csv`` and scores.
        grid: what spans the runs.
        others: files of scores of other ways of training (:func:`~supertickets.ways.score_ways`).
        csv, md, tex: files to write.
    """
    verdicts = read_judged(results, "verdicts.csv", grid)
    winning = [group for group in groups_of(grid) if group["kind"] == "winning"]
    scores = read_groups(results, "scores", winning, grid)
    require_among(results / "verdicts.csv", verdicts, scores)
    rows = []
    for _, ticket in verdicts.iterrows():
        keys = [*EXPERIMENT, "split", "metric"]
        of_trial = scores[(scores[keys] == ticket[keys]).all(axis=1)]
        by_ratio = of_trial.groupby("ratio")["value"]
        rows.append(
            ticket[[*keys, "seeds", "ratio"]].to_dict()
            | {"training": "alone"}
            | spread_of(by_ratio.get_group(0.0), by_ratio.get_group(ticket["ratio"]))
        )
    tables = (read_table(Path(path), content=TABLES["scores of ways"]) for path in others)
    rows += [row for table in tables for row in other_spreads(table)]
    # A task that is trained alone anyway is in both.
    table = pd.DataFrame(rows).drop_duplicates([*EXPERIMENT, "training"], ignore_index=True)
    columns = WHERE | {"training": ("Training", ""), "split": ("Split", ""), "metric": ("Metric", "")}
    for name, head in (("full", "Full"), ("super", "Super")):
        columns |= {f"{name}_mean": (head, SCORE), f"{name}_std": (f"{head} std", STD)}
        columns |= {f"{name}_{what}": (f"{head} {what}", SCORE) for what in ("min", "max")}
    text = (
        f"Spread over seeds of full models and super tickets: standard deviation and range. {scope_note(table, grid)} "
        f"Scores on the {told(table)}."
    )
    if others:
        text += (
            " All tasks: one encoder for them, without tickets and each with its super ticket; then alone: each goes "
            "on from there by itself; then new task: one goes on that the encoder has not seen, holding all of it."
        )
    write_formats(table, columns, text, Files(csv, md, tex))


def spread_of(full: pd.Series, ticket: pd.Series) -> dict[str, float]:
    """Mean, standard deviation and range over seeds of scores without and with tickets."""
    pairs = (("full", full), ("super", ticket))
    return {f"{name}_{what}": getattr(one, what)() for name, one in pairs for what in ("mean", "std", "min", "max")}


def other_spreads(scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the spread over seeds, of the ways of training in a table of scores."""
    keys = [*EXPERIMENT, "split", "metric"]
    for names, rows in reported(scores).groupby(keys, sort=False):
        by_way = dict(iter(rows.groupby("way")["value"]))
        for training, (full, ticket) in SPREADS.items():
            if {full, ticket} & by_way.keys():
                spread = spread_of(*(by_way.get(way, pd.Series(dtype=float)) for way in (full, ticket)))
                where = dict(zip(keys, names, strict=True))
                yield {**where, "seeds": rows["seed"].nunique(), "training": training} | spread


def write_sweep(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write every ratio, kind and size with its spread and its difference to the full model.

    Args:
        results: the results folder, with scores and ``comparisons.csv``.
        grid: what spans the runs.
        csv, md, tex: files to write; the CSV file has all splits and metrics, the others what is reported.
    """
    scores = read_groups(results, "scores", groups_of(grid), grid)
    keys = [*EXPERIMENT, "kind", "ratio", "split", "metric"]
    cut = ["heads_pruned", "ffn_pruned", "weight_remaining"]
    by_seed = scores.groupby([*keys, "seed"], sort=False, as_index=False)[["value", *cut, "examples"]].mean()
    grouped = by_seed.groupby(keys, sort=False)
    table = grouped.agg(
        **{name: (name, "mean") for name in [*cut, "examples"]},
        seeds=("seed", "nunique"),
        mean=("value", "mean"),
        std=("value", "std"),
        min=("value", "min"),
        max=("value", "max"),
    ).reset_index()
    comparisons = read_judged(results, "comparisons.csv", grid)
    tested = ["difference", "low", "high", "p", "p_holm", "seeds_low", "seeds_high", "p_seeds", "p_seeds_holm"]
    tested += ["examples_low", "examples_high"]
    table = table.merge(comparisons[[*keys, *tested]], on=keys, how="left")
    shown = reported(table)
    shown = shown.assign(interval=between(shown, "low", "high", POINTS))
    columns = WHERE | {
        "kind": ("Kind", ""),
        "ratio": ("Ratio", RATIO),
        "weight_remaining": ("Weight", SHARE),
        "mean": ("Mean", SCORE),
        "std": ("Std", SCORE),
        "difference": ("To full", POINTS),
        "interval": (f"{LEVEL:.0%}", ""),
        "p_holm": ("p", P),
    }
    text = (
        f"Every ticket. {scope_note(scores, grid)} Scores on the {told(shown)}; mean and standard deviation "
        f"over seeds. Intervals of the difference to the full model are of {LEVEL:.0%}, over seeds and examples; p by "
        "Holm's correction over ratios and tasks, for each kind and size."
    )
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def between(table: pd.DataFrame, low: str, high: str, how: str) -> list[str]:
    """Intervals as text, empty where there is none."""
    pairs = zip(table[low], table[high], strict=True)
    return ["" if pd.isna(one) else f"{one:{how}} to {other:{how}}" for one, other in pairs]


def told(table: pd.DataFrame) -> str:
    """Which splits are reported: test split, or validation split of this and that task."""
    by_split = table.drop_duplicates("task").groupby("split", sort=False)["task"].agg(", ".join)
    if len(by_split) == 1:
        return f"{by_split.index[0]} split"
    return " and the ".join(f"{split} split ({tasks})" for split, tasks in by_split.items())
