"""A total that belongs to terms of a neighbouring row: named where the rows show it, else not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossaudit.audit import check_logs
from lossaudit.model.finding import Finding, Verdict
from lossaudit.model.result import Result
from lossaudit.model.table import Floats, Ints
from lossaudit.spec.load import spec_from_formula

Terms = dict[str, Floats]
WEIGHTS = {"a": 0.25, "b": 1.0, "c": 0.5}
FORMULA = "loss = 0.25*a + b + 0.5*c"


def drawn(seed: int, rows: int = 60) -> Terms:
    """Terms of an optimisation: they fall, and jump about."""
    rng = np.random.default_rng(seed)
    fall = np.exp(-np.arange(rows) / rows)
    return {n: fall * rng.lognormal(0, 0.3, rows) * 10 ** rng.uniform(-1, 0.5) for n in WEIGHTS}


def moved(terms: Terms, names: str, by: int) -> Terms:
    """The terms that a total holds: `by` -1 takes the named ones from the row before."""
    return {n: np.roll(v, -by) if n in names else v for n, v in terms.items()}


def weighted(terms: Terms) -> Floats:
    return np.asarray(sum(WEIGHTS[n] * v for n, v in terms.items()))


def audit(
    folder: Path,
    terms: Terms,
    total: Floats,
    written: str = ".7g",
    steps: Ints | None = None,
    formula: str = FORMULA,
) -> Result:
    log, columns = folder / "log.jsonl", {"loss": total, **terms}
    with log.open("w") as lines:
        for row, step in enumerate(np.arange(len(total)) if steps is None else steps):
            numbers = (f'"{n}": {format(v[row], written)}' for n, v in columns.items())
            place = f'"step": {step}, ' if step >= 0 else ""
            lines.write(f"{{{place}{', '.join(numbers)}}}\n")
    return check_logs(spec_from_formula(formula), [str(log)])


def named(result: Result) -> Finding | None:
    return next((f for f in result.findings if f.check == "shifted-term"), None)


@pytest.mark.parametrize("written", [".3f", ".4f", ".4g", ".7g"])
@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_one_term_of_another_row_is_named(tmp_path: Path, name: str, by: int, written: str) -> None:
    terms = drawn(1)
    result = audit(tmp_path, terms, weighted(moved(terms, name, by)), written)
    found = named(result)
    assert result.verdict is Verdict.FAIL
    assert found is not None
    assert found.message.startswith(
        f"the total holds `{name}` of the row {'before' if by < 0 else 'after'} on all 59 rows"
    )
    assert (found.evidence["terms"], found.evidence["rows"]) == (name, by)
    assert found.evidence["also"] == []


@pytest.mark.parametrize("by", [-1, 1])
def test_all_terms_of_another_row_leave_the_formula_open(tmp_path: Path, by: int) -> None:
    terms = drawn(2)
    result = audit(tmp_path, terms, weighted(moved(terms, "abc", by)))
    found = named(result)
    assert found is not None
    assert result.verdict is Verdict.INCONCLUSIVE
    assert int(result.exit_code) == 1  # an error is found
    assert "the total is the formula of the terms of the row" in found.message
    assert found.evidence["terms"] == "all"


def test_the_only_term_is_all_of_them(tmp_path: Path) -> None:
    terms = {"a": drawn(3)["a"]}
    result = audit(tmp_path, terms, 2 * np.roll(terms["a"], 1), formula="loss = 2*a")
    found = named(result)
    assert found is not None
    assert found.evidence["terms"] == "all"
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_schedule_goes_with_all_terms(tmp_path: Path) -> None:
    terms = drawn(4)
    weight = np.where(np.arange(60) < 30, 1.0, 0.5)
    total = np.roll(0.25 * terms["a"] + weight * terms["b"], 1)
    formula = "loss = 0.25*a + where(step < 30, 1, 0.5)*b"
    found = named(audit(tmp_path, terms, total, formula=formula))
    assert found is not None
    assert found.evidence["terms"] == "all"


# Neighbours ---------------------------------------------------------------------------------------


def test_steps_ten_apart_are_neighbours(tmp_path: Path) -> None:
    terms = drawn(5)
    total = weighted(moved(terms, "b", -1))
    assert named(audit(tmp_path, terms, total, steps=10 * np.arange(60))) is not None


def test_a_log_without_steps_has_neighbours(tmp_path: Path) -> None:
    terms = drawn(5)
    total = weighted(moved(terms, "b", -1))
    assert named(audit(tmp_path, terms, total, steps=np.full(60, -1))) is not None


@pytest.mark.parametrize("steps", ["gap", "restart", "repeated"])
def test_rows_without_a_neighbour_are_not_put_to_it(tmp_path: Path, steps: str) -> None:
    """After a gap, a restart or a repeated step the row before is not the step before."""
    terms = drawn(6)
    held = moved(terms, "b", -1)
    held["b"][30] = 7.0  # what was the step before's is not in the log
    numbers = {
        "gap": np.where(np.arange(60) < 30, np.arange(60), np.arange(60) + 5),
        "restart": np.where(np.arange(60) < 30, np.arange(60), np.arange(60) - 9),
        "repeated": np.where(np.arange(60) < 30, np.arange(60), np.arange(60) - 1),
    }
    found = named(audit(tmp_path, terms, weighted(held), steps=numbers[steps]))
    assert found is not None
    assert found.evidence["judged"] == 58
    unbroken = named(audit(tmp_path, terms, weighted(held)))
    assert unbroken is None


def test_too_many_rows_without_a_neighbour_show_nothing(tmp_path: Path) -> None:
    terms = drawn(7)
    steps = np.arange(60) + 3 * (np.arange(60) // 5)
    total = weighted(moved(terms, "b", -1))
    assert named(audit(tmp_path, terms, total, steps=steps)) is None


def test_blocks_of_a_long_log_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossaudit.closure.rows.BLOCK", 7)
    for by in (-1, 1):
        terms = drawn(8)
        found = named(audit(tmp_path, terms, weighted(moved(terms, "c", by))))
        assert found is not None
        assert (found.evidence["judged"], found.evidence["unexplained"]) == (59, 0)


def test_a_nan_is_no_neighbour(tmp_path: Path) -> None:
    terms = drawn(9)
    total = weighted(moved(terms, "b", -1))
    terms["b"][20] = np.nan
    total[20] = total[21] = np.nan
    log = tmp_path / "log.csv"
    rows = np.column_stack([np.arange(60), total, *terms.values()])
    np.savetxt(log, rows, "%.8g", ",", header="step,loss,a,b,c", comments="")
    found = named(check_logs(spec_from_formula(FORMULA), [str(log)]))
    assert found is not None
    assert found.evidence["judged"] == 57


# What is no shift ---------------------------------------------------------------------------------


def test_one_row_that_neither_follows_makes_it_a_mismatch(tmp_path: Path) -> None:
    terms = drawn(10)
    total = weighted(moved(terms, "b", -1))
    total[40] *= 1.01
    result = audit(tmp_path, terms, total)
    assert named(result) is None
    assert result.verdict is Verdict.FAIL


WRONG: dict[str, Callable[[Terms], Floats]] = {
    "constant": lambda t: weighted(t) + 0.37,
    "factor": lambda t: 1.5 * weighted(t),
    "odd row": lambda t: weighted(t) + np.where(np.arange(60) == 30, 0.5, 0),
    "doubled": lambda t: weighted(t) + t["b"],
    "missing": lambda t: weighted(t) - 0.5 * t["c"],
    "noise": lambda t: weighted(t) + np.random.default_rng(0).normal(0, 0.01, 60),
    "mean of two": lambda t: 0.5 * (weighted(t) + np.roll(weighted(t), 1)),
    "two rows before": lambda t: weighted(moved(t, "b", -2)),
    "changed": lambda t: weighted(t) * np.where(np.arange(60) < 30, 1, 0.9),
    "penalty": lambda t: weighted(t) + 0.3 * np.exp(-np.arange(60) / 40),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("written", [".1f", ".2f", ".3f", ".3g", ".7g"])
@pytest.mark.parametrize("seed", range(3))
def test_other_defects_are_no_shift(tmp_path: Path, wrong: str, written: str, seed: int) -> None:
    terms = drawn(seed)
    assert named(audit(tmp_path, terms, WRONG[wrong](terms), written)) is None


@pytest.mark.parametrize("written", [".1f", ".2f", ".4f", ".3g", ".7g"])
@pytest.mark.parametrize("seed", range(3))
def test_a_right_log_passes_whatever_its_neighbours_say(
    tmp_path: Path, written: str, seed: int
) -> None:
    """Terms that hardly move: each row follows the formula of its neighbour's terms as well."""
    terms = {n: v[:1] * np.linspace(1, 0.999, 60) for n, v in drawn(seed).items()}
    result = audit(tmp_path, terms, weighted(terms), written)
    assert named(result) is None
    assert result.verdict is not Verdict.FAIL


@given(st.integers(0, 10_000), st.sampled_from([".1f", ".2f", ".3f", ".2g", ".3g"]))
@settings(max_examples=40)
def test_coarse_digits_of_a_wrong_weight_are_no_shift(
    tmp_path_factory: pytest.TempPathFactory, seed: int, written: str
) -> None:
    terms = drawn(seed, 40)
    total = weighted(terms) + 0.1 * np.random.default_rng(seed).uniform(0.2, 1) * terms["b"]
    found = named(audit(tmp_path_factory.mktemp("log"), terms, total, written))
    assert found is None


@pytest.mark.parametrize(("jumps", "is_named"), [(9, False), (10, True)])
def test_ten_refuted_rows_show_it(tmp_path: Path, jumps: int, is_named: bool) -> None:
    terms = drawn(12, 90)
    terms["b"] = 1.2345678 + 1.0765432 * np.minimum((np.arange(90) + 5) // 8, jumps)
    total = weighted(moved(terms, "b", -1))
    total[0] = weighted(terms)[0]
    result = audit(tmp_path, terms, total)
    assert (named(result) is not None) == is_named
    assert result.witnesses[0].violations == jumps


@pytest.mark.parametrize(("jumps", "is_named"), [(12, False), (80, True)])
def test_rows_that_nearly_close_count_for_less(tmp_path: Path, jumps: int, is_named: bool) -> None:
    """Each row that refutes is 1.7 times beyond its tolerance: what it says is worth 0.8 bits."""
    terms = {n: np.round(v, 1) for n, v in drawn(13, 90).items()}
    terms["b"] = 2.0 + 0.3 * (np.arange(90) % 2) * (np.arange(90) <= jumps)
    total = weighted(moved(terms, "b", -1))
    total[0] = weighted(terms)[0]
    result = audit(tmp_path, terms, total, ".1f")
    assert result.verdict is Verdict.FAIL
    assert (named(result) is not None) == is_named


def decaying(seed: int) -> tuple[Terms, Floats]:
    """A term that falls by the same factor in every row: its row before is another weight."""
    terms = drawn(seed)
    terms["b"] = 3 * 0.98 ** np.arange(60.0)
    return terms, weighted(terms) + terms["b"] * (1 / 0.98 - 1)


def test_a_weight_that_fits_as_well_goes_first_and_the_headline_names_both(tmp_path: Path) -> None:
    result = audit(tmp_path, *decaying(11), ".4f")
    both = "it fits as well that the total holds `b` of the row before on all 59 rows that have one"
    (found,) = (f for f in result.findings if f.check == "formula-mismatch")
    assert result.reason.startswith(f"`b` has weight 1.0204, not 1; {both}: ")
    assert found.message.endswith(f"all rows follow 0.25*a + 1.0204*b + 0.5*c; {both}")
    assert found.evidence["also"] == [{"check": "shifted-term", "formula": ""}]
    assert named(result) is None
    assert result.verdict is Verdict.FAIL


def test_all_terms_of_another_row_leave_it_open_whatever_weights_fit(tmp_path: Path) -> None:
    rates = {"a": 0.9, "b": 0.95, "c": 0.98}
    terms = {n: v[0] * rates[n] ** np.arange(60.0) for n, v in drawn(14).items()}
    result = audit(tmp_path, terms, weighted({n: v / rates[n] for n, v in terms.items()}))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason.startswith("the total is the formula of the terms of the row before on")
    assert "; it fits as well that `a` has weight " in result.reason


# Rows without a neighbour that refute -------------------------------------------------------------


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("odd", [1, 9])
@pytest.mark.parametrize("ends_refute", [True, False])
def test_totals_that_the_shift_of_all_terms_does_not_explain_refute(
    tmp_path: Path, by: int, odd: int, ends_refute: bool
) -> None:
    terms, last = drawn(15, 120), 119 - odd
    total = weighted(moved(terms, "abc", by))
    steps = np.concatenate([np.arange(last + 1), 1000 * np.arange(1, odd + 1)])
    total[last + 1 :] = 50.0
    for end in (0, last):
        alone = (by < 0) == (end == 0)
        if alone:
            total[end] = 60.0 if ends_refute else weighted(terms)[end]
    result = audit(tmp_path, terms, total, steps=steps)
    found = named(result)
    assert result.verdict is Verdict.FAIL
    assert found is not None
    assert found.evidence["unexplained"] == odd
    assert found.steps == ((1, last) if by < 0 else (0, last - 1))
    rows = "1 refuting row has" if odd == 1 else f"{odd} refuting rows have"
    assert f"; {rows} no neighbour and stay" in found.message
    assert f"; {rows} no neighbour and stay" in result.reason
