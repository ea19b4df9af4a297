"""The command line's contract: exit codes, reports, errors that teach."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from lossaudit.cli.output import page_of_output

ROOT = Path(__file__).parent.parent.parent
RUNS = ROOT / "fixtures" / "musetalk-tiny" / "runs"
MAIN = str(RUNS / "main" / "log.jsonl")
FIGURE = str(RUNS / "figure" / "log.jsonl")
TOTAL_ONLY = str(RUNS / "main" / "events-total-only")


def lossaudit(
    *args: str, stdin: bytes | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "CI")}
    done = subprocess.run(
        [sys.executable, "-m", "lossaudit", *args],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**kept, **env},
        check=False,
    )
    out, err = (b.decode("utf-8", "surrogateescape") for b in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(args, done.returncode, out, err)


@pytest.mark.parametrize("form", ["full", "concise", "json"])
@pytest.mark.parametrize(
    ("log", "code"), [(MAIN, 0), (FIGURE, 1), (TOTAL_ONLY, 3)], ids=["pass", "fail", "inconclusive"]
)
def test_exit_code_is_the_same_in_every_format(log: str, code: int, form: str) -> None:
    done = lossaudit("check", log, "--spec", "musetalk-v1", "--format", form)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("option", "check"),
    [
        ([], "scaled-log"),
        (["--accumulation-steps", "8"], "accumulation-scale"),
        (["--ranks", "8"], "rank-scale"),
        (["--ranks", "4"], "scaled-log"),
    ],
)
def test_counts_of_the_run_name_a_constant_factor(
    option: list[str], check: str, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{(2 * a + b) / 8!r},{a!r},{b!r}" for a, b in ((i / 7, 3 / i) for i in range(1, 60))]
    log.write_text("\n".join(["loss,a,b", *rows]) + "\n")
    done = lossaudit("check", str(log), "-f", "loss = 2*a + b", *option, "--format", "concise")
    assert done.returncode == 1
    assert f" error {check}: " in done.stdout


def test_allow_inconclusive_gives_0() -> None:
    done = lossaudit("check", TOTAL_ONLY, "-s", "musetalk-v1", "--allow-inconclusive")
    assert done.returncode == 0


def test_fail_on_note_gives_1_on_a_pass() -> None:
    log = str(RUNS / "bf16" / "log.jsonl")
    assert lossaudit("check", log, "-s", "musetalk-v1").returncode == 0
    done = lossaudit("check", log, "-s", "musetalk-v1", "--fail-on", "note", "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"] == "PASS"


def test_a_failure_cannot_be_ignored_away() -> None:
    done = lossaudit("check", FIGURE, "-s", "musetalk-v1", "--ignore", "rival-formula")
    assert done.returncode == 1
    assert "rival-formula" in done.stdout


def test_damaged_log_that_passes_exits_with_4(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(Path(MAIN).read_text() + '{"step": 401, "loss"\n')
    done = lossaudit("check", str(log), "-s", "musetalk-v1", "--format", "json")
    assert done.returncode == 4
    result = json.loads(done.stdout)
    assert (result["verdict"], result["exit_code"]) == ("PASS", 4)
    assert result["findings"][0]["location"] == {"path": str(log), "line": 401}


def test_damaged_log_that_fails_exits_with_1(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(Path(FIGURE).read_text() + "no json\n")
    assert lossaudit("check", str(log), "-s", "musetalk-v1").returncode == 1


def test_missing_log_exits_with_4_and_names_it() -> None:
    done = lossaudit("check", "nowhere.jsonl", "-s", "musetalk-v1")
    assert done.returncode == 4
    assert done.stderr == (
        "nowhere.jsonl: cannot be read: No such file or directory\n  expected: a log file\n"
    )


def test_unknown_preset_exits_with_2_and_names_the_nearest() -> None:
    done = lossaudit("check", MAIN, "-s", "musetalk-v2")
    assert done.returncode == 2
    assert "musetalk-v1" in done.stderr


def test_nothing_declared_exits_with_2() -> None:
    done = lossaudit("check", MAIN)
    assert done.returncode == 2
    assert done.stderr == (
        "nothing is declared\n"
        "  expected: either --spec NAME_OR_PATH or --formula 'TOTAL = EXPRESSION'\n"
        "  try: `lossaudit init LOG` starts a spec from a log, `lossaudit presets` lists those "
        "that are there\n"
    )


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--spec", "musetalk-v1", "--formula", "loss = a"], "two formulas are declared"),
        (["-f", "loss = a +"], "formula, column 11: the formula ends too early"),
        (["-s", "musetalk-v1", "--format", "xml"], "no report format is called 'xml'"),
        (["-s", "musetalk-v1", "--fail-on", "fatal"], "'fatal' is no severity"),
        (["-s", "musetalk-v1", "--map", "lip=a"], "no formula has a term called 'lip'"),
        (["-s", "musetalk-v1", "--aggregate", "loss=avg"], "'avg' is no aggregate"),
        (["-s", "musetalk-v1", "--dtype", "float8"], "'float8' is no dtype"),
        (["-s", "musetalk-v1", "--reader", "xlsx"], "no reader is called 'xlsx'"),
        (["-s", "musetalk-v1", "--ignore", "rival"], "no check is called 'rival'"),
        (["-s", "musetalk-v1", "--report", "json"], "is not of the form FORMAT=FILE"),
        (["-s", "musetalk-v1", "-o", "nowhere/report.txt"], "does not exist"),
        (["-s", "musetalk-v1", "-o", MAIN], "would replace the log"),
        (["-s", "musetalk-v1", "--pattern", "(?P<loss>"], "--pattern"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_is_wrong(args: list[str], text: str) -> None:
    done = lossaudit("check", MAIN, *args)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_map_reads_the_total_from_another_tag(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(Path(MAIN).read_text().replace('"loss":', '"train/total":'))
    bare = lossaudit("check", str(log), "-s", "musetalk-v1", "--format", "concise")
    assert bare.returncode == 3
    mapped = lossaudit("check", str(log), "-s", "musetalk-v1", "--map", "total=train/total")
    assert mapped.returncode == 0


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_a_log(packed: bool) -> None:
    content = Path(MAIN).read_bytes()
    content = gzip.compress(content) if packed else content
    done = lossaudit("check", "-", "-s", "musetalk-v1", "--format", "json", stdin=content)
    assert done.returncode == 0
    assert json.loads(done.stdout)["witnesses"][0]["source"] == "-"


def test_reports_go_to_files_beside_standard_output(tmp_path: Path) -> None:
    kept = tmp_path / "result.json"
    kept.write_text("old")
    done = lossaudit("check", MAIN, "-s", "musetalk-v1", "-q", "--report", f"json={kept}")
    assert done.returncode == 0
    assert done.stdout == ""
    assert json.loads(kept.read_text())["verdict"] == "PASS"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_same_input_gives_the_same_bytes() -> None:
    args = ("check", MAIN, FIGURE, "-s", "musetalk-v1", "--format", "json")
    runs = {
        lossaudit(*args, PYTHONHASHSEED=seed, TZ=zone).stdout
        for seed, zone in (("0", "UTC"), ("1", "Asia/Tokyo"))
    }
    assert len(runs) == 1


def test_ascii_terminal_gets_text_without_a_crash() -> None:
    done = lossaudit("check", FIGURE, "-s", "musetalk-v1", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert done.stdout.isascii()


def test_a_bug_of_ours_exits_with_70_and_a_traceback() -> None:
    code = (
        "import lossaudit.audit as c\n"
        "c.check_logs = lambda *a: 1 / 0\n"
        "from lossaudit.cli.main import main\n"
        f"import sys; sys.argv = ['lossaudit', 'check', {MAIN!r}, '-s', 'musetalk-v1']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr
    assert "bug in lossaudit" in done.stderr


def test_broken_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m lossaudit check {MAIN} -s musetalk-v1 | head -c 10"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["presets", "readers", "checks"])
def test_lookups_list_what_is_there(command: str) -> None:
    done = lossaudit(command)
    assert done.returncode == 0
    expected = {"presets": "musetalk-v1", "readers": "tensorboard", "checks": "rival-formula"}
    assert expected[command] in done.stdout


def test_version_and_help() -> None:
    assert lossaudit("--version").stdout.startswith("lossaudit ")
    assert "check" in lossaudit("--help").stdout
    assert "Examples" in lossaudit("check", "--help").stdout


def test_report_into_a_device_leaves_the_device(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    done = lossaudit("check", MAIN, "-s", "musetalk-v1", "-q", "--report", f"concise={pipe}")
    assert done.returncode == 0, done.stderr
    assert b"PASS" in reader.communicate(timeout=20)[0]
    assert pipe.is_fifo()


def test_report_through_a_link_keeps_the_link_and_the_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert lossaudit("check", MAIN, "-s", "musetalk-v1", "-o", str(link)).returncode == 0
    assert link.is_symlink()
    assert "PASS" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o600


def test_full_disk_is_an_error_and_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lossaudit", "check", MAIN, "-s", "musetalk-v1"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("standard output: the report cannot be written: No space left")


def test_unknown_aggregate_key_is_refused() -> None:
    done = lossaudit("check", MAIN, "-s", "musetalk-v1", "--aggregate", "loss_lipp=mean:3")
    assert done.returncode == 2
    assert "loss_lip" in done.stderr


def test_several_logs_are_counted_and_the_undecided_one_is_named() -> None:
    done = lossaudit("check", MAIN, TOTAL_ONLY, "-s", "musetalk-v1", "--format", "concise")
    assert done.returncode == 0
    summary = done.stdout.splitlines()[-1]
    assert summary.startswith("PASS musetalk-v1: 2 logs, 1 PASS, 1 INCONCLUSIVE: ")
    assert f"{TOTAL_ONLY}" in summary or "events-total-only" in summary


def test_rival_may_be_added_to_a_spec() -> None:
    args = ("check", MAIN, "-s", "musetalk-v1", "--format", "json")
    done = lossaudit(*args, "--rival", "half=loss_lip + 0.5*loss_latents")
    assert done.returncode == 0
    named = [r["name"] for r in json.loads(done.stdout)["spec"]["rivals"]]
    assert named == ["diagram", "unweighted", "half"]
    assert lossaudit(*args, "--rival", "diagram=loss_lip").returncode == 2
    same = lossaudit(*args, "--rival", "loss_latents + other")
    assert same.returncode == 3  # a rival that cannot be evaluated is not refuted


@pytest.mark.parametrize(
    ("said", "width"), [("80", 80), ("120", 120), ("", 100), ("wide", 100), ("0", 100), ("9", 60)]
)
def test_columns_sets_the_width_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, said: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", said)
    assert page_of_output().width == width


def test_a_folder_that_is_no_log_names_the_logs_in_it(tmp_path: Path) -> None:
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb" / "events.out.tfevents.1").touch()
    (tmp_path / "log.csv").touch()
    (tmp_path / "model.pt").touch()
    done = lossaudit("check", str(tmp_path), "-s", "musetalk-v1")
    assert f"  try: name the log itself: {tmp_path}/log.csv, {tmp_path}/tb; " in done.stderr
    assert "model.pt" not in done.stderr


def test_weights_that_no_row_stretch_allows_are_not_called_alike(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rng = random.Random(3)
    rows = [[rng.random() for _ in "abc"] for _ in range(60)]
    log.write_text("loss,a,b\n" + "".join(f"{c!r},{a!r},{b!r}\n" for a, b, c in rows))
    done = lossaudit("check", str(log), "-f", "loss = a + b")
    assert "nothing: no weights fit" in done.stdout


@pytest.mark.parametrize(
    ("rows_late", "said"),
    [
        (1, "error shifted-term: the total holds `b` of the row after on all 59 rows"),
        (2, "or of another step or micro-batch than the total"),
    ],
)
def test_a_term_of_a_step_before_is_named_or_looked_for(
    tmp_path: Path, rows_late: int, said: str
) -> None:
    log = tmp_path / "log.csv"
    rng = random.Random(3)
    a, b = ([rng.random() for _ in range(60)] for _ in "ab")
    late = [*b[:rows_late], *b]
    rows = (f"{x + y!r},{x!r},{z!r}\n" for x, y, z in zip(a, b, late, strict=False))
    log.write_text("loss,a,b\n" + "".join(rows))
    done = lossaudit("check", str(log), "-f", "loss = a + b", "--format", "concise")
    assert said in done.stdout.splitlines()[0]


def test_two_rows_show_nothing_of_steps(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("loss,a,b\n0.5,1.25,1.5\n0.25,1.125,2.5\n")
    done = lossaudit("check", str(log), "-f", "loss = a + b", "--format", "concise")
    assert done.stdout.startswith(f"{log}:2: error formula-mismatch")
    assert "micro-batch" not in done.stdout


BARE = "name: bare\nformula: 2*lip + lat\nlog:\n  total: [loss]\n"
ROWS = [(2 * a + b, a, b) for a, b in ((0.25, 0.5), (0.125, 0.75), (0.5, 0.0625))]


def test_a_spec_says_how_text_and_tables_without_a_header_are_read(tmp_path: Path) -> None:
    spec, text, table = tmp_path / "spec.yaml", tmp_path / "log.txt", tmp_path / "log.csv"
    other = tmp_path / "log.jsonl"
    spec.write_text(
        BARE + "  pattern: '<(?P<loss>[^;]+);(?P<lip>[^;]+);(?P<lat>[^>]+)>'\n"
        "  columns: [loss, lip, lat]\n"
    )
    text.write_text("".join(f"<{t!r};{a!r};{b!r}>\n" for t, a, b in ROWS))
    table.write_text("".join(f"{t!r},{a!r},{b!r}\n" for t, a, b in ROWS))
    names = ("loss", "lip", "lat")
    rows = (json.dumps(dict(zip(names, row, strict=True))) for row in ROWS)
    other.write_text("".join(f"{row}\n" for row in rows))
    for log in (text, table, other):
        done = lossaudit("check", str(log), "--spec", str(spec), "--format", "concise")
        assert done.stdout.startswith("PASS"), (log.name, done.stdout)


def test_what_a_spec_says_of_other_logs_leaves_those_that_can_be_read_alone(
    tmp_path: Path,
) -> None:
    spec, headed, wider = tmp_path / "spec.yaml", tmp_path / "a.csv", tmp_path / "b.csv"
    text = tmp_path / "log.txt"
    spec.write_text(
        BARE + "  pattern: '<(?P<loss>[^;]+);(?P<lip>[^;]+);(?P<lat>[^>]+)>'\n"
        "  columns: [lat, lip, loss]\n"
    )
    headed.write_text("loss,lip,lat\n" + "".join(f"{t!r},{a!r},{b!r}\n" for t, a, b in ROWS))
    wider.write_text("".join(f"{t!r},{a!r},{b!r},1\n" for t, a, b in ROWS))
    text.write_text("".join(f"loss: {t!r}, lip: {a!r}, lat: {b!r}\n" for t, a, b in ROWS))
    for log, code in ((headed, 0), (text, 0), (wider, 3)):
        done = lossaudit("check", str(log), "--spec", str(spec), "--format", "concise")
        assert done.returncode == code, (log.name, done.stdout)


def test_a_pattern_of_a_spec_is_looked_for_line_by_line(tmp_path: Path) -> None:
    spec, log = tmp_path / "spec.yaml", tmp_path / "log.txt"
    spec.write_text(BARE + "  pattern: '^<(?P<loss>[^;]+);(?P<lip>[^;]+);(?P<lat>[^>]+)>$'\n")
    lines = "".join(f"<{t!r};{a!r};{b!r}>\n" for t, a, b in ROWS)
    for text in ("the run begins\n" + lines, "\r".join(lines.split("\n"))):
        log.write_bytes(text.encode())
        done = lossaudit("check", str(log), "--spec", str(spec), "--format", "concise")
        assert done.stdout.startswith("PASS"), (text, done.stdout, done.stderr)


def test_how_a_log_is_read_goes_before_what_the_spec_says(tmp_path: Path) -> None:
    spec, table = tmp_path / "spec.yaml", tmp_path / "log.csv"
    spec.write_text(BARE + "  columns: [lat, lip, loss]\n")
    table.write_text("".join(f"{t!r},{a!r},{b!r}\n" for t, a, b in ROWS))
    command = ("check", str(table), "--spec", str(spec), "--format", "concise")
    assert lossaudit(*command).returncode == 1
    assert lossaudit(*command, "--columns", "loss,lip,lat").returncode == 0


def test_a_header_in_a_comment_goes_before_the_columns_of_a_spec(tmp_path: Path) -> None:
    spec, bare, named = tmp_path / "spec.yaml", tmp_path / "a.txt", tmp_path / "b.txt"
    spec.write_text(BARE + "  columns: [loss, lip, lat]\n")
    bare.write_text("".join(f"{t!r} {a!r} {b!r}\n" for t, a, b in ROWS))
    named.write_text("# lat lip loss\n" + "".join(f"{b!r} {a!r} {t!r}\n" for t, a, b in ROWS))
    for log in (bare, named):
        done = lossaudit("check", str(log), "--spec", str(spec), "--format", "concise")
        assert done.stdout.startswith("PASS"), (log.name, done.stdout)
