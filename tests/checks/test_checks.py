"""Each check speaks on the log that it is for, and is silent on that log's repaired twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from msgspec import Struct
from msgspec.structs import replace

from lossaudit import registry
from lossaudit.closure.check import Check, nothing
from lossaudit.closure.examine import examine
from lossaudit.model.finding import Finding
from lossaudit.model.log import Log
from lossaudit.model.table import Change, Column, Damage, Floats, Table
from lossaudit.spec.load import spec_from_formula
from lossaudit.spec.overrides import override

CHECKS = registry.load("lossaudit.checks", Check)
ROWS = 300
RNG = np.random.default_rng(5)
A = RNG.uniform(0.2, 1.0, ROWS).astype(np.float32).astype(float)
B = RNG.uniform(0.2, 1.0, ROWS).astype(np.float32).astype(float)
STEP = np.arange(ROWS, dtype=float)


def float32(values: Floats) -> Floats:
    return np.asarray(values).astype(np.float32).astype(float)


RIGHT = float32(2 * A + B)


class Case(Struct, frozen=True, dict=True):
    """A log, what is declared of it, and a word that the finding's message must hold."""

    columns: dict[str, Floats]
    says: str
    formula: str = "loss = 2.0*a + b"
    rivals: Sequence[str] = ()
    aggregates: Sequence[str] = ()
    damage: Sequence[Damage] = ()
    changes: Sequence[Change] = ()
    max_share: float | None = None
    accumulation: float | None = None
    ranks: float | None = None
    source: str = "log"


def logged(loss: Floats = RIGHT, **columns: Floats) -> dict[str, Floats]:
    return {"step": STEP, "loss": loss, "a": A, "b": B, **columns}


def edited(values: Floats, at: int, value: float) -> Floats:
    changed = values.copy()
    changed[at] = value
    return changed


def bf16(values: Floats) -> Floats:
    bits = values.astype(np.float32).view(np.uint32) + np.uint32(0x8000)
    return (bits & np.uint32(0xFFFF0000)).view(np.float32).astype(float)


def trailing(values: Floats, window: int) -> Floats:
    padded = np.concatenate([np.full(window - 1, np.nan), values])
    return float32(np.nanmean(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1))


def sampled(count: int, of: int) -> list[Floats]:
    """Some steps of a long run, as TensorBoard chooses them."""
    steps = np.sort(np.random.default_rng(1).choice(of, count, replace=False)).astype(float)
    a, b = (float32(np.random.default_rng(i).uniform(0.2, 1, count)) for i in (2, 3))
    return [steps, float32(2 * a + b), a, b]


SAMPLED = sampled(500, 9000)

SPEAKS: dict[str, Case] = {
    "rival-formula": Case(logged(float32(A + 2 * B)), "rival `fig`", rivals=["fig=a + 2.0*b"]),
    "term-not-in-total": Case(logged(float32(2 * A)), "`b` is logged but not in the total"),
    "swapped-weights": Case(logged(float32(A + 2 * B)), "have changed places"),
    "weighted-or-raw": Case(logged(float32(A + B)), "the logged terms hold their weights already"),
    "formula-mismatch": Case(logged(float32(2 * A + 0.5 * B)), "`b` has weight 0.5, not 1"),
    "double-counted-term": Case(logged(float32(2 * A + 2 * B)), "`b` is counted twice"),
    "hidden-term": Case(logged(float32(RIGHT + 0.25)), "a constant +0.25 is in the total"),
    "weight-changed": Case(
        logged(np.where(STEP < 91, RIGHT, float32(A + B))), "up to step 90 and 1 from step 91 on"
    ),
    "shifted-term": Case(
        logged(float32(2 * A + np.roll(B, 1))), "the total holds `b` of the row before on all 299"
    ),
    "window-mismatch": Case(logged(trailing(RIGHT, 20)), "over the last 20 rows"),
    "accumulation-scale": Case(logged(RIGHT / 8), "the number of accumulation", accumulation=8),
    "rank-scale": Case(logged(RIGHT * 4), "multiplied by 4, the number of ranks", ranks=4),
    "unit-change": Case(logged(float32(RIGHT / np.log(2))), "1 / ln 2 x the formula"),
    "scaled-log": Case(logged(RIGHT / 8), "the total is 0.125 x the formula"),
    "dead-term": Case(logged(float32(2 * A), b=np.zeros(ROWS)), "`b` is 0 on all 300"),
    "nonfinite-values": Case(
        logged(edited(RIGHT, 120, np.nan), b=edited(B, 120, np.nan)), "first at step 120: the total"
    ),
    "display-rounding": Case(
        logged(np.round(RIGHT, 1), a=np.round(A, 1), b=np.round(B, 1)),
        "do not add up as they stand",
    ),
    "dropped-steps": Case(logged(step=np.where(STEP < 50, STEP, STEP + 7)), "7 steps are missing"),
    "sampled-history": Case(
        dict(zip(("step", "loss", "a", "b"), SAMPLED, strict=True)),
        "exactly 500 totals at varying distances",
    ),
    "masked-nonfinite": Case(logged(b=edited(B, 120, np.nan)), "step 120"),
    "not-additive-aggregate": Case(
        logged(), "medians do not add up", aggregates=["loss=median:20"]
    ),
    "value-lattice": Case(
        logged(bf16(bf16(2 * bf16(A)) + bf16(B)), a=bf16(A), b=bf16(B)), "bfloat16"
    ),
    "duplicate-steps": Case(logged(step=STEP // 2), "150 totals repeat an earlier step"),
    "surviving-rival": Case(logged(float32(2 * A), b=np.zeros(ROWS)), "dropping it fits every row"),
    "damaged-input": Case(logged(), "cut", damage=[Damage("cut", "log", 7)]),
    "changed-input": Case(logged(), "was cut", changes=[Change("was cut to 7 bytes", "log")]),
    "low-coverage": Case(logged(b=B[:100]), "only 100 of 300"),
    "assumed-aggregate": Case(
        {"step": STEP, "loss_epoch": RIGHT, "a": A, "b": B},
        "taken for a mean",
        "loss_epoch = 2.0*a + b",
    ),
    "effective-weight": Case(
        {"step": STEP, "a": np.ones(ROWS), "b": np.ones(ROWS)},
        "autograd weighs `a` with 1 on 300 of 300 recorded steps, not with the declared 2",
        source="run/record/weights.jsonl",
    ),
    "dominant-term": Case(logged(), "of the total at the median", max_share=0.5),
}

TWIN = Case(logged(), "", rivals=["fig=a + 2.0*b"], max_share=0.9)


def findings(case: Case) -> list[Finding]:
    columns = {
        t: Column(t, np.asarray(v, float), np.arange(len(v)), "float64")
        for t, v in case.columns.items()
    }
    rows = max(len(v) for v in case.columns.values())
    log = Log.of(Table(case.source, columns, np.arange(1, rows + 1)))
    spec = override(spec_from_formula(case.formula, case.rivals), aggregates=case.aggregates)
    spec = replace(
        spec,
        max_share=case.max_share,
        accumulation_steps=case.accumulation,
        ranks=case.ranks,
    )
    evidence = examine(spec, log, case.damage, case.changes)
    return [f for check in CHECKS.values() for f in check.run(evidence)]


def test_every_check_has_a_case() -> None:
    assert set(SPEAKS) == {n for n, c in CHECKS.items() if c.run is not nothing}


@pytest.mark.parametrize("name", SPEAKS)
def test_check_speaks_on_its_log(name: str) -> None:
    found = [f for f in findings(SPEAKS[name]) if f.check == name]
    assert found
    assert SPEAKS[name].says in found[0].message


@pytest.mark.parametrize("name", SPEAKS)
def test_a_refuting_check_speaks_alone(name: str) -> None:
    errors = [f.check for f in findings(SPEAKS[name]) if CHECKS[f.check].refutes]
    assert errors == ([name] if CHECKS[name].refutes else [])


def test_all_are_silent_on_the_repaired_log() -> None:
    assert findings(TWIN) == []


def test_numbers_in_full_are_not_said_to_be_rounded_by_printing() -> None:
    """Four float32 totals with at most 15 decimals: what is left is the sum's own rounding."""
    total = [4.564111232757568, 4.814755439758301, 4.617729187011719, 5.054980278015137]
    a = [1.1370118856430054, 1.1304726600646973, 0.8658196926116943, 1.3128708600997925]
    b = [1.3318685293197632, 1.4165065288543701, 1.394939661026001, 1.4661816358566284]
    columns = {"loss": np.array(total), "a": np.array(a), "b": np.array(b)}
    found = findings(Case(columns, "", "loss = 0.5*a + 3.0*b", ["s=3.0*a + 0.5*b"]))
    assert [f.check for f in found] == []


def weights(formula: str, **columns: Floats) -> list[str]:
    """What is said of recorded weights."""
    case = Case({"step": STEP, **columns}, "", formula, source="run/record/weights.jsonl")
    return [f.message for f in findings(case)]


def test_recorded_weights_that_are_the_declared_ones_are_silent() -> None:
    tenth = np.full(ROWS, 0.1)
    for values in (float32(tenth), bf16(tenth), tenth.astype(np.float16).astype(float)):
        assert weights("loss = 0.1*a + b", a=values, b=np.ones(ROWS)) == []
    assert weights("loss = a*b + 0.1*a", a=tenth, b=tenth) == []  # no fixed weights
    assert weights("loss = where(step < 5, 1, 2)*a", a=tenth) == []


def test_recorded_weights_tell_a_detached_term_and_one_in_a_thousand() -> None:
    ones = np.ones(ROWS)
    (found,) = weights("loss = 2.0*a + b", a=2 * ones)
    assert "no way from the total to `b` on 300 of 300 recorded steps: it is detached" in found
    (found,) = weights("loss = 2.0*a + b", a=2 * ones, b=ones[:7])
    assert "`b` on 293 of 300 recorded steps" in found
    (found,) = weights("loss = 2.0*a + b", a=edited(2 * ones, 9, 2.002), b=ones)
    assert "`a` with 2.002 on 1 of 300" in found
    (found,) = weights("loss = 2.0*a + b", a=edited(2 * ones, 9, np.nan), b=ones)
    assert "`a` with nan on 1 of 300" in found


@pytest.mark.parametrize("change", [lambda v: v * 1.001, lambda v: v + 0.01, lambda v: -v])
def test_one_wrong_row_is_found_at_its_line(change: Callable[[float], float]) -> None:
    loss = edited(RIGHT, 77, change(float(RIGHT[77])))
    (found,) = findings(replace(TWIN, columns=logged(float32(loss))))
    assert found.check == "formula-mismatch"
    assert found.steps == (77, 77)
    assert found.location is not None
    assert found.location.line == 78


def test_a_sum_in_bfloat16_is_no_hint_where_it_could_not_be_so_far_off() -> None:
    printed = {tag: np.round(values, 4) for tag, values in TWIN.columns.items()}
    found = findings(replace(TWIN, columns=printed, formula="loss = 0*a + 0*b + 3"))
    assert [f.check for f in found if f.severity.value == "error"] == ["formula-mismatch"]
    assert not any("bfloat16" in f.message for f in found)


def test_means_of_half_precision_losses_are_told_how_to_say_so() -> None:
    halves = [
        (bf16(bf16(2 * bf16(A * k)) + bf16(B * k)), bf16(A * k), bf16(B * k)) for k in (1, 0.7, 0.4)
    ]
    loss, a, b = (float32(sum(parts) / 3) for parts in zip(*halves, strict=True))
    found = findings(replace(TWIN, columns=logged(loss, a=a, b=b)))
    assert [f.check for f in found] == ["formula-mismatch"]
    assert "--dtype bfloat16 says so" in found[0].message
    assert (
        "bfloat16" not in findings(replace(TWIN, columns=logged(edited(RIGHT, 7, 1.0))))[0].message
    )


def thinned(total: Floats, every: int = 1, a: Floats = A, b: Floats = B) -> list[str]:
    """What is said of every so manieth row."""
    columns = {"step": STEP, "loss": total, "a": a, "b": b}
    case = replace(TWIN, columns={n: v[::every] for n, v in columns.items()}, rivals=())
    return [f.message for f in findings(case) if f.check == "formula-mismatch"]


SMOOTHED = "it may be a mean over steps or micro-batches that are not logged"


@pytest.mark.parametrize("every", [5, 7])
def test_a_total_that_is_smoothed_between_the_logged_rows_is_a_hint(every: int) -> None:
    (found,) = thinned(trailing(RIGHT, 20), every)
    assert SMOOTHED in found


def test_a_total_that_is_smoothed_beside_falling_terms_is_a_hint() -> None:
    fall = np.exp(-STEP / 100)
    a, b = float32(A * fall), float32(B * fall)
    (found,) = thinned(trailing(float32(2 * a + b), 20), 5, a, b)
    assert SMOOTHED in found


def test_a_smooth_total_above_the_formula_on_every_row_is_no_such_hint() -> None:
    fall = 1 + 20 * np.exp(-STEP / 30)
    a, b = float32(A * fall), float32(B * fall)
    (found,) = thinned(float32(trailing(float32(2 * a + b), 20) + 1.5), 5, a, b)
    assert SMOOTHED not in found


@pytest.mark.parametrize(
    "total",
    [
        float32(2 * A + 1.5 * np.roll(B, 7)),  # no smoother
        float32(RIGHT + RNG.normal(0, 0.2, ROWS)),
        float32(trailing(RIGHT, 20) + 0.3),  # about another level
        float32(1.2 * trailing(RIGHT, 20)),
        edited(RIGHT, 80, 0.1),
        float32(trailing(RIGHT, 20) - (STEP % 4 == 0) * 5),  # now and then far below
    ],
)
def test_a_total_that_is_not_smoothed_is_no_such_hint(total: Floats) -> None:
    for every in (1, 5):
        assert not any(SMOOTHED in said for said in thinned(total, every))
