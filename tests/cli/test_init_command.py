"""`lossaudit init`: the first lines of a spec, from a log, a formula or a preset."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from test_check_command import FIGURE, MAIN, ROOT, TOTAL_ONLY, lossaudit

from lossaudit.spec.load import load_spec, preset_names

TEXT_LOG = str(ROOT / "fixtures" / "presets" / "fastspeech2" / "pass-text" / "log.txt")


@pytest.fixture
def spec(tmp_path: Path) -> str:
    return str(tmp_path / "lossaudit.yaml")


def test_spec_from_a_log_passes_that_log_and_fails_another(spec: str) -> None:
    done = lossaudit("init", MAIN, "--output", spec)
    assert (done.returncode, done.stderr) == (0, "")
    assert "formula: loss = 2*loss_lip + loss_latents\nestablished: " in done.stdout
    assert f"lossaudit check {MAIN} --spec {spec}" in done.stdout
    assert lossaudit("check", MAIN, "--spec", spec).returncode == 0
    assert lossaudit("check", FIGURE, "--spec", spec).returncode == 1
    text = Path(spec).read_text()
    assert "UNDECIDED" not in text
    assert "# The weight of `loss_lip`: 1.9999966 .. 2.0000033." in text


def test_what_the_log_does_not_establish_is_marked(spec: str) -> None:
    done = lossaudit("init", TEXT_LOG, "--output", spec)
    assert done.returncode == 0
    assert "UNDECIDED: `Total Loss`: the weight of" in done.stdout
    assert "1. settle what is UNDECIDED in it" in done.stdout
    assert re.search(r"^# UNDECIDED: .*\n(#.*\n)+formula: ", Path(spec).read_text(), re.MULTILINE)
    assert load_spec(spec).total == ("Total Loss",)


def test_without_a_formula_the_file_is_refused_until_one_is_written(spec: str) -> None:
    done = lossaudit("init", TOTAL_ONLY, "--output", spec)
    assert done.returncode == 0
    assert "record them: docs/recorder.md" in done.stdout
    checked = lossaudit("check", TOTAL_ONLY, "--spec", spec)
    assert checked.returncode == 2
    assert re.search(r"lossaudit.yaml:\d+:\d+: .*formula", checked.stderr)
    text = Path(spec).read_text()
    Path(spec).write_text(text.replace('formula: ""', "formula: 2.0*loss_lip + loss_latents"))
    assert lossaudit("check", TOTAL_ONLY, "--spec", spec).returncode == 3
    assert load_spec(spec).total == ("loss/step_loss",)


def test_formula_and_rivals_become_a_spec(spec: str) -> None:
    formula = "loss = 2*`loss lip` + sum(`aux_*`)"
    done = lossaudit("init", "-f", formula, "--rival", "figure=`loss lip`", "--output", spec)
    assert done.returncode == 0
    found = load_spec(spec)
    assert (found.formula_text, found.total) == ("2*`loss lip` + sum(`aux_*`)", ("loss",))
    assert list(found.rivals) == ["figure"]


@pytest.mark.parametrize("name", preset_names())
def test_preset_is_copied_whole(name: str, spec: str) -> None:
    assert lossaudit("init", "--spec", name, "--output", spec).returncode == 0
    copied, preset = load_spec(spec), load_spec(name)
    assert (copied.formula, copied.tags) == (preset.formula, preset.tags)


def test_every_suggestion_loads_once_its_comment_sign_is_gone(spec: str) -> None:
    lossaudit("init", MAIN, "--output", spec)
    text = Path(spec).read_text()
    suggested = r"^( *)# (( *[a-z_]+: *[\[{].*)|rivals:|terms:|  figure: .*)$"
    Path(spec).write_text(re.sub(suggested, r"\1\2", text, flags=re.MULTILINE))
    found = load_spec(spec)
    assert (found.max_share, list(found.rivals), list(found.terms)) == (
        0.9,
        ["figure"],
        ["loss_lip"],
    )
    assert found.aggregates == {"total": "last"}
    assert found.sources


def test_file_that_is_there_is_never_touched(spec: str) -> None:
    Path(spec).write_text("mine")
    done = lossaudit("init", MAIN, "--output", spec)
    assert done.returncode == 2
    assert "is there already, and was left as it is" in done.stderr
    assert Path(spec).read_text() == "mine"


def test_link_that_leads_nowhere_is_not_written_through(spec: str, tmp_path: Path) -> None:
    Path(spec).symlink_to(tmp_path / "elsewhere.yaml")
    assert lossaudit("init", MAIN, "--output", spec).returncode == 2
    assert not (tmp_path / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "nothing to start from"),
        ([MAIN, "--spec", "musetalk-v1"], "more than one thing to start from"),
        (["--spec", "musetalk-v2"], "no preset is called 'musetalk-v2'"),
        ([MAIN, "--rival", "a=b"], "--rival needs --formula"),
        ([MAIN, "--output", "spec.txt"], "a spec file's name ends in .yaml"),
        (["-f", "loss = 2*"], "formula, column"),
        ([MAIN, "--output", "/dev/null/x.yaml"], "the spec cannot be written"),
    ],
)
def test_refusals(args: list[str], said: str, tmp_path: Path) -> None:
    output = [] if "--output" in args else ["--output", str(tmp_path / "s.yaml")]
    done = lossaudit("init", *args, *output)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "s.yaml").exists()


def test_tags_with_line_breaks_do_not_leave_their_comment(tmp_path: Path, spec: str) -> None:
    tag = "lip\nformula: evil\x1b[31m"
    rows = [{"loss": 2 * a + b, tag: a, "lat": b} for a, b in zip(LIP, LAT, strict=True)]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    done = lossaudit("init", str(log), "--output", spec)
    text = Path(spec).read_text()
    assert "evil" in text
    assert "\x1b" not in done.stdout + text
    assert len(re.findall(r"^ *formula:", text, re.MULTILINE)) == 1


def test_damage_is_the_exit_code_and_the_rest_is_used(tmp_path: Path, spec: str) -> None:
    log = tmp_path / "log.jsonl"
    lines = Path(MAIN).read_bytes().splitlines()
    log.write_bytes(b"\n".join([*lines[:200], b'{"step": 2', *lines[200:]]) + b"\n")
    assert lossaudit("init", str(log), "--output", spec).returncode == 4
    assert load_spec(spec).formula_text == "2*loss_lip + loss_latents"


LIP = [((7 * k) % 31) / 31 + 0.1 for k in range(40)]
LAT = [((11 * k) % 37) / 37 + 0.2 for k in range(40)]


def test_the_next_command_reads_the_log_as_init_did(tmp_path: Path, spec: str) -> None:
    log = tmp_path / "log.txt"
    lines = [f"<{2 * a + b!r};{a!r};{b!r}>" for a, b in zip(LIP, LAT, strict=True)]
    log.write_text("\n".join(lines) + "\n")
    pattern = "<(?P<loss>[^;]+);(?P<lip>[^;]+);(?P<lat>[^>]+)>"
    done = lossaudit("init", str(log), "--pattern", pattern, "--output", spec)
    (line,) = [line for line in done.stdout.splitlines() if "lossaudit check" in line]
    again = lossaudit(*shlex.split(line)[2:], "--format", "concise")
    assert again.stdout.startswith("PASS"), line


def test_the_example_of_a_rival_can_be_put_to_use(tmp_path: Path, spec: str) -> None:
    log = tmp_path / "log.jsonl"
    rows = [{"loss": 2 * a + b, "x/lip": a, "lat": b} for a, b in zip(LIP, LAT, strict=True)]
    log.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    lossaudit("init", str(log), "--output", spec)
    text = Path(spec).read_text()
    text = text.replace("# rivals:", "rivals:").replace("#   figure:", "  figure:")
    Path(spec).write_text(text)
    done = lossaudit("check", str(log), "--spec", spec, "--format", "concise")
    assert "1 named rival is refuted" in done.stdout, text
