"""Random trainings whose columns were printed each in its own way, and anew after a restart.

A correct log raises no error. One with a wrong weight, without a term or with one row changed never
passes where that moves some total by more than twice what its writing and its sum may have lost.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars
import pytest
from msgspec import Struct

from lossaudit.audit import check_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.model.table import Floats
from lossaudit.numerics.formats import FORMATS, gamma
from lossaudit.spec.load import spec_from_formula
from tests.printed import (
    Print,
    bfloat16_number,
    fixed,
    float16_text,
    keras,
    round_to,
    significant,
)

SEEDS = range(240)
BLOCK = 40

FORMS = ("csv", "json", "parquet")


class Style(Struct, frozen=True):
    """A way of printing, and the digits of which it may lose half a unit."""

    write: Print
    decimals: int = 18
    digits: int = 18
    grid: str = "float64"

    def lost(self, values: Floats, texts: list[str]) -> Floats:
        read = np.array(texts, np.float64)
        decade = np.floor(np.log10(np.where(values == 0, 1.0, np.abs(values))))
        printed = np.maximum(10.0**-self.decimals, 10.0 ** (decade - self.digits + 1))
        stored = np.abs(FORMATS[self.grid].nearest(values) - values)
        return np.maximum(0.5 * printed + stored, np.abs(read - values))


STYLES = [
    *(Style(fixed(d), decimals=d) for d in (2, 4, 6, 8)),
    *(Style(round_to(d), decimals=d) for d in (3, 4, 5, 6)),
    *(Style(significant(s), digits=s) for s in (3, 4, 6, 8)),
    *(Style(repr) for _ in range(3)),
    Style(keras, decimals=4, digits=5),
    Style(float16_text, digits=4, grid="float16"),
    Style(bfloat16_number, grid="bfloat16"),
]


class Run(Struct, frozen=True):
    """One training; arrays of shape (rows,)."""

    weights: list[float]
    terms: list[Floats]
    pieces: list[tuple[int, list[Style]]]
    form: str

    def total(self, weights: list[float]) -> Floats:
        form, total = FORMATS["float32"], np.zeros(len(self.terms[0]))
        for weight, term in zip(weights, self.terms, strict=True):
            total = form.nearest(total + form.nearest(np.float64(np.float32(weight)) * term))
        return total

    def written(self, path: Path, total: Floats) -> Floats:
        """Write a log; what writing it and adding up may have moved each total by."""
        columns = [total, *self.terms]
        texts: list[list[str]] = [[] for _ in columns]
        lost = np.zeros((len(columns), len(total)))
        ends = [at for at, _ in self.pieces[1:]] + [len(total)]
        for (start, styles), end in zip(self.pieces, ends, strict=True):
            for i, (column, style) in enumerate(zip(columns, styles, strict=True)):
                part = column[start:end]
                texts[i] += [style.write(v) for v in part.tolist()]
                lost[i, start:end] = style.lost(part, texts[i][start:end])
        names = ["loss", *(f"t{i}" for i in range(len(self.terms)))]
        _write(path, self.form, dict(zip(names, texts, strict=True)))
        sizes = np.abs(self.weights) @ (np.abs(self.terms) + lost[1:])
        bound = gamma(len(self.terms) + 1, FORMATS["float32"].unit_roundoff) * sizes
        if self.form == "parquet":
            bound = bound + np.abs(total) * 2.0**-24 + sizes * 2.0**-24
        return np.asarray(lost[0] + np.abs(self.weights) @ lost[1:] + bound)

    def audited(self, path: Path) -> Result:
        terms = (f"{w}*t{i}" for i, w in enumerate(self.weights))
        spec = spec_from_formula("loss = " + " + ".join(terms).replace("+ -", "- "))
        return check_logs(spec, [str(path)])


def _write(path: Path, form: str, texts: dict[str, list[str]]) -> None:
    rows = list(zip(*texts.values(), strict=True))
    if form == "csv":
        path.write_text("\n".join([",".join(texts), *map(",".join, rows)]) + "\n")
    elif form == "json":
        numbers = [dict(zip(texts, map(float, row), strict=True)) for row in rows]
        path.write_text("".join(json.dumps(n) + "\n" for n in numbers))
    else:
        columns = {n: np.array(t, np.float64).astype(np.float32) for n, t in texts.items()}
        polars.DataFrame(columns).write_parquet(path)


def random_run(seed: int) -> Run:
    rng = np.random.default_rng(seed)
    count, rows = int(rng.integers(1, 9)), int(rng.choice([5, 20, 60, 150]))
    weights = [float(f"{10 ** rng.uniform(-2, 2):.2g}") for _ in range(count)]
    weights = [-w if rng.random() < 0.1 else w for w in weights]
    fall = np.linspace(0.0, 1.0, rows)
    terms = [
        10 ** rng.uniform(-3, 1) * rng.lognormal(0, 0.3, rows) * 10 ** (-rng.uniform(-2, 4) * fall)
        for _ in range(count)
    ]
    grown = rng.integers(0, count + 1)
    terms = [np.round(fall, 1) if i == grown else t for i, t in enumerate(terms)]
    terms = [FORMATS["float32"].nearest(t) for t in terms]
    alike = rng.random() < 0.6

    def styles() -> list[Style]:
        chosen = rng.integers(len(STYLES), size=count + 1)
        return [STYLES[chosen[0] if alike else i] for i in chosen]

    cut = int(rng.integers(1, rows))
    pieces = [(0, styles()), (cut, styles())] if rng.random() < 0.6 else [(0, styles())]
    return Run(weights, terms, pieces, FORMS[seed % len(FORMS)])


@pytest.mark.parametrize("block", range(0, len(SEEDS), BLOCK))
def test_correct_logs_raise_no_error_however_each_column_was_printed(
    tmp_path: Path, block: int
) -> None:
    verdicts: Counter[Verdict] = Counter()
    for seed in SEEDS[block : block + BLOCK]:
        run = random_run(seed)
        path = tmp_path / f"{seed}.{run.form}"
        run.written(path, run.total(run.weights))
        result = run.audited(path)
        assert not [f.message for f in result.findings if f.severity.value == "error"], seed
        verdicts[result.verdict] += 1
    assert verdicts[Verdict.PASS] >= BLOCK // 2  # the rest is honest: it cannot be told


@pytest.mark.parametrize("block", range(0, len(SEEDS), BLOCK))
def test_wrong_logs_never_pass_where_the_error_can_be_seen(tmp_path: Path, block: int) -> None:
    failed = 0
    for seed in SEEDS[block : block + BLOCK]:
        run, rng = random_run(seed), np.random.default_rng([seed, 1])
        if any(s.grid == "bfloat16" for _, styles in run.pieces for s in styles):
            continue  # a column on its lattice is granted half a step, wherever that came from
        right, weights = run.total(run.weights), list(run.weights)
        which, factor = int(rng.integers(len(weights))), 1 + 10 ** rng.uniform(-2, -0.3)
        if rng.random() < 0.6:
            weights[which] *= factor if rng.random() < 0.7 else 0.0
            total = run.total(weights)
        else:
            total = right.copy()
            total[int(rng.integers(len(total)))] *= factor
        path = tmp_path / f"{seed}.{run.form}"
        tolerance = run.written(path, total)
        if (np.abs(total - right) > 2 * tolerance).any():
            result = run.audited(path)
            assert result.verdict is not Verdict.PASS, (seed, result.reason)
            failed += result.verdict is Verdict.FAIL
    assert failed >= BLOCK // 3
