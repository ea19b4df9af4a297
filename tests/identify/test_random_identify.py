"""Two hundred random trainings, and columns that are no terms: no wrong formula with a PASS."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from lossaudit.closure.identify.columns import Question
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.result import Result
from lossaudit.model.table import Floats

sys.path.insert(0, str(Path(__file__).parent.parent))

from test_random_logs import WAYS, Run, random_run

SEEDS = range(200)
USUAL = [1.0, 1.0, 1.0, 2.0, 0.5, 0.25, 0.1, 5.0, 10.0, 0.3, 1 / 3, -0.5]


def smoothed(values: Floats, decay: float = 0.9) -> Floats:
    """An exponential mean, from the first value on."""
    found = values.copy()
    for i in range(1, len(values)):
        found[i] = decay * found[i - 1] + (1 - decay) * values[i]
    return found


def with_decoys(run: Run, seed: int) -> dict[str, Floats]:
    """The run's columns and some that are no terms, in any order."""
    rng = np.random.default_rng([seed, 1])
    loss = run.total(run.weights)
    rows = np.arange(len(loss))
    decoys = {
        "lr": 1e-4 * (1 - rows / len(loss)),
        "grad_norm": np.exp(rng.normal(0, 0.5, len(loss))),
        "throughput": 1000 + 50 * rng.normal(size=len(loss)),
        "epoch": np.floor(3 * rows / len(loss)),
        "loss_copy": loss,
        "loss_ema": smoothed(loss),
        "t0_smooth": smoothed(run.terms["t0"]),
        "extra": np.exp(rng.normal(-1, 0.3, len(loss))),
        "val_loss": np.exp(rng.normal(-1, 0.3, len(loss))),
    }
    columns = {"loss": loss, **run.terms}
    columns |= {name: values for name, values in decoys.items() if rng.random() < 0.6}
    return {name: columns[name] for name in rng.permutation(list(columns)).tolist()}


def identified(run: Run, columns: dict[str, Floats], path: Path) -> Result:
    run.write(path, columns)
    return identify_logs(Question(), [str(path)])[0]


def assert_right(run: Run, result: Result) -> None:
    """A PASS has the run's own terms, weights and total; nothing is ever called refuted."""
    assert result.verdict is not Verdict.FAIL
    found = result.witnesses[0].identification
    assert found is not None
    if result.verdict is Verdict.PASS:
        assert found.total in ("loss", "loss_copy")
        assert set(found.weights) == set(run.terms), found.formula
        for weight, name in zip(run.weights, run.terms, strict=True):
            assert found.weights[name].low <= weight <= found.weights[name].high
            assert found.weights[name].weight == pytest.approx(weight, rel=1e-9), found.formula


@pytest.mark.parametrize("block", range(0, len(SEEDS), 20))
def test_random_log_is_recovered_or_left_open(tmp_path: Path, block: int) -> None:
    for seed in SEEDS[block : block + 20]:
        run = random_run(seed)
        assert_right(run, identified(run, with_decoys(run, seed), tmp_path / f"{seed}.log"))


def usual_run(seed: int) -> Run:
    """Few terms, weights that people choose, and all digits."""
    rng = np.random.default_rng([seed, 2])
    run = random_run(seed)
    terms = dict(list(run.terms.items())[: int(rng.integers(2, 6))])
    weights = rng.choice(USUAL, len(terms)).tolist()
    return replace(run, terms=terms, weights=weights, write=WAYS[seed % 3])


def test_usual_weights_in_full_digits_are_found(tmp_path: Path) -> None:
    verdicts: Counter[Verdict] = Counter()
    for seed in range(60):
        run = usual_run(seed)
        if run.dtype == "float32":
            result = identified(run, with_decoys(run, seed), tmp_path / f"{seed}.log")
            assert_right(run, result)
            verdicts[result.verdict] += 1
    assert verdicts[Verdict.PASS] >= 0.6 * verdicts.total()
