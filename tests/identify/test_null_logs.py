"""Logs in which no column is the sum of others: nothing may be established."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lossaudit.closure.identify.columns import Question
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.table import Floats

Columns = dict[str, Floats]
NAMES = ["loss", "loss_a", "loss_b", "c", "d", "e", "total"]


def independent(rng: np.random.Generator) -> Columns:
    rows = int(rng.choice([2, 3, 5, 8, 20, 200]))
    size = int(rng.integers(2, len(NAMES) + 1))
    return {name: np.exp(rng.normal(-1, 1, rows)) for name in NAMES[:size]}


def rounded(rng: np.random.Generator) -> Columns:
    decimals = int(rng.integers(0, 5))
    return {name: np.round(v, decimals) for name, v in independent(rng).items()}


def integers(rng: np.random.Generator) -> Columns:
    largest = int(rng.choice([1, 3, 10, 1000]))
    return {n: np.floor(rng.random(len(v)) * largest) for n, v in independent(rng).items()}


def constants(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    return {n: np.full(len(v), round(float(rng.random()), 2)) for n, v in found.items()}


def affine(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    weights = rng.integers(1, 9, (len(found), 2)) / 8
    return {
        n: a + b * np.arange(len(v)) for (n, v), (a, b) in zip(found.items(), weights, strict=True)
    }


def parabolas(rng: np.random.Generator) -> Columns:
    return {n: v * v / 64 for n, v in affine(rng).items()}


def decays(rng: np.random.Generator) -> Columns:
    return {n: np.exp(-rng.random() * np.arange(len(v)) / 50) for n, v in independent(rng).items()}


def constant_total(rng: np.random.Generator) -> Columns:
    return {**independent(rng), "loss": np.full(20, 0.5)[: len(independent(rng)["loss"])]}


def one_column_is_the_total(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    return {**found, "loss": found["loss_a"]}


def one_column_is_half_the_total(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    return {**found, "loss": 2 * found["loss_a"]}


def a_term_is_not_logged(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    return {**found, "loss": found["loss_a"] + rng.random(len(found["loss"]))}


def a_constant_is_hidden(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    return {**found, "loss": found["loss_a"] + 0.25}


def the_learning_rate_is_a_term(rng: np.random.Generator) -> Columns:
    found = independent(rng)
    return {"lr": rng.random(len(found["loss"])), **found, "loss": found["loss_a"]}


def random_walks(rng: np.random.Generator) -> Columns:
    return {n: np.cumsum(v) for n, v in independent(rng).items()}


def zeros(rng: np.random.Generator) -> Columns:
    return {n: np.zeros(len(v)) for n, v in independent(rng).items()}


KINDS = [
    independent,
    rounded,
    integers,
    constants,
    affine,
    parabolas,
    decays,
    constant_total,
    one_column_is_the_total,
    one_column_is_half_the_total,
    a_term_is_not_logged,
    a_constant_is_hidden,
    the_learning_rate_is_a_term,
    random_walks,
    zeros,
]


def write(path: Path, columns: Columns) -> None:
    rows = zip(*(c.tolist() for c in columns.values()), strict=False)
    path.write_text("\n".join(json.dumps(dict(zip(columns, r, strict=True))) for r in rows) + "\n")


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_nothing_is_established_where_no_column_is_a_sum(tmp_path: Path, kind: object) -> None:
    assert callable(kind)
    for seed in range(12):
        columns = kind(np.random.default_rng([seed, 3]))
        write(tmp_path / "log.jsonl", columns)
        result, _ = identify_logs(Question(), [str(tmp_path / "log.jsonl")])
        assert result.verdict is Verdict.INCONCLUSIVE, (seed, result.reason)
        assert result.reason


ODD = [0.0, 1.0, -1.0, 5e-324, 1e-300, 1e90, 1e150, 1e308, -1e50, np.nan, np.inf, -np.inf, 0.1]


def test_numbers_of_any_size_are_no_error(tmp_path: Path) -> None:
    for seed in range(60):
        rng = np.random.default_rng([seed, 4])
        rows = int(rng.choice([1, 2, 3, 10, 50]))
        columns = {}
        for name in NAMES[: int(rng.integers(2, len(NAMES) + 1))]:
            scaled = np.exp(rng.normal(0, 1, rows)) * 10.0 ** rng.integers(-200, 200)
            columns[name] = rng.choice(ODD, rows) if rng.random() < 0.5 else scaled
        write(tmp_path / "log.jsonl", columns)
        result, _ = identify_logs(Question(), [str(tmp_path / "log.jsonl")])
        assert result.verdict is Verdict.INCONCLUSIVE
