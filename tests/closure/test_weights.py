"""Weight boxes: against a brute-force linear program, and never without the true weights."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import linprog

from lossaudit.closure.program import WeightRows, is_feasible, largest
from lossaudit.closure.weights import certify


def problem(
    seed: int, count: int, size: int, half: float = 0.5e-4, negative: bool = False
) -> tuple[WeightRows, np.ndarray]:
    """Rows printed with half-width `half`, and the weights behind them."""
    generator = np.random.default_rng(seed)
    true = np.exp(generator.uniform(-3, 3, size))
    if negative:
        true *= generator.choice([-1.0, 1.0], size)
    terms = np.exp(generator.normal(0, 1, (count, size)))
    total = terms @ true
    noise = generator.uniform(-half, half, (count, size))
    logged = terms + noise
    total = total + generator.uniform(-half, half, count)
    return WeightRows(
        total, logged, np.full(count, half), np.full((count, size), half), np.sign(true)
    ), true


def brute_force(rows: WeightRows) -> tuple[np.ndarray, np.ndarray] | None:
    """Every row at once, scipy's HiGHS: low and high of each weight, infinite where unbounded."""
    spread = rows.spread * rows.signs
    matrix = np.vstack([rows.terms - spread, -rows.terms - spread])
    right = np.concatenate([rows.total + rows.slack, rows.slack - rows.total])
    scale = np.concatenate([rows.slack, rows.slack])  # the solver's own tolerance is absolute
    matrix, right = matrix / scale[:, None], right / scale
    bounds = [(0, None) if s >= 0 else (None, 0) for s in rows.signs]
    ends = []
    for sign in (1.0, -1.0):
        column = []
        for i in range(rows.terms.shape[1]):
            cost = np.zeros(rows.terms.shape[1])
            cost[i] = sign / scale.min()  # and so is the one on reduced costs
            found = linprog(cost, matrix, right, bounds=bounds)
            if found.status == 2:
                return None
            column.append(found.x[i] if found.status == 0 else -sign * np.inf)
        ends.append(np.array(column))
    return ends[0], ends[1]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("negative", [False, True])
def test_boxes_are_those_of_brute_force(size: int, negative: bool) -> None:
    for seed in range(6):
        rows, _ = problem(seed, 150, size, negative=negative)
        box = certify(rows)
        low, high = brute_force(rows)
        assert box is not None
        assert box.complete
        width = high - low
        assert np.all(box.low <= low + 1e-6 * width)
        assert np.all(box.high >= high - 1e-6 * width)
        assert np.all(low - box.low <= 1e-3 * width)
        assert np.all(box.high - high <= 1e-3 * width)


@pytest.mark.parametrize("half", [0.5e-6, 0.5e-4, 0.5e-2, 0.5])
def test_the_true_weights_are_always_inside(half: float) -> None:
    for seed in range(60):
        rows, true = problem(seed, 10 + 7 * seed, 1 + seed % 6, half, negative=seed % 2 == 1)
        box = certify(rows)
        assert box is not None
        assert np.all((box.low <= true) & (true <= box.high)), seed


def test_a_thousand_rows_at_four_decimals_tell_a_weight_to_about_a_thousandth() -> None:
    generator = np.random.default_rng(1)
    terms = np.round(generator.uniform(0.02, 0.15, (1000, 2)), 4)
    total = np.round(terms @ [2.0, 1.0], 4)
    half = 0.5e-4
    rows = WeightRows(total, terms, np.full(1000, half), np.full((1000, 2), half), np.ones(2))
    start = time.process_time()
    box = certify(rows)
    assert time.process_time() - start < 0.5
    assert np.all(box.high - box.low < 5e-3)
    assert np.all(box.low <= [2.0, 1.0])
    assert np.all(box.high >= [2.0, 1.0])


def test_collinear_terms_cannot_be_told_apart_but_their_sum_can() -> None:
    base = np.random.default_rng(2).uniform(1, 2, 200)
    half = 0.5e-4
    terms = np.column_stack([base, base])
    rows = WeightRows(3 * base, terms, np.full(200, half), np.zeros((200, 2)), np.ones(2))
    box = certify(rows)
    np.testing.assert_allclose(box.low, [0, 0], atol=1e-3)
    np.testing.assert_allclose(box.high, [3, 3], atol=1e-3)


def test_nearly_collinear_terms_match_brute_force() -> None:
    generator = np.random.default_rng(3)
    base = generator.uniform(1, 2, 300)
    terms = np.column_stack([base, base * (1 + 1e-4 * generator.normal(size=300))])
    rows = WeightRows(
        terms @ [2.0, 1.0], terms, np.full(300, 1e-5), np.full((300, 2), 1e-6), np.ones(2)
    )
    box, (low, high) = certify(rows), brute_force(rows)
    np.testing.assert_allclose(box.low, low, atol=2e-3)
    np.testing.assert_allclose(box.high, high, atol=2e-3)
    assert np.all(box.low <= [2.0, 1.0])
    assert np.all(box.high >= [2.0, 1.0])


def test_a_term_that_is_always_zero_leaves_its_weight_open() -> None:
    rows, true = problem(1, 50, 2)
    terms, spread = rows.terms.copy(), rows.spread.copy()
    total = terms[:, 0] * true[0]
    terms[:, 1], spread[:, 1] = 0.0, 0.0
    box = certify(WeightRows(total, terms, rows.slack, spread, rows.signs))
    assert box.low[0] <= true[0] <= box.high[0]
    assert (box.low[1], box.high[1]) == (0.0, np.inf)


def test_the_declared_sign_bounds_a_weight() -> None:
    """A weight that the rows would let be slightly negative is cut at 0."""
    rows, _ = problem(5, 40, 2, half=0.5)
    total = rows.terms[:, 0] * 1.0
    box = certify(WeightRows(total, rows.terms, rows.slack, rows.spread, np.ones(2)))
    assert box.low[1] == 0
    assert box.high[1] > 0
    mirrored = certify(WeightRows(total, rows.terms, rows.slack, rows.spread, np.array([1.0, -1])))
    assert mirrored.high[1] == 0
    assert mirrored.low[1] < 0


@pytest.mark.parametrize(("change", "stretch"), [(700, (0, 700)), (300, (300, 1000))])
def test_a_weight_that_changes_midway_leaves_the_longest_stretch(
    change: int, stretch: tuple[int, int]
) -> None:
    generator = np.random.default_rng(6)
    terms = generator.uniform(0.1, 1, (1000, 2))
    second = np.where(np.arange(1000) < change, 1.0, 0.5)
    half = 0.5e-4
    total = 2 * terms[:, 0] + second * terms[:, 1]
    rows = WeightRows(total, terms, np.full(1000, half), np.full((1000, 2), half), np.ones(2))
    box = certify(rows)
    assert not box.complete
    assert abs(box.start - stretch[0]) <= 2
    assert abs(box.stop - stretch[1]) <= 2
    expected = [2.0, second[stretch[0]]]
    assert np.all(box.low <= expected)
    assert np.all(box.high >= expected)
    assert np.all(box.high - box.low < 0.01)


def test_weights_that_rise_and_then_stay_are_certified_where_they_stay() -> None:
    rows, true = problem(11, 300, 2)
    ramp = np.minimum(np.arange(300) / 60, 1.0)
    moved = WeightRows(
        rows.total - (1 - ramp) * true[0] * rows.terms[:, 0],
        rows.terms,
        rows.slack,
        rows.spread,
        rows.signs,
    )
    found = certify(moved)
    assert found is not None
    assert (found.stop, found.complete) == (300, False)
    assert found.start <= 60
    assert np.all((found.low <= true) & (true <= found.high))


def test_noise_that_no_weights_explain_gives_no_box() -> None:
    generator = np.random.default_rng(7)
    terms, total = generator.uniform(0.1, 1, (300, 3)), generator.uniform(0.1, 5, 300)
    tight = np.full(300, 1e-6)
    rows = WeightRows(total, terms, tight, np.full((300, 3), 1e-6), np.ones(3))
    assert not is_feasible(rows)
    assert certify(rows) is None


def test_no_rows_give_no_box() -> None:
    empty = WeightRows(np.empty(0), np.empty((0, 2)), np.empty(0), np.empty((0, 2)), np.ones(2))
    assert certify(empty) is None


def test_exact_rows_of_a_float64_log_do_not_break_the_program() -> None:
    terms = np.random.default_rng(8).uniform(0.1, 1, (100, 2))
    total = terms @ [2.0, 1.0]
    spread = 4 * 2.0**-53 * terms
    box = certify(WeightRows(total, terms, np.zeros(100), spread, np.ones(2)))
    assert box is not None
    assert np.all(box.low <= [2.0, 1.0])
    assert np.all(box.high >= [2.0, 1.0])
    assert np.all(box.high - box.low < 1e-13)


def test_a_million_rows_take_less_than_two_seconds() -> None:
    rows, true = problem(9, 1_000_000, 2)
    start = time.process_time()
    box = certify(rows)
    assert time.process_time() - start < 2
    assert box.complete
    assert np.all((box.low <= true) & (true <= box.high))


def test_a_box_is_moved_outwards_by_a_millionth_of_a_tolerance() -> None:
    """What the solver may be off by: one row, 1 +- 1e-3, has the box 1 +- (1e-3 + 1e-9)."""
    one = np.ones((2, 1))
    box = certify(WeightRows(np.ones(2), one, np.full(2, 1e-3), 0 * one, np.ones(1)))
    assert 1e-10 < 0.999 - box.low[0] < 3e-9
    assert 1e-10 < box.high[0] - 1.001 < 3e-9


@pytest.mark.parametrize(
    "values", [[], [1.0], [3.0, 1.0, 2.0], [1.0] * 9, [2.0, 1.0, 2.0, 0.0, 2.0]]
)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_largest_values_are_those_of_a_sort(values: list[float], count: int) -> None:
    places = largest(np.array(values), count)
    assert len(set(places.tolist())) == len(places) == min(count, len(values))
    assert sorted(np.array(values)[places]) == sorted(values)[-count:]
