from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lossaudit.audit import check_logs
from lossaudit.comparing import compare_runs
from lossaudit.model.comparison import ComparedTerm, Comparison
from lossaudit.model.finding import Verdict
from lossaudit.model.report import Page
from lossaudit.model.result import Result, Weight
from lossaudit.rendering.comparison import render_comparison
from lossaudit.spec.load import load_spec, spec_from_formula

RUNS = Path(__file__).parent.parent / "fixtures" / "musetalk-tiny" / "runs"


def audited(run: str, file: str = "log.jsonl") -> Result:
    return check_logs(load_spec("musetalk-v1"), [str(RUNS / run / file)])


def test_two_runs_of_one_recipe_optimise_the_same_loss() -> None:
    comparison = compare_runs(audited("main"), audited("resumed"))
    assert comparison.verdict is Verdict.PASS
    assert [t.verdict for t in comparison.terms] == [Verdict.PASS, Verdict.PASS]


@pytest.mark.parametrize("file", ["log.jsonl", "log.txt"])
def test_the_figures_run_is_another_loss_though_its_audit_declared_the_same(file: str) -> None:
    comparison = compare_runs(audited("main"), audited("figure", file))
    assert comparison.verdict is Verdict.FAIL
    assert "`loss_lip`" in comparison.reason


def test_a_run_whose_own_audit_fails_is_never_the_same() -> None:
    comparison = compare_runs(audited("main"), audited("weight-change"))
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert "the second run's own audit is FAIL" in comparison.reason


def test_without_terms_in_the_log_nothing_is_compared() -> None:
    comparison = compare_runs(audited("main", "events-total-only"), audited("main"))
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert comparison.reason == "the first result has no certified weights"


def test_a_term_that_the_other_formula_does_without_tells_the_runs_apart() -> None:
    log = str(RUNS / "main" / "log.jsonl")
    alone = check_logs(spec_from_formula("loss_lip = 1.0*loss_lip2"), [log])
    assert compare_runs(audited("main"), alone).verdict is Verdict.INCONCLUSIVE
    main = audited("main")
    (witness,) = main.witnesses
    fewer = replace(witness, weights={"loss_lip": witness.weights["loss_lip"]})
    comparison = compare_runs(main, replace(main, witnesses=(fewer,)))
    assert comparison.verdict is Verdict.FAIL
    assert comparison.terms[1].second is None


def test_weights_declared_differently_that_no_log_can_tell_are_undecided() -> None:
    main = audited("main")
    (witness,) = main.witnesses
    wide = replace(witness, weights=witness.weights | {"loss_lip": Weight(2.5, 1.0, 3.0)})
    comparison = compare_runs(main, replace(main, witnesses=(wide,)))
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert "declared differently" in comparison.reason


def test_what_the_intervals_say_is_there_on_a_narrow_page() -> None:
    weights = Weight(2.0, 1.99999850123, 2.00000160123), Weight(1.0, 0.99999680123, 1.00000350123)
    says = "no weight fits both runs"
    term = ComparedTerm("loss_lip", *weights, (0.5, 0.5), Verdict.FAIL, says)
    text = render_comparison(
        Comparison(Verdict.FAIL, "they differ", (term,)), ("a.json", "b.json"), Page(80)
    )
    assert "which says" in text
    assert max(map(len, text.splitlines())) <= 80
