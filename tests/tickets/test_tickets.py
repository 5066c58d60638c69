"""Counts, nesting and weight remaining of tickets of any encoder; ticket files and importance tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import names_in
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from supertickets.encoder.ticket import Shape, Ticket
from supertickets.errors import UserError
from supertickets.seeds import generator
from supertickets.tickets.importance_table import normalize, read_importance, write_importance
from supertickets.tickets.prune import FFN_RULES, draw, kind_of, prune, prune_counts

#: Kinds that prune exactly the number of units that their ratio says.
EXACT = [like for like in names_in("tickets/kinds") if like != "random_with_replacement"]

ratios = st.integers(1, 100).map(lambda hundredths: hundredths / 100)
#: Scores with few different values, so that ties are common.
values = st.integers(0, 5).map(float) | st.floats(0, 1e3, allow_subnormal=False)


@st.composite
def scores(draw_from: st.DrawFn) -> dict[str, np.ndarray]:
    layers, heads = draw_from(st.integers(1, 24)), draw_from(st.integers(1, 16))
    head = draw_from(npst.arrays(np.float64, (layers, heads), elements=values))
    return {"head": head, "ffn": draw_from(npst.arrays(np.float64, layers, elements=values))}


@pytest.mark.parametrize(
    ("ratio", "heads"),
    [(0.1, 14), (0.2, 28), (0.3, 43), (0.4, 57), (0.5, 72), (0.6, 86), (0.7, 100), (0.8, 115)],
)
def test_base_size_counts_are_the_published_ones(ratio: float, heads: int) -> None:
    assert prune_counts(ratio, 12, 12, "decile") == (heads, round(10 * ratio))


@pytest.mark.parametrize(
    ("ratio", "counts"),
    [(0.05, (19, 1)), (0.1, (38, 2)), (0.2, (76, 4)), (0.3, (115, 6)), (0.35, (134, 7)), (0.4, (153, 8))],
)
def test_large_size_counts_are_the_published_ones(ratio: float, counts: tuple[int, int]) -> None:
    assert prune_counts(ratio, 24, 16, "decile") == counts


def test_plain_share_of_ffn_blocks() -> None:
    assert [prune_counts(ratio / 10, 12, 12, "share")[1] for ratio in range(1, 9)] == [1, 2, 3, 4, 6, 7, 8, 9]


def test_counts_do_not_suffer_from_binary_fractions() -> None:
    assert prune_counts(0.29, 10, 10, "share") == (29, 2)
    assert prune_counts(0.57, 10, 10, "share") == (57, 5)


def test_base_size_weight_remaining_is_the_published_one() -> None:
    # bert-base-uncased with a head of two classes
    shape = Shape(layers=12, heads=12, hidden=768, ffn=3072, parameters=109_482_240 + 2 * 769)
    random = np.random.default_rng(0)
    ticket = draw("winning", 0.1, {"head": random.random((12, 12)), "ffn": random.random(12)}, "decile", random)
    assert ticket.weight_remaining(shape) == pytest.approx(0.932, abs=5e-4)
    assert Ticket.full(12, 12).weight_remaining(shape) == 1


@given(scores(), ratios, st.sampled_from(sorted(FFN_RULES)))
def test_winning_tickets(scores: dict[str, np.ndarray], ratio: float, rule: str) -> None:
    layers, heads = scores["head"].shape
    ticket = draw("winning", ratio, scores, rule, generator(0, "none"))
    assert (ticket.heads_pruned, ticket.ffn_pruned) == prune_counts(ratio, layers, heads, rule)
    kept = np.zeros((layers, heads), dtype=bool)
    for layer, units in enumerate(ticket.heads):
        assert units, "a layer lost its last head"
        kept[layer, list(units)] = True
        assert scores["head"][layer].max() == scores["head"][layer, list(units)].max(), "the best head was pruned"
    # Pruned heads score no higher than kept heads, except the best head of each layer.
    others = kept.copy()
    others[np.arange(layers), scores["head"].argmax(axis=1)] = False
    if (~kept).any() and others.any():
        assert scores["head"][~kept].max() <= scores["head"][others].min()
    pruned_ffn = sorted(set(range(layers)) - set(ticket.ffn))
    if pruned_ffn and ticket.ffn:
        assert scores["ffn"][pruned_ffn].max() <= scores["ffn"][list(ticket.ffn)].min()


@given(scores(), ratios, st.sampled_from(sorted(FFN_RULES)), st.sampled_from(EXACT), st.integers(0, 9))
def test_every_kind_prunes_the_same_counts(
    scores: dict[str, np.ndarray], ratio: float, rule: str, kind: str, seed: int
) -> None:
    layers, heads = scores["head"].shape
    ticket = draw(kind, ratio, scores, rule, generator(seed, "ticket"))
    assert (ticket.heads_pruned, ticket.ffn_pruned) == prune_counts(ratio, layers, heads, rule)
    assert all(ticket.heads) and len(ticket.heads) == layers
    assert ticket == draw(kind, ratio, scores, rule, generator(seed, "ticket"))
    if kind == "random_layerwise":
        winning = draw("winning", ratio, scores, rule, generator(seed, "ticket"))
        assert list(map(len, ticket.heads)) == list(map(len, winning.heads)) and ticket.ffn == winning.ffn
    if kind == "losing":
        for layer, units in enumerate(ticket.heads):
            assert scores["head"][layer].min() == scores["head"][layer, list(units)].min(), "the worst head was pruned"
        pruned_ffn = sorted(set(range(layers)) - set(ticket.ffn))
        if pruned_ffn and ticket.ffn:
            assert scores["ffn"][pruned_ffn].min() >= scores["ffn"][list(ticket.ffn)].max()


def test_random_tickets_take_every_unit_equally_often() -> None:
    scores = {"head": np.arange(24.0).reshape(4, 6), "ffn": np.arange(4.0)}
    tickets = [draw("random", 0.5, scores, "share", generator(seed, "ticket")) for seed in range(2000)]
    heads = np.zeros((4, 6))
    for ticket in tickets:
        for layer, units in enumerate(ticket.heads):
            heads[layer, list(units)] += 1
    blocks = np.bincount([layer for ticket in tickets for layer in ticket.ffn], minlength=4)
    # Five standard deviations of a share of one half of 2,000.
    assert abs(heads / 2000 - 0.5).max() < 0.056 and abs(blocks / 2000 - 0.5).max() < 0.056
    layerwise = {draw("random_layerwise", 0.5, scores, "share", generator(seed, "ticket")) for seed in range(50)}
    assert len(layerwise) > 10


@given(scores(), ratios, ratios, st.sampled_from(EXACT))
def test_tickets_of_every_kind_are_nested(scores: dict[str, np.ndarray], one: float, other: float, kind: str) -> None:
    large, small = (draw(kind, ratio, scores, "share", generator(1, "ticket")) for ratio in sorted([one, other]))
    assert all(set(inner) <= set(outer) for inner, outer in zip(small.heads, large.heads, strict=True))
    assert set(small.ffn) <= set(large.ffn)


@pytest.mark.parametrize(
    ("heads", "ffn", "message"),
    [
        (((0,), ()), (0, 1), "layer 1 keeps no attention head"),
        (((0,), (4,)), (0, 1), "heads of layer 1 are"),
        (((1, 0), (0,)), (0, 1), "heads of layer 0 are"),
        (((0,), (0,)), (2,), "ffn layers are"),
    ],
)
def test_a_ticket_refuses_units_that_do_not_exist(heads: tuple, ffn: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Ticket(heads, ffn, heads_per_layer=4)


def test_a_ticket_file_says_what_is_kept_and_where_it_came_from(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    importance, shape, path = tmp_path / "importance.csv", tmp_path / "shape.json", tmp_path / "winning-0.50.json"
    head, ffn = random.random((3, 4)), random.random(3)
    scores = {"sensitivity": (list(-head), -ffn), "taylor": (list(head), ffn)}
    write_importance(importance, Ticket.full(3, 4), scores)
    shape.write_text(json.dumps({"layers": 3, "heads": 4, "hidden": 32, "ffn": 48, "parameters": 50_000}))
    run = {"model": "tiny", "task": "toy", "train_size": 40, "seed": 1, "kind": "winning", "ratio": 0.5}
    run["draw"] = 1
    pruning = {"like": "winning", "importance": "taylor", "weights": "fine_tuned", "units": "both", "steps": 1}
    pruning["ffn_rule"] = "share"
    settings = {**pruning, "outputs": 2}
    prune(importance, shape, run, settings, path)
    record = json.loads(path.read_text())
    normal_heads, normal_ffn = normalize(list(head), ffn)
    normalized = {"head": np.array(normal_heads), "ffn": normal_ffn}
    first = draw("winning", 0.5, normalized, "share", generator(1, "none"))
    assert Ticket.read(path) == first
    assert (record["heads_pruned"], record["ffn_pruned"]) == (6, 1)
    removed = 2 * 32 * 48 * 1 + 4 * 32 * 8 * 6
    assert record["weight_remaining"] == pytest.approx(1 - removed / (50_000 + 2 * 33))
    assert record["origin"] == {**run, "pruning": pruning, "scores_sha256": record["origin"]["scores_sha256"]}

    # The second step prunes the units that the first has kept, by their new scores.
    write_importance(
        importance,
        first,
        {"taylor": ([-head[layer, list(kept)] for layer, kept in enumerate(first.heads)], -ffn[list(first.ffn)])},
    )
    second_path = tmp_path / "second.json"
    prune(importance, shape, {**run, "ratio": 0.7}, settings, second_path, path)
    second = Ticket.read(second_path)
    assert all(
        set(after) < set(before) or len(before) == 1 for after, before in zip(second.heads, first.heads, strict=True)
    )
    assert (second.heads_pruned, second.ffn_pruned) == prune_counts(0.7, 3, 4, "share")
    with pytest.raises(UserError, match="8 units have a taylor score, expected 15"):
        prune(importance, shape, run, settings, path)

    shape.write_text(json.dumps({"layers": 3, "heads": 5, "hidden": 32, "ffn": 48, "parameters": 50_000}))
    with pytest.raises(UserError, match="expected 18"):
        prune(importance, shape, run, settings, path)


def test_importance_tables_round_trip_and_broken_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "importance.csv"
    head, ffn = np.random.default_rng(2).random((2, 3)), np.zeros(2)
    whole = Ticket.full(2, 3)
    write_importance(path, whole, {"taylor": (list(head), ffn)})
    read = read_importance(path, "taylor", whole)
    np.testing.assert_allclose(read["head"], head / np.linalg.norm(head, axis=1, keepdims=True), rtol=1e-15)
    np.testing.assert_array_equal(read["ffn"], ffn)
    lines = path.read_text().splitlines()
    assert lines[0] == "method,kind,layer,head,score,normalized" and lines[-1] == "taylor,ffn,1,,0.0,0.0"
    with pytest.raises(UserError, match="0 units have a magnitude score, expected 8"):
        read_importance(path, "magnitude", whole)
    path.write_text("\n".join([*lines[:3], "taylor,head,0,2,1.0,x\n"]))
    with pytest.raises(UserError, match=r"importance.csv: not a table of importance scores .*'x'.*; delete it"):
        read_importance(path, "taylor", whole)
    path.write_text("\n".join([*lines[:3], *lines[4:], ""]))
    with pytest.raises(UserError, match="7 units have a taylor score, expected 8"):
        read_importance(path, "taylor", whole)


def test_scores_of_a_cut_model_leave_the_pruned_units_lowest(tmp_path: Path) -> None:
    cut = Ticket(((0, 2), (1,)), (1,), 3)
    write_importance(
        tmp_path / "scores.csv", cut, {"taylor": ([np.array([3.0, 4.0]), np.array([5.0])], np.array([2.0]))}
    )
    read = read_importance(tmp_path / "scores.csv", "taylor", cut)
    lost = -np.inf
    np.testing.assert_allclose(read["head"], [[0.6, lost, 0.8], [lost, 1.0, lost]])
    np.testing.assert_allclose(read["ffn"], [lost, 1.0])


@pytest.mark.parametrize(("units", "counts"), [("both", (6, 1)), ("heads", (6, 0)), ("ffn", (0, 1))])
def test_only_the_units_that_may_be_pruned_are(units: str, counts: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    scores = {"head": random.random((3, 4)), "ffn": random.random(3)}
    for like in EXACT:
        ticket = draw(like, 0.5, scores, "share", generator(1, "ticket"), units)
        assert (ticket.heads_pruned, ticket.ffn_pruned) == counts


def test_drawn_with_replacement_less_is_pruned_than_the_ratio_says_as_in_the_published_code() -> None:
    scores, blocks = np.zeros((12, 12)), np.zeros(12)
    pruned = []
    for seed in range(200):
        tickets = [
            kind_of("random_with_replacement")(scores, blocks, heads, ffn, np.random.default_rng(seed))
            for heads, ffn in ((28, 2), (72, 5))
        ]
        small, large = tickets
        for layer in range(12):
            assert set(large.heads[layer]) <= set(small.heads[layer]) or len(large.heads[layer]) == 1
        assert set(large.ffn) <= set(small.ffn)
        pruned.append((large.heads_pruned, large.ffn_pruned))
    # Expected number of different units in k draws of n: n (1 - (1 - 1 / n) ** k).
    expected = [n * (1 - (1 - 1 / n) ** k) for n, k in ((144, 72), (12, 5))]
    np.testing.assert_allclose(np.mean(pruned, axis=0), expected, rtol=0.03)
    assert 56 < expected[0] < 58


def test_published_random_tickets_of_large_encoders_leave_the_last_layers_whole() -> None:
    keep, scores = kind_of("random_with_replacement"), np.ones((24, 16))
    tickets = [keep(scores, scores[:, 0], 192, 0, np.random.default_rng(seed)) for seed in range(20)]
    kept = np.array([[len(heads) for heads in ticket.heads] for ticket in tickets])
    assert (kept[:, 16:] == 16).all() and (kept[:, :16] < 16).all()
    # Of an id from 0 to 383 the head is the remainder by 16, so those that 24 consecutive ids have twice go first.
    assert all(ticket.heads_pruned < 256 for ticket in tickets)
    numbers = np.random.default_rng(3).integers(384, size=384)[:192]
    drawn = {(number // 24, number % 16) for number in numbers.tolist()}
    pruned = {(layer, head) for layer, heads in enumerate(tickets[3].heads) for head in set(range(16)) - set(heads)}
    assert pruned == drawn
