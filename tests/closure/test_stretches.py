"""A log is judged alike whether it comes whole or in stretches, from memory or from a file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import fields

from lossaudit import registry
from lossaudit.closure.check import Check
from lossaudit.closure.examine import LogEvidence, examine
from lossaudit.closure.verdict import judge
from lossaudit.model.log import Log
from lossaudit.model.table import Column, Floats, Table
from lossaudit.spec.load import spec_from_formula
from lossaudit.spec.overrides import override

CHECKS = registry.load("lossaudit.checks", Check)
ROWS = 700
FORMULAS = [
    ("loss = 2.0*a + b", []),
    ("loss = 2.0*a + where(step < 300, 0, 1)*b", []),
    ("loss = 2.0*a + b", ["loss=mean"]),
    ("loss = 2.0*a + b", ["loss=trailing:7"]),
    ("loss = 2.0*a + b", ["loss=ema:0.9"]),
    ("loss = max(a, b) + w*b", []),
]


def float32(values: Floats) -> Floats:
    return np.asarray(values).astype(np.float32).astype(float)


def columns(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(records, values) of each tag of a random log, right or wrong in one of many ways."""
    rng = np.random.default_rng(seed)
    a, b = (float32(rng.uniform(0.2, 1, ROWS)) for _ in "ab")
    w = np.round(np.minimum(1, np.arange(ROWS) / 500), 3)
    step = np.arange(ROWS) * int(rng.choice([1, 10]))
    total = float32(2 * a + b)
    match seed % 8:
        case 1:
            total[rng.integers(ROWS)] *= 1.01
        case 2:
            total = float32(total + 0.5)
        case 3:
            total[ROWS // 2 :] = float32(a + b)[ROWS // 2 :]
        case 4:
            a[rng.integers(0, ROWS, 5)] = np.nan
        case 5:
            step[400:] -= step[100]
        case 6:
            total, a, b = (np.round(c, 2) for c in (total, a, b))
    found = {"step": step, "loss": total, "a": a, "b": b, "w": w}
    kept = {t: np.arange(ROWS) for t in found}
    if seed % 3 == 0:
        kept["b"] = np.flatnonzero(rng.random(ROWS) < 0.9)
    return {t: (kept[t], np.asarray(v, float)[kept[t]]) for t, v in found.items()}


def log_of(found: dict[str, tuple[np.ndarray, np.ndarray]], cuts: list[int], budget: int) -> Log:
    log = Log("log", budget)
    edges = [0, *sorted(cuts), ROWS]
    for start, stop in pairwise(edges):
        part = {}
        for tag, (records, values) in found.items():
            inside = (records >= start) & (records < stop)
            if inside.any():
                part[tag] = Column(tag, values[inside], records[inside] - start, "float64")
        log.append(Table("log", part, np.arange(start + 1, stop + 1)))
    return log


def without_weights(evidence: LogEvidence) -> dict[str, object]:
    """All that was found, but for what is summed up in another order or thinned otherwise."""
    assert evidence.outcome is not None
    kept = {f.name: getattr(evidence.outcome, f.name) for f in fields(evidence.outcome)}
    for name in ("box", "stretch", "stretches", "correlated", "shares", "series"):
        del kept[name]
    return kept


@pytest.mark.parametrize("seed", range(48))
@pytest.mark.parametrize(("formula", "aggregates"), FORMULAS)
def test_stretches_change_nothing(seed: int, formula: str, aggregates: list[str]) -> None:
    rng = np.random.default_rng(seed)
    spec = override(spec_from_formula(formula, ["a + 2.0*b"]), aggregates=aggregates)
    found = columns(seed)
    whole = examine(spec, log_of(found, [], 1 << 30))
    cuts = rng.integers(0, ROWS, int(rng.integers(1, 6))).tolist()
    parts = examine(spec, log_of(found, cuts, int(rng.choice([0, 1 << 30]))))
    assert judge(parts) == judge(whole)
    assert repr(without_weights(parts)) == repr(without_weights(whole))  # NaN equals no NaN
    assert parts.spacing == whole.spacing
    assert parts.explanations == whole.explanations
    said = [[f for c in CHECKS.values() for f in c.run(e)] for e in (whole, parts)]
    assert repr(said[0]) == repr(said[1])
    for name, share in whole.outcome.shares.items():
        assert parts.outcome.shares[name].mean == pytest.approx(share.mean, rel=1e-12)
    if whole.outcome.box is not None:
        np.testing.assert_allclose(parts.outcome.box.low, whole.outcome.box.low, rtol=1e-9)
