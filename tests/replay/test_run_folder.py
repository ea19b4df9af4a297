"""What a run's folder holds: found by content, within bounds, and what is not used is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lossaudit.audit import audit
from lossaudit.errors import UsageError
from lossaudit.model.finding import Verdict
from lossaudit.model.result import ExitCode, Result
from lossaudit.witnesses.replay.align import align
from lossaudit.witnesses.replay.request import Pair, Request
from lossaudit.witnesses.run_folder import DEEPEST, find_run

ROOT = Path(__file__).parent.parent.parent
RUNS = ROOT / "fixtures" / "musetalk-tiny" / "runs"
CASE = ROOT / "fixtures" / "defects" / "replays" / "whole-image"


def copied(folder: Path) -> Path:
    """A small run with its spec, to be spoilt."""
    shutil.copytree(CASE / "repaired", folder / "run")
    shutil.copy(CASE / "spec.yaml", folder / "run" / "lossaudit.yaml")
    return folder / "run"


def audited(run: Path, **options: object) -> Result:
    request = Request((), str(run), device="cpu", **options)  # type: ignore[arg-type]
    return audit(str(run), request=request)


def test_real_run_is_sorted_by_content() -> None:
    run = find_run(str(RUNS / "main"))
    names = [Path(p).name for p in run.logs]
    assert set(names) >= {"log.csv", "log.jsonl", "log.txt", "events", "events-total-only"}
    assert [Path(p).name for p in run.checkpoints] == ["checkpoint-100", "checkpoint-300"]
    assert len(run.batches) == 5
    assert {part: Path(p).name for part, p in run.parts.items()} == {
        "vae": "vae",
        "unet_config": "config.json",
    }
    assert run.spec == str(RUNS / "main" / "lossaudit.yaml")


def test_spec_of_the_folder_is_used_and_its_lack_is_told(tmp_path: Path) -> None:
    run = copied(tmp_path)
    assert audited(run).verdict is Verdict.PASS
    (run / "lossaudit.yaml").unlink()
    with pytest.raises(UsageError, match=r"has no lossaudit\.yaml"):
        audited(run)


def test_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        find_run(str(tmp_path / "nothing"))


def test_empty_folder_is_inconclusive_and_says_what_was_looked_for(tmp_path: Path) -> None:
    shutil.copy(CASE / "spec.yaml", tmp_path / "lossaudit.yaml")
    result = audited(tmp_path)
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    assert result.witnesses == ()
    assert "no log and no sample batch" in result.reason


def test_links_are_not_followed(tmp_path: Path) -> None:
    run = copied(tmp_path)
    outside = tmp_path / "outside"
    shutil.copytree(CASE / "defect", outside)
    (run / "away").symlink_to(outside)
    (run / "loop").symlink_to(run)
    (run / "batches" / "step-000099.safetensors").symlink_to(
        outside / "batches" / "step-000003.safetensors"
    )
    result = audited(run)
    assert result.verdict is Verdict.PASS
    assert sum("is a link, which is not followed" in why for _, why in result.skipped) == 3


def test_pipes_and_deep_folders_are_passed_over(tmp_path: Path) -> None:
    run = copied(tmp_path)
    os.mkfifo(run / "log.pipe")
    deep = run.joinpath(*["deeper"] * (DEEPEST + 2))
    deep.mkdir(parents=True)
    shutil.copy(CASE / "defect" / "log.jsonl", deep)
    result = audited(run)
    assert result.verdict is Verdict.PASS
    said = " ".join(why for _, why in result.skipped)
    assert "log.pipe is no regular file" in said
    assert "lies too deep" in said


def test_every_log_of_a_folder_is_read_or_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lossaudit.yaml").write_text("name: few\nformula: 2*lip\nlog:\n  total: [loss]\n")
    for log in range(60):
        factor = 3 if log == 59 else 2
        rows = "".join(f"{k},{factor * k / 8},{k / 8}\n" for k in range(1, 9))
        (tmp_path / f"{log:02}.csv").write_text(f"step,loss,lip\n{rows}")
    result = audit(str(tmp_path))
    assert (len(result.witnesses), result.verdict) == (60, Verdict.FAIL)
    monkeypatch.setattr("lossaudit.witnesses.run_folder.MOST_LOGS", 59)
    with pytest.raises(UsageError, match="holds 60 logs") as caught:
        audit(str(tmp_path))
    assert "no more than 59" in str(caught.value)
    assert "`lossaudit check LOG...`" in str(caught.value)


def test_what_is_no_log_is_listed_and_not_read(tmp_path: Path) -> None:
    run = copied(tmp_path)
    (run / "train.py").write_text("loss = 2.0 * loss_mouth\nprint(f'loss={loss}')\n")
    (run / "notes.txt").write_text("learning_rate=0.1\n")
    (run / "result.json").write_text(json.dumps({"schema": "lossaudit/1", "loss": 1.0}))
    result = audited(run)
    assert result.verdict is Verdict.PASS
    said = " ".join(why for _, why in result.skipped)
    assert "train.py" in said
    assert "result.json" in said
    assert "notes.txt: no column holds the total" in said


def test_damaged_batch_is_a_finding_and_the_others_count(tmp_path: Path) -> None:
    run = copied(tmp_path)
    spoilt = run / "batches" / "step-000017.safetensors"
    spoilt.write_bytes(spoilt.read_bytes()[:6000])
    result = audited(run)
    replay = next(w for w in result.witnesses if w.kind == "replay")
    assert (replay.verdict, len(replay.replays)) == (Verdict.PASS, 2)
    (finding,) = result.findings
    assert finding.check == "damaged-input"
    assert finding.location is not None
    assert finding.location.path == str(spoilt)
    assert "it is cut" in finding.message
    assert result.exit_code is ExitCode.DAMAGED


def test_pickled_weights_are_not_touched_without_permission(tmp_path: Path) -> None:
    run = copied(tmp_path)
    (run / "checkpoint-2").mkdir()
    (run / "checkpoint-2" / "pytorch_model.bin").write_bytes(
        b"cposix\nsystem\n(S'touch canary'\ntR."
    )
    result = audited(run)
    assert result.verdict is Verdict.PASS
    said = " ".join(why for _, why in result.skipped)
    assert "is a pickle; --allow-pickle reads it, with limits" in said
    assert not (run / "canary").exists()


def test_pickles_beside_safetensors_are_not_asked_for(tmp_path: Path) -> None:
    run = copied(tmp_path)
    (run / "checkpoint-2").mkdir()
    save_file({"w": torch.zeros(2)}, run / "checkpoint-2" / "model.safetensors")
    (run / "checkpoint-2" / "optimizer.bin").write_bytes(b"\x80\x04.")
    for allow in (False, True):
        found = find_run(str(run), allow)
        assert found.checkpoints == [str(run / "checkpoint-2")]
        assert not any("allow-pickle" in why for _, why in found.skipped)


def test_weights_that_nothing_can_run_leave_the_stored_tensors(tmp_path: Path) -> None:
    run = copied(tmp_path)
    (run / "checkpoint-2").mkdir()
    save_file({"w": torch.zeros(2)}, run / "checkpoint-2" / "model.safetensors")
    result = audited(run)
    assert result.verdict is Verdict.PASS
    said = " ".join(why for _, why in result.skipped)
    assert "does not say which model the checkpoint is of" in said


WITHOUT = """
import sys
sys.modules["diffusers"] = None
from lossaudit.cli.main import main
sys.argv = ["lossaudit", "audit", {run!r}, "--format", "json", "--device", "cpu"]
main()
"""


def test_without_diffusers_the_stored_tensors_are_used_and_that_is_said() -> None:
    code = WITHOUT.format(run=str(RUNS / "main"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    replays = next(w for w in result["witnesses"] if w["kind"] == "replay")["replays"]
    assert {r["depth"] for r in replays} == {"tensors"}
    said = " ".join(s["reason"] for s in result["skipped"])
    assert "checkpoint-100: MuseTalk's networks need diffusers, which is not installed" in said


def test_weights_belong_to_the_step_after_their_number() -> None:
    aligned = align(["run/checkpoint-100", "run/checkpoint-300"], {"a": 101, "b": 300, "c": None})
    assert aligned.pairs == (Pair("run/checkpoint-100", "a"), Pair("", "b"), Pair("", "c"))
    said = dict.fromkeys(why for _, why in aligned.notes)
    assert any("needs the weights after update 299" in why for why in said)
    assert any("newest before them, run/checkpoint-100" in why for why in said)
    assert any("states no step" in why for why in said)
    assert any("checkpoint-300: no batch of step 301" in why for why in said)


def test_log_of_another_run_in_the_folder_is_no_false_alarm(tmp_path: Path) -> None:
    run = copied(tmp_path)
    (run / "a-earlier").mkdir()
    shutil.copy(CASE / "defect" / "log.jsonl", run / "a-earlier")
    result = audited(run)
    assert result.verdict is Verdict.PASS, result.reason
    replay = next(w for w in result.witnesses if w.kind == "replay")
    assert {r.total_source for r in replay.replays} == {str(run / "log.jsonl")}


def test_log_with_other_totals_than_the_batches_state_refutes_no_formula(tmp_path: Path) -> None:
    run = copied(tmp_path)
    shutil.copy(CASE / "defect" / "log.jsonl", run)
    result = audited(run)
    assert (result.verdict, result.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.FINDING)
    (finding,) = result.findings
    assert finding.check == "misaligned-checkpoint"
    assert "the batch of step 3 states the total" in finding.message
    assert "another micro-batch of that step, another run" in finding.message


def test_log_that_was_scaled_fails_although_the_batches_state_the_totals(tmp_path: Path) -> None:
    run = copied(tmp_path)
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    scaled = [json.dumps({**row, "loss": row["loss"] * 0.125}) for row in rows]
    (run / "log.jsonl").write_text("\n".join(scaled) + "\n")
    result = audited(run)
    assert result.verdict is Verdict.FAIL
    assert [f.check for f in result.findings] == ["scaled-log"]
    assert [e["check"] for e in result.findings[0].evidence["also"]] == ["misaligned-checkpoint"]


def test_a_text_log_that_only_the_spec_can_read_is_found(tmp_path: Path) -> None:
    spec = "name: bare\nformula: 2*lip\nlog:\n  total: [loss]\n  pattern: "
    (tmp_path / "lossaudit.yaml").write_text(spec + "'<(?P<loss>[^;]+);(?P<lip>[^>]+)>'\n")
    (tmp_path / "log.txt").write_text("".join(f"<{2 * k / 8};{k / 8}>\n" for k in range(1, 9)))
    (tmp_path / "notes.txt").write_text("<nothing> to see\n")
    result = audit(str(tmp_path))
    assert [(w.source, w.verdict, w.decided) for w in result.witnesses] == [
        (str(tmp_path / "log.txt"), Verdict.PASS, 8)
    ]
    assert ("file", "no log, batch or checkpoint: notes.txt") in [tuple(s) for s in result.skipped]
