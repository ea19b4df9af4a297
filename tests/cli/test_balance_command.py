"""`lossaudit balance`: exit codes, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from test_check_command import FIGURE, MAIN, ROOT, RUNS, TOTAL_ONLY, lossaudit

SCHEMA = json.loads((ROOT / "docs" / "schema" / "result.schema.json").read_text())
SPEC = ("-s", "musetalk-v1")
LIMITED = """\
name: limited
formula: 2.0*loss_lip + loss_latents
log: {total: [loss]}
balance: {max_share: 0.5}
"""


def balance(*args: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    return lossaudit("balance", *args, stdin=stdin)


def as_json(*args: str, code: int = 0) -> dict[str, Any]:
    done = balance(*args, "--format", "json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    Draft202012Validator(SCHEMA).validate(found)
    assert found["exit_code"] == code
    return found


@pytest.mark.parametrize("form", ["full", "concise", "json"])
@pytest.mark.parametrize(
    ("log", "code"), [(MAIN, 0), (FIGURE, 0), (TOTAL_ONLY, 3)], ids=["pass", "fail", "nothing"]
)
def test_exit_code_is_the_same_in_every_format(log: str, code: int, form: str) -> None:
    done = balance(log, *SPEC, "--format", form)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""


def test_what_the_full_report_says_of_the_recipe() -> None:
    text = balance(MAIN, *SPEC, "--what-if", "loss_lip=1.0,4.0").stdout
    assert "loss_lip / loss_latents  0.355  0.511  0.655  all 400 rows" in text
    assert "`loss_lip`\n" not in text
    for section in ("Shares of", "Course of", "Ratios of", "Equal shares", "What if"):
        assert section in text
    assert "Agreement" not in text
    assert text.endswith("exit code 0: shares are given, and no finding reaches --fail-on\n")


def test_refuted_formula_is_a_warning_that_names_the_rival() -> None:
    found = as_json(FIGURE, *SPEC)
    assert (found["verdict"], found["exit_code"]) == ("FAIL", 0)
    (finding,) = found["findings"]
    assert (finding["check"], finding["severity"]) == ("rival-formula", "warning")
    assert "declared weights" in found["balance"]["cautions"][0]
    assert balance(FIGURE, *SPEC, "--fail-on", "warning").returncode == 1


def test_only_the_total_gives_the_reason_of_check() -> None:
    checked = json.loads(lossaudit("check", TOTAL_ONLY, *SPEC, "--format", "json").stdout)
    found = as_json(TOTAL_ONLY, *SPEC, code=3)
    assert found["reason"] == checked["reason"]
    assert found["balance"]["terms"] == {}
    assert balance(TOTAL_ONLY, *SPEC, "--allow-inconclusive").returncode == 0


@pytest.fixture
def limited(tmp_path: Path) -> str:
    path = tmp_path / "limited.yaml"
    path.write_text(LIMITED)
    return str(path)


def test_dominant_term_is_the_finding_of_check(limited: str) -> None:
    checked = json.loads(lossaudit("check", MAIN, "-s", limited, "--format", "json").stdout)
    found = as_json(MAIN, "-s", limited)
    (finding,) = found["findings"]
    assert finding["check"] == "dominant-term"
    assert finding in checked["findings"]
    assert found["balance"]["terms"]["loss_lip"]["share"]["p50"] == finding["evidence"]["p50"]
    assert balance(MAIN, "-s", limited, "--fail-on", "warning").returncode == 1


def test_a_refuted_formula_has_no_dominant_term(limited: str) -> None:
    log = str(RUNS / "weight-change" / "log.jsonl")
    checks = [f["check"] for f in as_json(log, "-s", limited)["findings"]]
    assert checks == ["weight-changed"]


def test_damage_exits_with_4_and_what_could_be_read_is_weighed(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(Path(MAIN).read_text() + '{"step": 401, "loss"\n')
    found = as_json(str(log), *SPEC, code=4)
    assert found["balance"]["rows"] == 400
    assert found["findings"][0]["location"] == {"path": str(log), "line": 401}


def test_json_keeps_the_published_keys_and_adds_others() -> None:
    checked = json.loads(lossaudit("check", MAIN, *SPEC, "--format", "json").stdout)
    found = as_json(MAIN, *SPEC, "--what-if", "loss_lip=1")["balance"]
    for name, term in checked["balance"]["terms"].items():
        assert term["share"].items() <= found["terms"][name]["share"].items()
    term = found["terms"]["loss_lip"]
    assert sorted(term) == ["course", "share", "sign", "trend"]
    assert len(term["course"]) == 60
    assert {"first_tenth", "last_tenth"} <= set(term["share"])
    assert list(found["ratios"][0])[:6] == [
        "numerator", "denominator", "p05", "p50", "p95", "below"
    ]  # fmt: skip
    assert list(found["what_if"][0]) == ["term", "weight", "shares"]
    assert "balance" not in checked["witnesses"][0]


def test_several_logs_are_weighed_each() -> None:
    found = as_json(MAIN, TOTAL_ONLY, FIGURE, *SPEC)
    shown = [len(w["balance"]["terms"]) for w in found["witnesses"]]
    assert shown == [2, 0, 2]
    assert found["balance"] == found["witnesses"][0]["balance"]
    assert "3 logs" in found["reason"]
    assert found["reason"].count("has the largest share") == 2


@pytest.mark.parametrize("form", ["log.csv", "log.txt", "events"])
def test_every_format_of_the_log_gives_the_same_shares(form: str) -> None:
    shares = [
        [t["share"]["mean"] for t in as_json(path, *SPEC)["balance"]["terms"].values()]
        for path in (MAIN, str(RUNS / "main" / form))
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.002)


def test_options_of_check_work_here(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{i},{2 * (i + 1) + i * 3},{i + 1},{i * 3}\n" for i in range(30)))
    maps = ("--map", "x=a", "--map", "y=b", "--dtype", "float64", "--aggregate", "total=sum:8")
    found = as_json(str(log), "-f", "loss = 2*x + y", "--columns", "step,loss,a,b", *maps)
    assert list(found["balance"]["terms"]) == ["x", "y"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "nothing is declared"),
        ([*SPEC, "--what-if", "lip=1"], "the formula has no term 'lip'"),
        ([*SPEC, "--what-if", "loss_lip"], "--what-if 'loss_lip' has no term"),
        ([*SPEC, "--what-if", "loss_lip=much"], "'much' is no finite number"),
        ([*SPEC, "--fail-on", "fatal"], "'fatal' is no severity"),
        ([*SPEC, "--format", "xml"], "no report format is called 'xml'"),
        ([*SPEC, "-o", MAIN], "would replace the log"),
        ([*SPEC, MAIN], "a log is named twice"),
        ([*SPEC, "--reader", "xlsx"], "no reader is called 'xlsx'"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_is_wrong(args: list[str], text: str) -> None:
    done = balance(MAIN, *args)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_missing_log_exits_with_4() -> None:
    assert balance("nowhere.jsonl", *SPEC).returncode == 4


def test_a_bug_of_ours_exits_with_70() -> None:
    code = (
        "import lossaudit.cli.balance as c\n"
        "c.balance_logs = lambda *a: 1 / 0\n"
        "from lossaudit.cli.main import main\n"
        f"import sys; sys.argv = ['lossaudit', 'balance', {MAIN!r}, '-s', 'musetalk-v1']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr


def test_it_imports_no_torch_and_no_pydantic() -> None:
    code = (
        "import sys\nfrom lossaudit.cli.main import app\n"
        f"try: app(['balance', {MAIN!r}, '-s', 'musetalk-v1'], standalone_mode=False)\n"
        "except SystemExit: pass\n"
        "print(*[m for m in ('torch', 'scipy', 'polars', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_concise_report_answers_what_if() -> None:
    text = balance(MAIN, *SPEC, "--what-if", "loss_lip=1.0,4.0", "--format", "concise").stdout
    asked = [line for line in text.splitlines() if "what if" in line]
    assert [line.split(": ")[2] for line in asked] == ["loss_lip = 1", "loss_lip = 4"]
    assert all("loss_lip " in line and "loss_latents " in line for line in asked)
    found = as_json(MAIN, *SPEC, "--what-if", "loss_lip=4")["balance"]["what_if"][0]
    share = found["shares"]["loss_lip"]["p50"]
    assert f"loss_lip {100 * share:.1f}%" in asked[1]
