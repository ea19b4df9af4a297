"""What replay must say of a real training: fixtures/musetalk-tiny, from its batches and weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from lossaudit.audit import audit, check_logs, recompute
from lossaudit.model.decoding import decode_result
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec
from lossaudit.witnesses.replay.request import Pair, Request

ROOT = Path(__file__).parent.parent
RUN = ROOT / "fixtures" / "musetalk-tiny" / "runs" / "main"
SPEC = load_spec(str(RUN / "lossaudit.yaml"))
PARTS = {"vae": str(RUN / "vae"), "unet_config": str(RUN / "unet" / "config.json")}
STEPS = (1, 101, 300, 301, 400)


def batch(step: int, run: Path = RUN) -> str:
    return str(run / "batches" / f"step-{step:06d}.safetensors")


def stored(*steps: int, spec: Spec = SPEC, logs: tuple[str, ...] = (), run: Path = RUN) -> Result:
    """From the tensors of the batches alone."""
    pairs = tuple(Pair("", batch(step, run)) for step in steps)
    return recompute(spec, Request(pairs, "batches"), [str(run / log) for log in logs])


def from_weights(*pairs: tuple[int, int], logs: tuple[str, ...] = ()) -> Result:
    """(checkpoint, step) pairs, through both networks."""
    chosen = tuple(Pair(str(RUN / f"checkpoint-{c}"), batch(step)) for c, step in pairs)
    return recompute(SPEC, Request(chosen, "run", PARTS), [str(RUN / log) for log in logs])


def with_region(region: str) -> Spec:
    import dataclasses

    lip = dataclasses.replace(SPEC.terms["loss_lip"], region=region)
    return replace(SPEC, terms={**SPEC.terms, "loss_lip": lip})


def checks_of(result: Result) -> list[str]:
    return [f.check for f in result.findings]


def test_every_recorded_step_agrees_and_the_correct_run_passes() -> None:
    result = stored(*STEPS)
    assert result.verdict is Verdict.PASS, result.reason
    assert result.findings == ()
    replays = result.witnesses[0].replays
    assert [r.step for r in replays] == list(STEPS)
    for r in replays:
        assert r.agrees is True
        assert [r.term_agrees(n) for n in r.terms] == [True, True]
        assert r.total_logged is not None
        assert r.total.value == pytest.approx(r.total_logged, rel=1.2e-7)
        assert r.total.high - r.total.low < 1.4e-5 * r.total_logged
        for name, term in r.terms.items():
            assert term.value == pytest.approx(r.logged_terms[name], rel=1.2e-7)


def test_from_weights_the_steps_after_the_checkpoints_agree() -> None:
    result = from_weights((100, 101), (300, 301))
    assert result.verdict is Verdict.PASS, result.reason
    for r in result.witnesses[0].replays:
        assert (r.depth, r.agrees) == ("full", True)
        assert r.total_logged is not None
        assert r.total.value == pytest.approx(r.total_logged, rel=2e-6)
        assert {Path(f.path).name for f in r.files} >= {
            "model.safetensors",
            f"step-{r.step:06d}.safetensors",
            "diffusion_pytorch_model.safetensors",
            "config.json",
        }
        assert all(len(f.sha256) == 64 for f in r.files)


def test_total_alone_passes_through_replay_where_the_log_is_inconclusive() -> None:
    log = "events-total-only"
    assert check_logs(SPEC, [str(RUN / log)]).verdict is Verdict.INCONCLUSIVE
    result = from_weights((300, 301), logs=(log,))
    assert result.verdict is Verdict.PASS, result.reason
    (replay,) = result.witnesses[0].replays
    assert replay.total_source.startswith(str(RUN / log))
    assert stored(*STEPS, logs=(log,)).verdict is Verdict.PASS


def test_whole_image_fails_as_wrong_region_and_the_right_one_is_named() -> None:
    result = stored(*STEPS, spec=with_region("whole"))
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, ExitCode.FINDING)
    assert checks_of(result) == ["wrong-region"]
    (finding,) = result.findings
    assert "`loss_lip` is taken on the lower half, not on the whole" in finding.message
    assert finding.evidence["region"] == "lower_half"
    assert "lower half" in result.reason


def test_whole_image_fails_as_wrong_region_from_the_total_in_a_log() -> None:
    result = stored(101, 301, spec=with_region("whole"), logs=("events-total-only",))
    assert checks_of(result) == ["wrong-region"]


def test_right_region_is_silent() -> None:
    assert stored(*STEPS, spec=with_region("lower_half")).findings == ()


def test_off_by_one_checkpoint_is_named_and_blames_no_formula() -> None:
    result = from_weights((300, 300))
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.FINDING)
    assert checks_of(result) == ["misaligned-checkpoint"]
    message = result.findings[0].message
    assert "checkpoint-300 reproduces step 301, not step 300" in message
    assert "it was written after update 300, so it belongs to step 301" in message
    (replay,) = result.witnesses[0].replays
    assert replay.total_logged is not None
    assert replay.total.value / replay.total_logged - 1 == pytest.approx(-0.014, abs=1e-3)


def test_one_misaligned_pair_among_right_ones_is_named() -> None:
    result = from_weights((300, 300), (300, 301))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert checks_of(result) == ["misaligned-checkpoint"]
    assert result.findings[0].steps == (300, 300)


def test_figure_run_fails_as_a_rival_from_its_batches() -> None:
    figure = RUN.parent / "figure"
    for logs in ((), ("log.jsonl",)):
        result = stored(101, 160, run=figure, logs=logs)
        assert (result.verdict, result.exit_code) == (Verdict.FAIL, ExitCode.FINDING)
        assert checks_of(result) == ["rival-formula"]
        assert result.reason.startswith("the run follows rival `diagram`: 2 of 2 replayed steps")
        assert result.findings[0].evidence["also"] == []
        weights = result.witnesses[0].weights
        assert weights["loss_latents"].low is not None
        assert 1.99 < weights["loss_latents"].low <= 2.0


def test_audit_of_the_figure_run_fails_with_every_witness() -> None:
    result = audit(str(RUN.parent / "figure"))
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, ExitCode.FINDING)
    assert {w.verdict for w in result.witnesses} == {Verdict.FAIL}
    assert result.witnesses[-1].kind == "replay"
    assert {f.check for f in result.findings if f.severity.value == "error"} == {"rival-formula"}


def test_swapped_weights_in_the_spec_fail_as_a_rival() -> None:
    figure = replace(
        SPEC,
        formula=SPEC.rivals["diagram"][0],
        formula_text=SPEC.rivals["diagram"][1],
        rivals={"code": (SPEC.formula, SPEC.formula_text)},
    )
    result = stored(*STEPS, spec=figure)
    assert result.verdict is Verdict.FAIL
    assert checks_of(result) == ["rival-formula"]
    assert "the run follows rival `code`" in result.reason


def test_result_follows_the_schema_and_reads_back() -> None:
    schema = json.loads((ROOT / "docs/schema/result.schema.json").read_text())
    result = stored(101, 300)
    document = result.to_dict()
    Draft202012Validator(schema).validate(document)
    replay = document["witnesses"][0]["replays"][0]
    assert (replay["step"], replay["depth"], replay["checkpoint"]) == (101, "tensors", None)
    assert set(replay["terms"]["loss_lip"]) >= {"value", "float64", "low", "high"}
    assert set(replay["total"]) == {"value", "low", "high"}
    assert replay["agrees"] is True
    back = decode_result(json.loads(json.dumps(document)))
    assert back.witnesses[0].replays == result.witnesses[0].replays
    assert back.to_dict() == document


def test_audit_of_the_run_does_the_whole_job() -> None:
    result = audit(str(RUN))
    assert (result.verdict, result.exit_code) == (Verdict.PASS, ExitCode.PASS), result.reason
    kinds = {(w.kind, Path(w.source).name): w.verdict for w in result.witnesses}
    assert kinds[("replay", "main")] is Verdict.PASS
    assert kinds[("log", "log.jsonl")] is Verdict.PASS
    verdicts = [w.verdict.value for w in result.witnesses]
    assert sorted(verdicts) == ["INCONCLUSIVE"] + ["PASS"] * 6
    depths = {r.step: (r.depth, Path(r.checkpoint).name) for r in result.witnesses[-1].replays}
    assert depths == {
        1: ("tensors", ""),
        101: ("full", "checkpoint-100"),
        300: ("tensors", ""),
        301: ("full", "checkpoint-300"),
        400: ("tensors", ""),
    }
    said = "\n".join(f"{kind} {why}" for kind, why in result.skipped)
    assert "step-000300.safetensors: needs the weights after update 299" in said
    assert "step-000001.safetensors: needs the weights that training began with" in said


def test_batch_of_an_accumulation_meets_the_record_that_it_states() -> None:
    run = RUN.parent / "accumulation"
    for log in ("log.jsonl", "events", "log.txt"):
        result = stored(20, run=run, logs=(log,))
        assert result.verdict is Verdict.PASS, result.reason
        assert result.findings == ()


def test_micro_batch_that_is_not_the_last_is_named(tmp_path: Path) -> None:
    """A batch without a total is compared with the last record of its step, as MuseTalk logs it."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    run = RUN.parent / "accumulation"
    with safe_open(batch(20, run), "pt") as file:
        tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    silent = tmp_path / "step-000020.safetensors"
    save_file(tensors, silent, {"step": "20"})
    request = Request((Pair("", str(silent)),), "batches")
    result = recompute(SPEC, request, [str(run / "log.jsonl")])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert checks_of(result) == ["misaligned-checkpoint"]
    assert "logged at record 1 of 4 of step 20" in result.findings[0].message


def test_terms_in_bfloat16_have_its_bounds() -> None:
    run = RUN.parent / "bf16"
    for logs in ((), ("log.jsonl",)):
        result = stored(160, run=run, logs=logs)
        assert result.verdict is Verdict.PASS, result.reason
        (replay,) = result.witnesses[0].replays
        assert replay.dtype == "bfloat16"
        assert (replay.total.high - replay.total.low) / replay.total.value > 1e-3


def changed_batch(folder: Path, change: dict[str, float], **metadata: str) -> str:
    """The batch of step 101 with some tensors' first elements changed, and other metadata."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(batch(101), "pt") as file:
        tensors = {n: file.get_tensor(n).clone() for n in file.keys()}  # noqa: SIM118
        stated = {**file.metadata(), **metadata}
    for name, value in change.items():
        tensors[name].flatten()[0] = value
    path = folder / "step-000101.safetensors"
    save_file(tensors, path, stated)
    return str(path)


def replayed(path: str) -> Result:
    return recompute(SPEC, Request((Pair("", path),), "batches"))


def test_nan_in_a_prediction_beside_a_finite_total_fails(tmp_path: Path) -> None:
    result = replayed(changed_batch(tmp_path, {"image_pred": float("nan")}))
    assert (result.verdict, result.exit_code) == (Verdict.FAIL, ExitCode.FINDING)
    assert checks_of(result) == ["masked-nonfinite"]


def test_changed_prediction_fails_and_is_not_explained_away(tmp_path: Path) -> None:
    result = replayed(changed_batch(tmp_path, {"image_pred": 3.0}))
    assert result.verdict is Verdict.FAIL
    assert checks_of(result) == ["formula-mismatch"]


def test_total_in_few_digits_cannot_tell_the_rivals_and_says_so(tmp_path: Path) -> None:
    result = replayed(changed_batch(tmp_path, {}, total="0.3"))
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    assert "rival `unweighted` would give" in result.reason
    assert "cannot be told at this precision" in result.reason


def test_without_any_total_it_says_that_the_rivals_could_be_told(tmp_path: Path) -> None:
    result = replayed(changed_batch(tmp_path, {}, total=""))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no batch states it, and no log was named that does" in result.reason
    assert "rival `diagram` would give 0.435734 instead of 0.33385" in result.reason
    assert "cannot be told" not in result.reason


def test_logged_term_that_is_not_the_recomputed_one_is_a_warning(tmp_path: Path) -> None:
    result = replayed(changed_batch(tmp_path, {}, loss_lip="0.0812345678"))
    assert result.verdict is Verdict.PASS
    assert checks_of(result) == ["logged-term-mismatch"]
    assert "logged 0.08123457, recomputed 0.0773" in result.findings[0].message
