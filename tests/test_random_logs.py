"""Two hundred random trainings, written in every common way: no false alarm, no unearned pass.

Each log has 2 to 12 terms, weights from 1e-3 to 1e3 and a total that was formed in its dtype. The
same log with one weight changed by 1 % must fail wherever that change exceeds twice the tolerance
on some row, and never pass there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.model.table import Floats
from lossaudit.numerics.formats import FORMATS
from lossaudit.spec.load import spec_from_formula

SEEDS = range(200)

Write = Callable[[Path, dict[str, Floats]], None]


def as_csv(form: Callable[[float], str]) -> Write:
    def write(path: Path, columns: dict[str, Floats]) -> None:
        rows = zip(*(map(form, c.tolist()) for c in columns.values()), strict=True)
        path.write_text("\n".join([",".join(columns), *map(",".join, rows)]) + "\n")

    return write


def as_json(form: Callable[[float], float]) -> Write:
    def write(path: Path, columns: dict[str, Floats]) -> None:
        rows = zip(*(map(form, c.tolist()) for c in columns.values()), strict=True)
        lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
        path.write_text("\n".join(lines) + "\n")

    return write


def as_text(form: Callable[[float], str]) -> Write:
    def write(path: Path, columns: dict[str, Floats]) -> None:
        rows = zip(*(map(form, c.tolist()) for c in columns.values()), strict=True)
        lines = (", ".join(f"{t}: {v}" for t, v in zip(columns, row, strict=True)) for row in rows)
        path.write_text("\n".join(f"Step {i}/9999, {line}" for i, line in enumerate(lines)) + "\n")

    return write


WAYS: list[Write] = [
    as_json(float),
    as_json(lambda v: round(v, 5)),
    as_csv(repr),
    as_csv(lambda v: str(np.float32(v))),
    as_csv(lambda v: f"{v:.6f}"),
    as_csv(lambda v: f"{v:.8g}"),
    as_text(lambda v: f"{v:.4f}"),
    as_text(lambda v: f"{v:.2f}"),
    as_text(lambda v: f"{v:.4g}"),
    as_text(lambda v: f"{v:.3g}"),
]


class Run(Struct, frozen=True, dict=True):
    formula: str
    weights: list[float]
    terms: dict[str, Floats]
    dtype: str
    write: Write

    def total(self, weights: list[float]) -> Floats:
        """The sum as the dtype forms it, term after term."""
        form = FORMATS[self.dtype]
        total = np.zeros_like(next(iter(self.terms.values())))
        for weight, term in zip(weights, self.terms.values(), strict=True):
            product = form.nearest(float(form.nearest(np.array([weight]))[0]) * term)
            total = form.nearest(total + product)
        return total

    def audited(self, path: Path, weights: list[float]) -> Result:
        self.write(path, {"loss": self.total(weights), **self.terms})
        return check_logs(spec_from_formula(self.formula), [str(path)])


def random_run(seed: int) -> Run:
    rng = np.random.default_rng(seed)
    count, rows = int(rng.integers(2, 13)), int(rng.choice([20, 100, 400]))
    dtype = str(rng.choice(["float32", "float32", "float32", "bfloat16", "float16"]))
    spread = 3.0 if dtype == "float32" else 1.0
    weights = [float(f"{10 ** rng.uniform(-spread, spread):.3g}") for _ in range(count)]
    weights = [-w if rng.random() < 0.1 else w for w in weights]
    decay = 1 / (1 + np.arange(rows) / rows)
    terms = {
        f"t{i}": FORMATS[dtype].nearest(decay * np.exp(rng.normal(-1, 0.3, rows)))
        for i in range(count)
    }
    formula = "loss = " + " + ".join(f"{w}*{t}" for w, t in zip(weights, terms, strict=True))
    return Run(formula.replace("+ -", "- "), weights, terms, dtype, WAYS[seed % len(WAYS)])


@pytest.mark.parametrize("block", range(0, len(SEEDS), 20))
def test_correct_logs_raise_no_error(tmp_path: Path, block: int) -> None:
    verdicts: Counter[Verdict] = Counter()
    for seed in SEEDS[block : block + 20]:
        run = random_run(seed)
        result = run.audited(tmp_path / f"{seed}.log", run.weights)
        assert not [f for f in result.findings if f.severity.value == "error"], seed
        verdicts[result.verdict] += 1
    assert verdicts[Verdict.PASS] >= 15  # the rest is honest: too few digits


@pytest.mark.parametrize("block", range(0, len(SEEDS), 20))
def test_a_weight_changed_by_a_hundredth_fails_where_it_can_be_seen(
    tmp_path: Path, block: int
) -> None:
    seen = 0
    for seed in SEEDS[block : block + 20]:
        run = random_run(seed)
        which = int(np.random.default_rng(seed).integers(len(run.weights)))
        changed = [w * 1.01 if i == which else w for i, w in enumerate(run.weights)]
        right = run.audited(tmp_path / f"{seed}.log", run.weights).witnesses[0].series
        moved = np.abs(run.total(changed) - run.total(run.weights))
        steps = np.array(right.get("step", []), dtype=int)
        visible = bool(np.any(moved[steps] > 2 * np.array(right.get("tolerance", []))))
        result = run.audited(tmp_path / f"{seed}.log", changed)
        if visible:
            assert result.verdict is Verdict.FAIL, (seed, result.reason)
            seen += 1
    assert seen >= 3
