"""`recompute --rounding unmeasured`: one pass, terms without a bound, and no verdict from them."""

from __future__ import annotations

import dataclasses
import json
from math import inf
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from typer.testing import CliRunner

from lossaudit.audit import recompute
from lossaudit.cli.main import app
from lossaudit.model.decoding import decode_result
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec
from lossaudit.verifying import compare
from lossaudit.witnesses.replay.request import Pair, Request

ROOT = Path(__file__).parent.parent.parent
RUN = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main"
SPEC = load_spec(str(RUN / "lossaudit.yaml"))
PARTS = {"vae": str(RUN / "vae"), "unet_config": str(RUN / "unet" / "config.json")}
WHOLE = replace(
    SPEC,
    terms={**SPEC.terms, "loss_lip": dataclasses.replace(SPEC.terms["loss_lip"], region="whole")},
)
NO_BOUND = (
    "the rounding of the forward pass was not measured, so the recomputed terms have no bound and "
    "no verdict is taken from them"
)


def batch(step: int) -> str:
    return str(RUN / "batches" / f"step-{step:06d}.safetensors")


def replayed(*pairs: tuple[int, int], spec: Spec = SPEC, is_measured: bool = False) -> Result:
    """(checkpoint or 0, step) pairs."""
    chosen = tuple(Pair(str(RUN / f"checkpoint-{c}") if c else "", batch(s)) for c, s in pairs)
    return recompute(spec, Request(chosen, "run", PARTS, measures_rounding=is_measured))


def test_terms_are_given_without_a_bound_and_no_verdict_is_taken() -> None:
    result, bounded = replayed((300, 301)), replayed((300, 301), is_measured=True)
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    assert (result.reason, result.findings) == (NO_BOUND, ())
    (replay,), (other,) = result.witnesses[0].replays, bounded.witnesses[0].replays
    assert (replay.is_bounded, other.is_bounded) == (False, True)
    assert replay.total.value == other.total.value
    assert (replay.total.low, replay.total.high) == (-inf, inf)
    for name, term in replay.terms.items():
        assert (term.value, term.float64) == (other.terms[name].value, other.terms[name].float64)
        assert (term.low, term.high) == (-inf, inf)
    assert replay.agrees is None
    assert [replay.term_agrees(n) for n in replay.terms] == [None, None]


@pytest.mark.parametrize(("spec", "pair"), [(SPEC, (300, 300)), (WHOLE, (300, 301))])
def test_wrong_weights_and_a_wrong_formula_are_not_judged(
    spec: Spec, pair: tuple[int, int]
) -> None:
    result = replayed(pair, spec=spec)
    assert (result.verdict, result.findings) == (Verdict.INCONCLUSIVE, ())
    assert replayed(pair, spec=spec, is_measured=True).findings


def test_stored_tensors_have_no_pass_to_measure_and_are_judged() -> None:
    (replay,) = replayed((0, 301)).witnesses[0].replays
    assert replay.is_bounded
    mixed = replayed((0, 301), (300, 300))
    assert mixed.verdict is Verdict.PASS
    assert mixed.reason.endswith("; 1 more could not be decided")
    assert replayed((0, 301), (300, 300), spec=WHOLE).verdict is Verdict.FAIL


def test_json_says_so_follows_the_schema_and_reads_back() -> None:
    document = replayed((300, 301)).to_dict()
    schema = json.loads((ROOT / "docs/schema/result.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    (stored,) = document["witnesses"][0]["replays"]
    assert stored["bounded"] is False
    assert stored["total"]["low"] == "-Infinity"
    assert stored["total"]["high"] == "Infinity"
    assert decode_result(json.loads(json.dumps(document))).to_dict() == document


def test_other_numbers_without_a_bound_are_no_reproduction() -> None:
    """An interval that holds everything must not excuse a difference."""
    result = replayed((300, 301))
    (witness,) = result.witnesses
    (replay,) = witness.replays
    assert not compare(result, result)
    moved = replace(replay.total, value=replay.total.value * 1.5)
    other = replace(witness, replays=(replace(replay, total=moved),))
    assert any(d.contradicts for d in compare(result, replace(result, witnesses=(other,))))


def command(*more: str) -> tuple[int, str, str]:
    files = [str(RUN / "checkpoint-300"), "-b", batch(301), "-s", str(RUN / "lossaudit.yaml")]
    done = CliRunner().invoke(app, ["recompute", *files, "--device", "cpu", *more])
    return done.exit_code, done.stdout, done.stderr


def test_the_option_leaves_with_3_and_the_report_says_why() -> None:
    code, output, _ = command("--rounding", "unmeasured")
    assert code == 3
    assert NO_BOUND in " ".join(output.replace("│", " ").split())
    assert "no bound" in output
    assert "not logged" not in output
    assert "0.05533799" in output  # in float64: the digits do not depend on a bound
    assert command("--rounding", "measured", "-q")[0] == 0
    assert command("--rounding", "unmeasured", "--allow-inconclusive", "-q")[0] == 0


def test_another_word_is_a_usage_error() -> None:
    code, _, errors = command("--rounding", "none")
    assert code == 2
    assert "expected: measured, unmeasured" in errors
