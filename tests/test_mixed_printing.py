"""Correct logs whose columns were printed in two ways raise no error; wrong ones still fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.model.table import Floats
from lossaudit.spec.load import spec_from_formula
from tests.printed import alike, fixed, keras, resumed, significant, torch_tensor

ROWS = 120

STYLES: dict[str, Callable[[Sequence[float]], list[str]]] = {
    "keras": alike(keras),
    "torch": alike(torch_tensor),
    "%.4f then %.6f": resumed(fixed(4), fixed(6), 50),
    "%.4f then %.6f, early": resumed(fixed(4), fixed(6), 2),
    "%.6f then %.4f": resumed(fixed(6), fixed(4), 50),
    "%.4g then %.6f": resumed(significant(4), fixed(6), 50),
    "%.4f then all digits": resumed(fixed(4), repr, 50),
}

FEW = {"%.4f then %.6f, early"}
"""Two rows may be one in ten thousand: INCONCLUSIVE, with the way that they would show."""

FORMATS = ("csv", "json", "text")


def columns_of(seed: int, weights: Sequence[float]) -> dict[str, Floats]:
    """A training whose losses fall through several decades."""
    rng = np.random.default_rng(seed)
    decay = np.geomspace(1.0, 10.0 ** -rng.uniform(1, 4), ROWS)
    scale = 10.0 ** rng.uniform(-2, 0.5, 3)
    terms = [(s * decay * rng.lognormal(0, 0.4, ROWS)).astype(np.float32) for s in scale]
    total = np.zeros(ROWS, np.float32)
    for weight, term in zip(weights, terms, strict=True):
        total += np.float32(weight) * term
    named = {"loss": total, **{f"t{i}": t for i, t in enumerate(terms)}}
    return {tag: values.astype(np.float64) for tag, values in named.items()}


def write(path: Path, form: str, texts: dict[str, list[str]]) -> None:
    rows = list(zip(*texts.values(), strict=True))
    if form == "csv":
        lines = [",".join(texts), *map(",".join, rows)]
    elif form == "json":
        numbers = [dict(zip(texts, map(float, row), strict=True)) for row in rows]
        lines = [json.dumps(n) for n in numbers]
    else:
        pairs = [" - ".join(f"{t}: {v}" for t, v in zip(texts, r, strict=True)) for r in rows]
        lines = [f"{i}/{ROWS} - 0s 2ms/step - {p}" for i, p in enumerate(pairs, 1)]
    path.write_text("\n".join(lines) + "\n")


def audited(path: Path, seed: int, style: str, changed: float) -> Result:
    weights = [1.0, 0.5, 2.0]
    written = columns_of(seed, [1.0, 0.5 * changed, 2.0])
    form = FORMATS[seed % len(FORMATS)]
    write(path, form, {tag: STYLES[style](v.tolist()) for tag, v in written.items()})
    formula = "loss = " + " + ".join(f"{w}*t{i}" for i, w in enumerate(weights))
    return check_logs(spec_from_formula(formula), [str(path)])


@pytest.mark.parametrize("style", STYLES)
def test_correct_logs_printed_in_two_ways_raise_no_error(tmp_path: Path, style: str) -> None:
    passed = 0
    for seed in range(24):
        result = audited(tmp_path / f"{seed}.log", seed, style, 1.0)
        errors = [f.message for f in result.findings if f.severity.value == "error"]
        assert not errors, (seed, errors)
        passed += result.verdict is Verdict.PASS
    assert passed >= (0 if style in FEW else 20)


@pytest.mark.parametrize("style", STYLES)
def test_a_weight_changed_by_a_tenth_fails_however_printed(tmp_path: Path, style: str) -> None:
    for seed in range(12):
        right, wrong = (columns_of(seed, [1.0, w, 2.0])["loss"] for w in (0.5, 0.55))
        if np.abs(right - wrong).max() < 2e-3:
            continue  # nothing of four decimals shows it
        result = audited(tmp_path / f"{seed}.log", seed, style, 1.1)
        assert result.verdict is Verdict.FAIL, (seed, result.reason)
