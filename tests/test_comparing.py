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


def followed(folder: Path, formula: str) -> Result:
    """The audit of a log whose total is 2*lip + lat, both above 0."""
    rows = ["loss,lip,lat,pix"]
    for k in range(1, 60):
        lip, lat = (k * 37 % 101) / 100 + 0.01, (k * 53 % 97) / 100 + 0.01
        rows.append(f"{2 * lip + lat:.2f},{lip:.2f},{lat:.2f},{lip:.2f}")
    log = folder / "log.csv"
    log.write_text("\n".join(rows) + "\n")
    result = check_logs(spec_from_formula(formula), [str(log)])
    assert result.verdict is Verdict.PASS, result.reason
    return result


@pytest.mark.parametrize("formula", ["loss = 2*pix + lat", "loss = 2*abs(lip) + lat"])
def test_one_run_under_two_names_of_a_term_is_no_other_loss(tmp_path: Path, formula: str) -> None:
    first, second = followed(tmp_path, "loss = 2*lip + lat"), followed(tmp_path, formula)
    comparison = compare_runs(first, second)
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert comparison.reason.startswith("it cannot be told: `lip` of the first formula may be `")


def test_a_product_of_terms_that_both_runs_have_is_no_other_name(tmp_path: Path) -> None:
    first = followed(tmp_path, "loss = 2*lip + lat")
    (witness,) = first.witnesses
    squared = {"lip": witness.weights["lip"], "lat*lat": witness.weights["lat"]}
    second = replace(first, witnesses=(replace(witness, weights=squared),))
    comparison = compare_runs(first, second)
    assert comparison.verdict is Verdict.FAIL
    assert comparison.reason.endswith("the weights of `lat`, `lat*lat`")


def test_a_declared_weight_that_its_own_log_refutes_is_not_called_undecidable() -> None:
    main = audited("main")
    wrong = check_logs(
        spec_from_formula("loss = 3*loss_lip + loss_latents"), [str(RUNS / "main" / "log.jsonl")]
    )
    comparison = compare_runs(main, wrong)
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert "the second run's log allows 2, not 3 as declared" in comparison.reason


def test_what_the_intervals_say_is_there_on_a_narrow_page() -> None:
    weights = Weight(2.0, 1.99999850123, 2.00000160123), Weight(1.0, 0.99999680123, 1.00000350123)
    says = "no weight fits both runs"
    term = ComparedTerm("loss_lip", *weights, (0.5, 0.5), Verdict.FAIL, says)
    text = render_comparison(
        Comparison(Verdict.FAIL, "they differ", (term,)), ("a.json", "b.json"), Page(80)
    )
    assert "which says" in text
    assert max(map(len, text.splitlines())) <= 80
