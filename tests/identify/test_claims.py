"""What is claimed, and what is left open, one reason at a time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from lossaudit.closure.identify import one_total
from lossaudit.closure.identify.candidate import GIVEN_UP, Candidate
from lossaudit.closure.identify.columns import Question
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.identification import Identification
from lossaudit.model.result import Result
from lossaudit.model.table import Floats

Columns = dict[str, Floats]


@pytest.fixture
def noise() -> Columns:
    rng = np.random.default_rng(11)
    return {n: np.exp(rng.normal(-1, 0.5, 60)) for n in ("a", "b", "c", "d", "e")}


def ask(folder: Path, columns: Columns, question: Question | None = None) -> Result:
    rows = zip(*(c.tolist() for c in columns.values()), strict=True)
    lines = (json.dumps(dict(zip(columns, r, strict=True))) for r in rows)
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    return identify_logs(question or Question(), [str(folder / "log.jsonl")])[0]


def answer(result: Result) -> Identification:
    found = result.witnesses[0].identification
    assert found is not None
    return found


def test_weights_of_any_sign_and_ratios_are_found(tmp_path: Path, noise: Columns) -> None:
    total = noise["a"] / 3 - 0.25 * noise["b"] + 1e-3 * noise["c"]
    result = ask(tmp_path, {"loss": total, **noise})
    assert answer(result).formula == "loss = 1/3*a + 0.001*c - 0.25*b"
    assert result.verdict is Verdict.PASS


def test_term_that_rounding_hides_is_said(tmp_path: Path, noise: Columns) -> None:
    columns = {n: np.round(v, 3) for n, v in noise.items()}
    total = np.round(noise["a"] + noise["b"] + 1e-3 * noise["c"], 3)
    result = ask(tmp_path, {"loss": total, **columns})
    assert result.verdict is Verdict.INCONCLUSIVE


def test_column_that_may_be_in_it_is_a_runner_up(tmp_path: Path, noise: Columns) -> None:
    total = noise["a"] + 2 * noise["b"]
    result = ask(tmp_path, {"loss": total, "a": noise["a"], "b": noise["b"], "tiny": noise["c"]})
    assert result.verdict is Verdict.PASS
    small = noise["c"] * 1e-9
    result = ask(tmp_path, {"loss": total, "a": noise["a"], "b": noise["b"], "tiny": small})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == "loss: the rows do not show whether `tiny` is in it too"
    assert "loss = a + 2*b + w*tiny" in [r.formula for r in answer(result).runners_up]


def test_copies_of_the_total_are_named(tmp_path: Path, noise: Columns) -> None:
    total = noise["a"] + 2 * noise["b"]
    columns = {"loss": total, "train/loss": total, "a": noise["a"], "b": noise["b"]}
    result = ask(tmp_path, columns)
    assert (result.verdict, answer(result).formula) == (Verdict.PASS, "loss = a + 2*b")
    said = {r.formula: r.reason for r in answer(result).runners_up}
    assert said["`train/loss`"] == "repeats the total `loss`"


@pytest.mark.parametrize("weights", [(1, 1), (0.3, 0.7), (2, 0), (0.001, 0.001), (1, 0)])
def test_weight_that_twins_may_share_is_left_open(
    tmp_path: Path, noise: Columns, weights: tuple[float, float]
) -> None:
    total = weights[0] * noise["a"] + weights[1] * noise["a"] + noise["b"]
    columns = {"loss": total, "critic1": noise["a"], "critic2": noise["a"], "policy": noise["b"]}
    result = ask(tmp_path, columns)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "`critic2` holds the same numbers as `critic1`" in result.reason
    assert "the weight may be split between them" in result.reason
    settled = ask(tmp_path, columns, Question(without=("critic2",)))
    assert settled.verdict is Verdict.PASS


@pytest.mark.parametrize("scale", [-1.0, 2.0, 0.5, 3.0])
def test_weight_that_a_multiple_may_share_is_left_open(
    tmp_path: Path, noise: Columns, scale: float
) -> None:
    total = 2 * noise["a"] + noise["b"]
    columns = {"loss": total, "a": noise["a"], "a2": scale * noise["a"], "b": noise["b"]}
    assert ask(tmp_path, columns).verdict is Verdict.INCONCLUSIVE
    shifted = {**columns, "a2": noise["a"] + 0.25, "c": np.full(60, 0.5)}
    assert ask(tmp_path, shifted).verdict is Verdict.INCONCLUSIVE


def test_term_that_is_logged_twice_under_one_name_counts_once(
    tmp_path: Path, noise: Columns
) -> None:
    total = noise["a"] + 2 * noise["b"]
    columns = {"loss": total, "train/kl": noise["a"], "kl": noise["a"], "b": noise["b"]}
    result = ask(tmp_path, columns)
    assert (result.verdict, answer(result).formula) == (Verdict.PASS, "loss = `train/kl` + 2*b")
    said = {r.formula: r.reason for r in answer(result).runners_up}
    assert said["loss = kl + 2*b"] == "`kl` holds the same numbers as `train/kl`"


@pytest.mark.parametrize("pair", [("val/kl", "train/kl"), ("kl'", "kl"), ("KL", "kl"), ("ü", "é")])
def test_other_names_are_other_terms(tmp_path: Path, noise: Columns, pair: tuple[str, str]) -> None:
    columns = {"loss": 2 * noise["a"] + noise["b"], **dict.fromkeys(pair, noise["a"])}
    assert ask(tmp_path, {**columns, "b": noise["b"]}).verdict is Verdict.INCONCLUSIVE


def test_column_that_is_always_zero_leaves_it_open(tmp_path: Path, noise: Columns) -> None:
    total = noise["a"] + 2 * noise["b"]
    columns = {"loss": total, "a": noise["a"], "b": noise["b"], "gan_loss": np.zeros(60)}
    result = ask(tmp_path, columns)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "`gan_loss` is 0 on every row" in result.reason
    assert "loss = a + 2*b + w*gan_loss" in [r.formula for r in answer(result).runners_up]
    settled = ask(tmp_path, columns, Question(without=("gan_loss",)))
    assert (settled.verdict, answer(settled).formula) == (Verdict.PASS, "loss = a + 2*b")


@pytest.mark.parametrize("tag", ["kl_step", "it's", "num_kl"])
def test_word_that_counts_bars_only_columns_that_count(
    tmp_path: Path, noise: Columns, tag: str
) -> None:
    columns = {"loss": noise["a"] + 2 * noise["b"], tag: noise["a"], "b": noise["b"]}
    result = ask(tmp_path, columns)
    assert (result.verdict, set(answer(result).weights)) == (Verdict.PASS, {tag, "b"})
    counted = ask(tmp_path, {"loss": noise["c"], tag: np.arange(60), "b": noise["b"]})
    assert answer(counted).left_out == {tag: "by its name it is no term"}


def test_formula_that_a_row_refutes_is_written_nowhere(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = np.exp(rng.normal(-1, 0.5, (2, 20_000)))
    total = a + 2 * b
    total[10_001] *= 1.01
    ask(tmp_path, {"loss": total, "a": a, "b": b})
    assert identify_logs(Question(), [str(tmp_path / "log.jsonl")])[1] is None


def test_two_totals_with_formulas_of_their_own_are_left_open(
    tmp_path: Path, noise: Columns
) -> None:
    columns = {
        "g_loss": noise["a"] + noise["b"],
        "d_loss": noise["c"] + 2 * noise["d"],
        **noise,
    }
    result = ask(tmp_path, columns)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason.endswith("both hold; --total says which is meant")
    chosen = ask(tmp_path, columns, Question("d_loss"))
    assert (chosen.verdict, answer(chosen).formula) == (Verdict.PASS, "d_loss = c + 2*d")


def test_learning_rate_is_no_term_however_well_it_fits(tmp_path: Path, noise: Columns) -> None:
    columns = {"loss": noise["a"] + noise["b"], "a": noise["a"], "lr": noise["b"]}
    result = ask(tmp_path, columns)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "which by its name is no term" in result.reason
    assert answer(result).formula == "loss = a + lr"


def test_learning_rate_that_never_changes_makes_no_room_for_a_formula(
    tmp_path: Path, noise: Columns
) -> None:
    falling = np.linspace(9, 0.5, 60)
    a, b = ((falling + noise["a"]).astype(np.float32), (1 + 0.3 * noise["b"]).astype(np.float32))
    late = np.concatenate([b[:1], b[:-1]])  # logged one step too late
    columns = {"loss": a + b, "a": a, "b": late}
    without = ask(tmp_path, columns)
    result = ask(tmp_path, {**columns, "lr": np.full(60, 0.01)})
    assert result.reason == without.reason
    assert result.reason.startswith("loss: no weighted sum of 2 columns gives it on every row")
    assert answer(result).formula == ""


def test_constant_that_is_no_column_is_said(tmp_path: Path, noise: Columns) -> None:
    total = noise["a"] + noise["b"] + 0.5
    result = ask(tmp_path, {"loss": total, "a": noise["a"], "b": noise["b"]})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "only with a constant added" in result.reason


def test_one_row_that_differs_outside_the_sample_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = np.exp(rng.normal(-1, 0.5, (2, 20_000)))
    total = a + 2 * b
    total[10_001] *= 1.01
    result = ask(tmp_path, {"loss": total, "a": a, "b": b})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == "loss = a + 2*b fits most rows, but 1 of 20,000 rows refute it"


def test_long_log_is_certified_on_all_its_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = np.exp(rng.normal(-1, 0.5, (2, 20_000)))
    result = ask(tmp_path, {"loss": a + 2 * b, "a": a, "b": b})
    assert result.verdict is Verdict.PASS
    assert result.witnesses[0].decided == 20_000


def test_few_of_many_columns_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    columns = {f"m{i}": np.exp(rng.normal(-1, 0.5, 400)) for i in range(150)}
    total = columns["m7"] + 0.5 * columns["m70"] + 2 * columns["m149"]
    result = ask(tmp_path, {"loss": total, **columns})
    formula = "loss = m7 + 0.5*m70 + 2*m149"
    assert (result.verdict, answer(result).formula) == (Verdict.PASS, formula)


def test_more_columns_than_rows_are_left_open(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    columns = {f"m{i}": np.exp(rng.normal(-1, 0.5, 40)) for i in range(60)}
    total = columns["m7"] + 0.5 * columns["m40"]
    result = ask(tmp_path, {"loss": total, **columns})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert answer(result).formula == "loss = m7 + 0.5*m40"
    assert "40 rows cannot tell 60 columns apart" in result.reason


def test_declared_mean_widens_the_tolerance(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    steps = np.exp(rng.normal(-1, 0.5, (2, 100, 50))).astype(np.float32)
    a, b = (np.cumsum(s, axis=1, dtype=np.float32)[:, -1] / np.float32(50) for s in steps)
    added = (steps[0] + np.float32(2) * steps[1]).astype(np.float32)
    total = np.cumsum(added, axis=1, dtype=np.float32)[:, -1] / np.float32(50)
    columns = {"loss": total.astype(float), "a": a.astype(float), "b": b.astype(float)}
    assert ask(tmp_path, columns).verdict is Verdict.INCONCLUSIVE
    result = ask(tmp_path, columns, Question(aggregates={"loss": "mean:50"}))
    assert (result.verdict, answer(result).formula) == (Verdict.PASS, "loss = a + 2*b")


def test_empty_and_missing_columns_say_so(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
    result = identify_logs(Question(), [str(tmp_path / "log.jsonl")])[0]
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no column is called a loss or a total: the log has `step`; " in result.reason
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n')
    result = identify_logs(Question(), [str(tmp_path / "log.jsonl")])[0]
    assert result.reason == "loss: no other column could be a term"


def test_weights_that_change_are_told_stretch_by_stretch(tmp_path: Path, noise: Columns) -> None:
    late = np.arange(60) >= 25
    total = noise["a"] + np.where(late, 2.0, 0.5) * noise["b"]
    result = ask(tmp_path, {"loss": total, "a": noise["a"], "b": noise["b"]})
    assert result.reason == (
        "loss: no formula fits every row: up to row 25 it is a + 0.5*b, and then, up to row 60,"
        " a + 2*b"
    )


def test_trailing_mean_names_the_option_that_decides(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    a, b = np.exp(rng.normal(-1, 0.5, (2, 300)))
    steps = a + 2 * b
    total = np.array([steps[max(0, i - 9) : i + 1].mean() for i in range(300)])
    columns = {"loss": total, "a": a, "b": b}
    result = ask(tmp_path, columns)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == (
        "loss: it is the mean of a + 2*b over the last 10 rows;"
        " --aggregate loss=trailing:10 would decide"
    )
    decided = ask(tmp_path, columns, Question(aggregates={"loss": "trailing:10"}))
    assert (decided.verdict, answer(decided).formula) == (Verdict.PASS, "loss = a + 2*b")


def test_exponential_mean_is_told_with_its_decay(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    a, b = np.exp(rng.normal(-1, 0.5, (2, 300)))
    total = a + 2 * b
    for i in range(1, 300):
        total[i] = 0.9 * total[i - 1] + 0.1 * total[i]
    result = ask(tmp_path, {"loss": total, "a": a, "b": b})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "an exponential mean, with decay 0.9, of a + 2*b" in result.reason


def rounded_columns(count: int, rows: int) -> Columns:
    """A total of a dozen columns, all in four decimals."""
    rng = np.random.default_rng(3)
    terms = {f"m{i}": np.exp(rng.normal(-1, 0.5, rows)) for i in range(count)}
    columns = {"loss": sum(list(terms.values())[:12], np.zeros(rows)), **terms}
    return {name: np.round(values, 4) for name, values in columns.items()}


FOUND = "loss = m7 + 0.5*m20"


def test_search_that_costs_too_much_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    columns = {f"m{i}": np.exp(rng.normal(-1, 0.5, 300)) for i in range(30)}
    columns["loss"] = columns["m7"] + 0.5 * columns["m20"]

    def found(effort: float) -> tuple[Verdict, bool, str]:
        monkeypatch.setattr(one_total, "MOST_EFFORT", effort)
        result = ask(tmp_path, columns)
        return result.verdict, result.reason == f"loss: {GIVEN_UP}", answer(result).formula

    too_early, in_time = (Verdict.INCONCLUSIVE, True, ""), (Verdict.PASS, False, FOUND)
    low, high = 10.0**5.8, 10.0**6.8
    assert (found(low), found(high)) == (too_early, in_time)
    while (between := found(middle := (low * high) ** 0.5)) in (too_early, in_time):
        low, high = (middle, high) if between == too_early else (low, middle)
        assert high / low > 1.001, "there is nothing between"
    assert between == (Verdict.INCONCLUSIVE, True, FOUND)


def test_rest_is_said_of_a_search_that_is_given_up(
    tmp_path: Path, noise: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"loss": noise["a"] + noise["b"], "total_loss": noise["c"] * noise["d"], **noise}
    assert ask(tmp_path, columns).verdict is Verdict.PASS

    def given_up(search: one_total.Search, total: str) -> Candidate:
        return Candidate(total, GIVEN_UP, given_up=True) if total != "loss" else look(search, total)

    look = one_total.look_at
    monkeypatch.setattr("lossaudit.closure.identify.identify.look_at", given_up)
    result = ask(tmp_path, columns)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == f"loss = a + b holds, but of total_loss: {GIVEN_UP}"


@pytest.mark.parametrize(("count", "rows"), [(60, 2000), (150, 2000), (190, 1500)])
def test_many_rounded_columns_are_answered_in_seconds(
    tmp_path: Path, count: int, rows: int
) -> None:
    columns = rounded_columns(count, rows)
    start = time.process_time()
    assert ask(tmp_path, columns).verdict is Verdict.INCONCLUSIVE
    assert time.process_time() - start < 10


def test_columns_that_nobody_looked_at_leave_it_open(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    columns = {f"m{i}": np.exp(rng.normal(-1, 0.5, 400)) for i in range(203)}
    result = ask(tmp_path, {"loss": columns["m7"] + 0.5 * columns["m70"], **columns})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason.startswith("loss: 3 more columns were not looked at")


def test_a_total_without_a_formula_is_still_counted_and_its_digits_told(
    tmp_path: Path, noise: Columns
) -> None:
    columns = {"loss": noise["a"].round(4), "b": noise["b"], "c": noise["c"]}
    witness = ask(tmp_path, columns).witnesses[0]
    assert answer(ask(tmp_path, columns)).formula == ""
    assert (witness.rows, witness.decided, witness.total_tag) == (60, 0, "loss")
    assert witness.resolution == {"loss": "4 decimals"}
