"""A weight that is a column of the log, in a formula whose terms are recomputed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lossaudit.audit import audit, recompute
from lossaudit.errors import UsageError
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.spec.load import load_spec
from lossaudit.spec.logged_weights import logged_weights
from lossaudit.witnesses.replay.request import Pair, Request

SPEC = """
name: warmed-up
formula: {formula}
terms:
  recon: {{kind: l1, prediction: painted, target: image}}
  code: {{kind: mse, prediction: told, target: meant}}
rivals:
  unweighted: recon + code
log: {{total: loss}}
"""
WEIGHTS = (0.25, 0.5, 0.75)


def run(
    folder: Path, logged: Sequence[float | None] = WEIGHTS, formula: str = "warmup*recon + code"
) -> Path:
    """Three steps trained with WEIGHTS, whose log says `logged` of them."""
    generator = torch.Generator().manual_seed(7)
    (folder / "batches").mkdir()
    (folder / "lossaudit.yaml").write_text(SPEC.format(formula=formula))
    lines = []
    for step, weight in enumerate(WEIGHTS, start=1):
        shape = {"painted": (2, 8), "image": (2, 8), "told": (2, 4), "meant": (2, 4)}
        tensors = {n: torch.rand(s, generator=generator) for n, s in shape.items()}
        recon = torch.nn.functional.l1_loss(tensors["painted"], tensors["image"])
        code = torch.nn.functional.mse_loss(tensors["told"], tensors["meant"])
        total = (weight * recon + code).item()
        meta = {"step": str(step), "total": repr(total), "dtype": "float32"}
        save_file(tensors, folder / "batches" / f"step-{step:06d}.safetensors", meta)
        line = {"step": step, "loss": total, "warmup": logged[step - 1]}
        lines.append(json.dumps({k: v for k, v in line.items() if v is not None}))
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def replayed(folder: Path, *logs: str) -> Result:
    pairs = tuple(Pair("", str(p)) for p in sorted((folder / "batches").iterdir()))
    spec = load_spec(str(folder / "lossaudit.yaml"))
    return recompute(spec, Request(pairs, "batches"), [str(folder / log) for log in logs])


def test_the_weight_of_each_step_is_that_of_its_row(tmp_path: Path) -> None:
    result = replayed(run(tmp_path), "log.jsonl")
    assert (result.verdict, result.exit_code) == (Verdict.PASS, ExitCode.PASS), result.reason
    assert [r.given["warmup"].value for r in result.witnesses[0].replays] == list(WEIGHTS)
    assert result.witnesses[0].decided == 3


def test_a_wrong_weight_fails(tmp_path: Path) -> None:
    result = replayed(run(tmp_path, (0.25, 0.5, 0.65)), "log.jsonl")
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, ExitCode.FINDING)
    assert "1 of 3 replayed steps refute the formula, from step 3" in result.reason


def test_a_weight_that_is_right_only_if_it_was_rounded_coarsely_decides_nothing(
    tmp_path: Path,
) -> None:
    """0.7 beside 0.25 is 0.7, unless the last row was written with one decimal."""
    result = replayed(run(tmp_path, (0.25, 0.5, 0.7)), "log.jsonl")
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    assert result.reason.startswith("1 of 3 replayed steps closes only if the total or a weight")


def test_a_weight_in_few_digits_is_as_wide_as_these_leave_it(tmp_path: Path) -> None:
    """Written as %.1f writes 0.25, 0.5 and 0.75."""
    result = replayed(run(tmp_path, (0.2, 0.5, 0.8)), "log.jsonl")
    assert result.verdict is Verdict.PASS, result.reason
    (first, *_) = result.witnesses[0].replays
    assert 0.1 <= first.given["warmup"].high - first.given["warmup"].low < 0.11


def test_audit_takes_it_from_the_run_s_log(tmp_path: Path) -> None:
    result = audit(str(run(tmp_path)))
    verdicts = {w.kind: w.verdict for w in result.witnesses}
    assert verdicts == {"log": Verdict.INCONCLUSIVE, "replay": Verdict.PASS}
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    assert audit(str(run(wrong, (1.0, 1.0, 1.0)))).verdict is Verdict.FAIL


def test_no_log_is_an_error_that_names_the_weight(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        replayed(run(tmp_path))
    said = str(caught.value)
    assert "the weight 'warmup' of the formula is no term that can be recomputed" in said
    assert "--log LOG" in said


def test_the_batch_may_state_the_weight_itself(tmp_path: Path) -> None:
    from safetensors import safe_open

    folder = run(tmp_path)
    for step, path in enumerate(sorted((folder / "batches").iterdir())):
        with safe_open(path, "pt") as file:
            tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
            meta = file.metadata()
        save_file(tensors, path, {**meta, "warmup": repr(WEIGHTS[step])})
    assert replayed(folder).verdict is Verdict.PASS


def test_a_log_without_the_weight_decides_nothing_and_says_what_is_missing(tmp_path: Path) -> None:
    result = replayed(run(tmp_path, (None, None, None)), "log.jsonl")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the weight `warmup` stands in no log beside the total, and in no batch" in result.reason


def test_a_step_without_its_weight_stays_undecided(tmp_path: Path) -> None:
    result = replayed(run(tmp_path, (0.25, None, 0.75)), "log.jsonl")
    assert result.verdict is Verdict.PASS, result.reason
    assert result.witnesses[0].decided == 2


def test_a_mean_over_steps_is_no_weight_of_one(tmp_path: Path) -> None:
    folder = run(tmp_path, (0.9, 0.9, 0.9))
    spec = folder / "lossaudit.yaml"
    text = spec.read_text().replace("log: {total: loss}", LOG_OF_MEANS)
    spec.write_text(text)
    result = replayed(folder, "log.jsonl")
    assert result.verdict is Verdict.INCONCLUSIVE, result.reason


LOG_OF_MEANS = "log: {total: loss, terms: {warmup: warmup}, aggregate: {warmup: 'mean:10'}}"


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("warmup*recon + code", {"warmup"}),
        ("exp(-s)*recon + s + code", {"s"}),
        ("recon/(2*s**2) + code", {"s"}),
        ("w*(recon + lat)", {"w"}),
        ("where(gate > 0, recon, 0) + code", {"gate"}),
        ("recon + lat + 2*code", set()),
        ("recon + a*b", set()),
    ],
)
def test_a_logged_weight_is_what_multiplies_a_term_with_a_definition(
    tmp_path: Path, formula: str, weights: set[str]
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.format(formula=formula))
    assert logged_weights(load_spec(str(path))) == weights


def test_a_term_without_a_definition_is_refused_as_before(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not say what the term 'lat' is computed from"):
        replayed(run(tmp_path, formula="warmup*(recon + lat)"), "log.jsonl")
