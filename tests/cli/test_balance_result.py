"""`lossaudit balance RESULT`: stored results, and hostile ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from test_balance_command import LIMITED, SPEC, as_json, balance
from test_check_command import FIGURE, MAIN, TOTAL_ONLY, lossaudit

from lossaudit.balancing import balance_result
from lossaudit.model.report import Page, Report
from lossaudit.registry import load


def stored(tmp_path: Path, *args: str) -> Path:
    path = tmp_path / "result.json"
    done = lossaudit(*args, "-q", "--report", f"json={path}")
    assert done.stderr == ""
    return path


def test_a_stored_balance_is_shown_as_it_was(tmp_path: Path) -> None:
    args = (MAIN, *SPEC, "--what-if", "loss_lip=1.0,4.0")
    path = stored(tmp_path, "balance", *args)
    assert balance(str(path)).stdout == balance(*args).stdout
    assert as_json(str(path)) == json.loads(path.read_text())


@pytest.mark.parametrize(("log", "code"), [(MAIN, 0), (FIGURE, 0), (TOTAL_ONLY, 3)])
def test_a_stored_check_shows_the_shares_that_it_holds(log: str, code: int, tmp_path: Path) -> None:
    path = stored(tmp_path, "check", log, *SPEC)
    found, direct = as_json(str(path), code=code), as_json(log, *SPEC, code=code)
    assert (found["verdict"], found["reason"]) == (direct["verdict"], direct["reason"])
    assert [f["severity"] for f in found["findings"]] == [f["severity"] for f in direct["findings"]]
    for name, term in found["balance"]["terms"].items():
        assert term["share"].items() <= direct["balance"]["terms"][name]["share"].items()
        assert sorted(term) == ["share"]
    said = " ".join(found["balance"]["cautions"])
    assert ("name the log itself" in said) == (code == 0)
    assert set(direct["balance"]["cautions"]) <= set(found["balance"]["cautions"])
    assert found["witnesses"][0]["weights"] == direct["witnesses"][0]["weights"]


def test_a_stored_result_cannot_answer_what_if_and_says_so(tmp_path: Path) -> None:
    path = stored(tmp_path, "balance", MAIN, *SPEC)
    found = as_json(str(path), "--what-if", "loss_lip=1.0,4.0")
    assert [s["check"] for s in found["skipped"]] == [
        "what-if loss_lip = 1",
        "what-if loss_lip = 4",
    ]
    text = balance(str(path), "--what-if", "loss_lip=1.0").stdout
    assert "what-if loss_lip = 1  a result holds no rows: name the log itself" in text


def test_a_stored_result_comes_from_a_pipe_or_compressed(tmp_path: Path) -> None:
    path = stored(tmp_path, "balance", MAIN, *SPEC)
    direct = balance(str(path)).stdout
    assert balance("-", stdin=path.read_bytes()).stdout == direct
    packed = tmp_path / "result.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert balance(str(packed)).stdout == direct


def test_a_log_from_a_pipe_is_still_a_log() -> None:
    done = balance("-", *SPEC, "--format", "json", stdin=Path(MAIN).read_bytes())
    assert json.loads(done.stdout)["balance"]["rows"] == 400


def test_a_stored_result_keeps_the_exit_code_of_damage(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(Path(MAIN).read_text() + '{"step": 401, "loss"\n')
    path = stored(tmp_path, "check", str(log), *SPEC)
    assert balance(str(path)).returncode == 4


def test_fail_on_counts_what_a_stored_result_found(tmp_path: Path) -> None:
    (tmp_path / "limited.yaml").write_text(LIMITED)
    path = stored(tmp_path, "check", MAIN, "-s", str(tmp_path / "limited.yaml"))
    assert balance(str(path)).returncode == 0
    assert balance(str(path), "--fail-on", "warning").returncode == 1


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (SPEC, "it says itself what was declared"),
        (["-f", "loss = a"], "it says itself what was declared"),
        (["--map", "total=x"], "it says itself what was declared"),
        (["--pattern", "(?P<a>.)"], "it says itself what was declared"),
        ([MAIN], "is shown alone"),
    ],
)
def test_a_result_stands_alone(args: list[str], text: str, tmp_path: Path) -> None:
    path = stored(tmp_path, "balance", MAIN, *SPEC)
    done = balance(str(path), *args)
    assert done.returncode == 2
    assert text in done.stderr


def test_the_report_may_not_replace_the_result(tmp_path: Path) -> None:
    path = stored(tmp_path, "balance", MAIN, *SPEC)
    before = path.read_bytes()
    assert balance(str(path), "-o", str(path)).returncode == 2
    assert path.read_bytes() == before


def test_a_reader_makes_a_log_of_what_looks_like_a_result(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rows = [{"schema": "lossaudit/1", "loss": 3.0 * i + 1, "a": i + 0.5, "b": i} for i in range(9)]
    log.write_text("\n".join(map(json.dumps, rows)))
    assert balance(str(log), "-f", "loss = 2*a + b").returncode == 2
    done = balance(str(log), "-f", "loss = 2*a + b", "--reader", "json-lines", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["balance"]["rows"] == 9


HEAD = b'{"schema": "lossaudit/1", '
HOSTILE: dict[str, tuple[bytes, str]] = {
    "cut": (HEAD + b'"version": "0', "Unterminated string"),
    "nothing in it": (HEAD[:-2] + b"}", "missing required field"),
    "a later schema": (b'{"schema": "lossaudit/2"}', "lossaudit/2"),
    "NaN": (HEAD + b'"version": NaN}', "NaN is not JSON"),
    "twice": (HEAD + b'"verdict": "PASS", "verdict": "FAIL"}', "'verdict' occurs twice"),
    "deep": (HEAD + b'"a": ' + b"[" * 100_000, "nested"),
    "rather deep": (HEAD + b'"a": ' + b"[" * 60 + b"]" * 60 + b"}", "nested"),
    "long number": (HEAD + b'"a": ' + b"9" * 10_000 + b"}", "digits"),
    "no UTF-8": (HEAD + b'"a": "\xff\xfe"}', "utf-8"),
    "large": (HEAD + b'"a": "' + b"x" * (9 << 20) + b'"}', "larger than 8 MiB"),
    "bomb": (gzip.compress(HEAD + b'"a": "' + b"x" * (50 << 20) + b'"}'), "larger than 8 MiB"),
    "broken gzip": (gzip.compress(HEAD + b'"a": "' + b"x" * 9000 + b'"}')[:-9], "gzip"),
    "text after it": (HEAD + b'"a": 1} ::error::x', "Extra data"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_result_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    content, says = HOSTILE[name]
    path = tmp_path / "result.json"
    path.write_bytes(content)
    done = balance(str(path))
    assert done.returncode == 4, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1000
    assert done.stdout == ""


def test_hostile_text_in_a_result_is_shown_escaped(tmp_path: Path) -> None:
    path = stored(tmp_path, "balance", MAIN, *SPEC)
    evil = "\\u001b]52;c;AAAA\\u0007\\u202e::error::[red]"
    path.write_text(path.read_text().replace("loss_lip", f"loss_lip{evil}"))
    for form in ("full", "concise", "json"):
        done = balance(str(path), "--format", form, "--what-if", "a\x1b=1")
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout
        assert "\n::" not in done.stdout


def test_numbers_that_no_share_has_are_shown_and_crash_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path, "balance", MAIN, *SPEC, "--what-if", "loss_lip=3")
    document = json.loads(path.read_text())

    def spoil(value: Any, k: int = 0) -> Any:
        if isinstance(value, dict):
            return {key: spoil(v, k + i) for i, (key, v) in enumerate(value.items())}
        if isinstance(value, list):
            return [spoil(v, k + i) for i, v in enumerate(value)]
        if isinstance(value, float):
            return ("NaN", "Infinity", "-Infinity", -1e308, 1e308, 0)[k % 6]
        return value

    for k in range(6):
        changed = {key: spoil(document[key], k) for key in ("balance", "witnesses", "series")}
        path.write_text(json.dumps(document | changed))
        result = balance_result(str(path))
        for report in load("lossaudit.reports", Report).values():
            assert report.render(result, Page(80))
