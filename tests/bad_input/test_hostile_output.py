"""Numbers 90, 91 and 100 to 104: what leaves the program, and what interrupts it."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import FORMULA, RIVAL, ROOT, csv_table, event_file, json_lines, lossaudit, rows

from lossaudit import registry
from lossaudit.model.report import Report

number = pytest.mark.bad_input
FORMATS = sorted(registry.load("lossaudit.reports", Report))

ESCAPES = [
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://x\x07link\x1b]8;;\x07",
    "\x1b]52;c;cm0gLXJm\x07",
    "bell\x07",
    "over\rwritten",
    "c1\x9b31m",
    "bidi\u202egnp.exe",
    "zero\u200bwidth",
    "line\u2028end",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
]
MARKUP = ["[/x]", "[bold]b", "[link=http://x]y[/link]", "[red", ":smile:", "\\[x]", "[@click=exit]"]
HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def log_with_tags(folder: Path, tags: list[str]) -> Path:
    """A log whose terms have those names, and whose total is wrong on the last rows."""
    lines = []
    for k, _, lip, lat in rows(60):
        terms = {f"loss_{tag}": (lip + lat * i) / 3 for i, tag in enumerate(tags)}
        total = sum(terms.values()) + (k > 50)
        lines.append(json.dumps({"step": k, "loss": total, **terms}))
    log = folder / "log.jsonl"
    log.write_text("\n".join(lines) + "\n")
    return log


@number(90)
@pytest.mark.parametrize("form", FORMATS)
def test_escapes_in_tags_reach_no_report(tmp_path: Path, form: str) -> None:
    log = log_with_tags(tmp_path, ESCAPES)
    done = lossaudit("check", log, "-f", "loss = sum(`loss_*`)", "--format", form)
    assert done.returncode == 1, done.stderr
    text = done.stdout.decode("utf-8")
    text = re.sub("<script>.*?</script>", "", text, flags=re.DOTALL)  # Vega's own code has tabs
    assert not HIDDEN.findall(text)
    assert "red" in text
    assert not HIDDEN.findall(done.stderr.decode("utf-8"))


@number(90)
def test_escapes_in_tags_and_paths_reach_no_error_message(tmp_path: Path) -> None:
    folder = tmp_path / "\x1b[31m\u202e"
    folder.mkdir()
    log = log_with_tags(folder, ESCAPES)
    for arguments in (["-f", "total = lip"], ["-f", "loss = lip", "-o", log], ["--spec", log]):
        done = lossaudit("check", log, *arguments)
        assert done.returncode in (2, 3)
        assert not HIDDEN.findall((done.stdout + done.stderr).decode("utf-8"))


@number(91)
@pytest.mark.parametrize("form", FORMATS)
def test_markup_in_tags_is_shown_and_not_obeyed(tmp_path: Path, form: str) -> None:
    log = log_with_tags(tmp_path, MARKUP)
    done = lossaudit("check", log, "-f", "loss = sum(`loss_*`)", "--format", form)
    assert done.returncode == 1, done.stderr
    text = done.stdout.decode("utf-8")
    names_all = form in ("full", "json", "html")
    shown = ["[/x]", "[bold]b", ":smile:"] if names_all else []
    assert all(f"loss_{tag}" in text for tag in shown)


def no_constant(name: str) -> float:
    raise AssertionError(f"{name} in JSON")


@number(100)
@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INCONCLUSIVE"])
def test_json_holds_no_literal_that_json_does_not_know(tmp_path: Path, verdict: str) -> None:
    nan, infinite = float("nan"), float("inf")
    odd = [(60, nan, nan, 1.0), (61, infinite, infinite, infinite), (62, -infinite, 1.0, -infinite)]
    masked = [(63, 1.0, nan, infinite)]
    log = tmp_path / "log.jsonl"
    log.write_bytes(json_lines([*rows(60), *odd, *(masked if verdict == "FAIL" else [])]))
    formula = "loss = 2.0*lip + absent" if verdict == "INCONCLUSIVE" else FORMULA
    done = lossaudit("check", log, "-f", formula, "--format", "json")
    result = json.loads(done.stdout, parse_constant=no_constant)
    assert result["verdict"] == verdict
    if verdict == "FAIL":
        assert "NaN" in json.dumps(result["witnesses"][0]["first_violation"])


# 101: the report cannot be written, or nobody waits for it ----------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(json_lines(rows(60)))
    return path


OLD = "the old report\n" * 1000


@number(101)
@pytest.mark.parametrize("form", FORMATS)
def test_a_disk_that_is_full_leaves_the_old_report_whole(
    tmp_path: Path, log: Path, form: str
) -> None:
    (tmp_path / "out").mkdir()
    report = tmp_path / "out" / "report"
    report.write_text(OLD)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2, 2))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [sys.executable, "-m", "lossaudit", "check", str(log), "-f", FORMULA]
    done = subprocess.run(
        [*command, "--format", form, "-o", str(report)],
        cwd=ROOT,
        preexec_fn=small_files,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"the report cannot be written: File too large" in done.stderr
    assert report.read_text() == OLD
    assert list(report.parent.iterdir()) == [report]


@number(101)
@pytest.mark.parametrize("target", ["/dev/full", "/sys/report", "/proc/1/report"])
def test_a_place_that_takes_no_report_is_named(log: Path, target: str) -> None:
    done = lossaudit("check", log, "-f", FORMULA, "-o", target)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{target}: the report cannot be written: ".encode())
    assert done.stderr.count(b"\n") == 1


@number(101)
@pytest.mark.parametrize("form", FORMATS)
def test_a_reader_of_the_report_that_leaves_early_is_no_traceback(log: Path, form: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "lossaudit", "check", str(log), "-f", FORMULA]
    with os.fdopen(theirs, "wb") as pipe:
        done = subprocess.run(
            [*command, "--format", form], cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


@number(101)
def test_interrupting_a_long_read_leaves_the_old_report_and_nothing_else(tmp_path: Path) -> None:
    for folder in ("out", "tmp"):
        (tmp_path / folder).mkdir()
    report, pipe = tmp_path / "out" / "report", tmp_path / "pipe"
    report.write_text(OLD)
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "lossaudit", "check", str(pipe), "-f", FORMULA]
    process = subprocess.Popen(
        [*command, "-o", str(report)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's & ignores it
        stderr=subprocess.PIPE,
    )
    with open(pipe, "wb", buffering=0) as feed:
        part = json_lines(rows(1000))
        for _ in range(100):  # more than a pipe holds: most of it has been read
            feed.write(part)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b"interrupted; no further report is written\n"
    assert report.read_text() == OLD
    assert [p.name for p in report.parent.iterdir()] == ["report"]
    assert list((tmp_path / "tmp").iterdir()) == []


# 102: the report's path is the input's ------------------------------------------------------------


@number(102)
@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("kind", ["itself", "dots", "link", "hard link", "folder of links"])
def test_a_report_may_not_replace_its_log(
    tmp_path: Path, log: Path, option: str, kind: str
) -> None:
    content, other = log.read_bytes(), tmp_path / "report.json"
    match kind:
        case "itself":
            other = log
        case "dots":
            (tmp_path / "x").mkdir()
            other = tmp_path / "x" / ".." / log.name
        case "link":
            other.symlink_to(log)
        case "hard link":
            other.hardlink_to(log)
        case _:
            (tmp_path / "linked").symlink_to(tmp_path)
            other = tmp_path / "linked" / log.name
    target = other if option == "-o" else f"json={other}"
    done = lossaudit("check", log, "-f", FORMULA, option, target)
    assert done.returncode == 2
    assert b"would replace the log" in done.stderr
    assert log.read_bytes() == content


@number(102)
def test_a_report_may_replace_neither_event_file_nor_spec(tmp_path: Path, log: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    events = run / "events.out.tfevents.1"
    events.write_bytes(event_file(rows(30)))
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: mine\nformula: 2.0*lip + lat\nlog: {total: [loss]}\n")
    for logged, target in ((run, events), (log, spec)):
        before = target.read_bytes()
        done = lossaudit("check", logged, "--spec", spec, "-o", target)
        assert done.returncode == 2
        assert b"would replace the log or spec" in done.stderr
        assert target.read_bytes() == before


@number(102)
def test_an_identified_spec_may_not_replace_the_log(tmp_path: Path, log: Path) -> None:
    content, spec = log.read_bytes(), tmp_path / "spec.yaml"
    spec.hardlink_to(log)
    done = lossaudit("identify", log, "--write-spec", spec)
    assert done.returncode == 2
    assert b"would replace the log" in done.stderr
    assert log.read_bytes() == content


@number(102)
def test_a_log_that_is_named_twice_by_two_links_is_refused(tmp_path: Path, log: Path) -> None:
    (tmp_path / "again.jsonl").hardlink_to(log)
    done = lossaudit("check", log, tmp_path / "again.jsonl", "-f", FORMULA)
    assert done.returncode == 2
    assert b"a log is named twice" in done.stderr


# 103, 104: the surroundings -----------------------------------------------------------------------


@number(103)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "tr_TR.UTF-8"},
    ],
    ids=["ascii", "C", "latin-1", "turkish"],
)
def test_any_locale_gets_a_report(tmp_path: Path, form: str, surroundings: dict[str, str]) -> None:
    log = log_with_tags(tmp_path, ["é", "λ_lip", "損失", "İ"])
    done = lossaudit("check", log, "-f", "loss = sum(`loss_*`)", "--format", form, **surroundings)
    assert done.returncode == 1, done.stderr
    assert (b"critical" if form == "gitlab" else b"FAIL") in done.stdout
    assert done.stderr == b""
    if "ascii" in surroundings.values() or surroundings.get("LC_ALL") == "C":
        assert done.stdout.isascii()


def surroundings() -> Iterator[dict[str, str]]:
    for zone, seed, threads in (
        ("UTC", "0", "1"),
        ("Asia/Kathmandu", "1", "2"),
        ("EST5EDT", "7", "5"),
    ):
        yield {
            "TZ": zone,
            "PYTHONHASHSEED": seed,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "POLARS_MAX_THREADS": threads,
        }


@number(104)
@pytest.mark.parametrize("kind", ["events", "csv", "parquet"])
def test_time_zone_hash_seed_and_threads_change_no_byte(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    if kind == "parquet":
        import polars

        columns = list(zip(*rows(3000), strict=True))
        frame = dict(zip(("step", "loss", "lip", "lat"), columns, strict=True))
        polars.DataFrame(frame).write_parquet(log)
    else:
        log.write_bytes(event_file(rows(3000)) if kind == "events" else csv_table(rows(3000)))
    files = [f"--report={form}={tmp_path / form}" for form in FORMATS]
    arguments = ["check", log, "-f", FORMULA, "--rival", RIVAL, *files]
    seen: dict[str, set[bytes]] = {form: set() for form in FORMATS}
    for surrounding in surroundings():
        seen["full"].add(lossaudit(*arguments, **surrounding).stdout)
        for form in FORMATS:
            seen[form].add((tmp_path / form).read_bytes())
    assert {form: len(reports) for form, reports in seen.items()} == dict.fromkeys(FORMATS, 1)
    assert all(b"PASS" in seen[form].pop() for form in FORMATS if form != "gitlab")
    assert seen["gitlab"] == {b"[]\n"}


def test_ctrl_c_while_the_program_still_loads_ends_without_a_traceback() -> None:
    """The signal comes at the import of typer, before any command of ours can catch it."""
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from lossaudit.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"interrupted\n")
