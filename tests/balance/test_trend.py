"""A word is earned: noise is flat, a planted course is found, whatever the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from lossaudit.balance.trend import kendall_score, monotone_fit, trend_of
from lossaudit.model.table import Floats

TIME = np.linspace(0, 1, 60)


def word(points: Floats) -> str:
    """As a course of 60 points gives it, each tenth being six of them."""
    return trend_of(points, float(points[-6:].mean() - points[:6].mean()))


def correlated(rng: np.random.Generator, r: float) -> Floats:
    noise = rng.normal(size=160)
    for i in range(1, 160):
        noise[i] += r * noise[i - 1]
    return noise[100:] * np.sqrt(1 - r * r)


@pytest.mark.parametrize("scale", [0.001, 0.02, 0.2])
@pytest.mark.parametrize("count", [10, 20, 60])
def test_white_noise_is_flat(count: int, scale: float) -> None:
    words = Counter()
    for seed in range(3000):
        points = 0.5 + scale * np.random.default_rng(seed).normal(size=count)
        tenth = max(1, count // 10)
        words[trend_of(points, float(points[-tenth:].mean() - points[:tenth].mean()))] += 1
    assert words["flat"] >= 2990
    assert words["rising"] + words["falling"] <= 6


@pytest.mark.parametrize(("r", "most"), [(0.3, 6), (0.5, 20)])
def test_noise_whose_neighbours_resemble_each_other_has_no_trend(r: float, most: int) -> None:
    rng = np.random.default_rng(3)
    words = Counter(word(0.5 + 0.05 * correlated(rng, r)) for _ in range(1000))
    assert words["rising"] + words["falling"] <= most


COURSES: dict[str, tuple[str, Callable[[np.random.Generator], Floats]]] = {
    "line": ("rising", lambda rng: 0.3 + 0.1 * TIME + 0.02 * rng.normal(size=60)),
    "down": ("falling", lambda rng: 0.3 - 0.1 * TIME + 0.02 * rng.normal(size=60)),
    "saturates": ("rising", lambda rng: 0.5 - 0.2 * np.exp(-9 * TIME) + 0.01 * rng.normal(size=60)),
    "without noise": ("falling", lambda rng: 0.5 * np.exp(-5 * TIME)),
    "jumps": ("rising", lambda rng: np.where(TIME > 0.6, 0.6, 0.2) + 0.03 * rng.normal(size=60)),
    "starts late": ("rising", lambda rng: np.maximum(0, TIME - 0.4) + 0.005 * rng.random(60)),
    "up and down": ("wandering", lambda rng: 0.3 * np.sin(np.pi * TIME) + 0.02 * rng.random(60)),
    "wave": ("wandering", lambda rng: 0.5 + 0.1 * np.sin(12 * TIME) + 0.02 * rng.random(60)),
    "level": ("flat", lambda rng: np.full(60, 0.25)),
    "half a point": ("flat", lambda rng: 0.3 + 0.005 * TIME),
}


@pytest.mark.parametrize("name", COURSES)
def test_planted_course_is_found(name: str) -> None:
    expected, plant = COURSES[name]
    words = Counter(word(plant(np.random.default_rng(seed))) for seed in range(200))
    assert words[expected] >= 198, words


def test_the_word_never_contradicts_first_and_last() -> None:
    points = 0.3 + 0.1 * TIME
    assert trend_of(points, -0.05) != "rising"
    assert trend_of(points, 0.1) == "rising"


def test_few_points_earn_no_word() -> None:
    assert trend_of(np.linspace(0, 1, 9), 1.0) == "unknown"
    assert trend_of(np.linspace(0, 1, 10), 1.0) == "rising"


def test_score_is_kendalls_and_turns_with_the_points() -> None:
    from scipy.stats import kendalltau

    points = np.random.default_rng(0).normal(size=30) + TIME[:30]
    assert kendall_score(points) == -kendall_score(-points)
    tau = kendalltau(np.arange(30), points).statistic
    assert np.sign(kendall_score(points)) == np.sign(tau)
    deviation = np.sqrt(30 * 29 * 65 / 18)
    assert abs(kendall_score(points)) <= abs(tau) * (30 * 29 / 2) / deviation + 1e-9


def test_monotone_fit_is_the_nearest_one() -> None:
    from scipy.optimize import isotonic_regression

    points = np.random.default_rng(1).normal(size=50) + np.linspace(0, 3, 50)
    np.testing.assert_allclose(monotone_fit(points), isotonic_regression(points).x, atol=1e-12)
