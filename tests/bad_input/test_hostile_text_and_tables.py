"""Numbers 22 to 30, and 35: text logs, tables, JSON, compression, and names that nearly match."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hostile import (
    FORMULA,
    RIVAL,
    ROOT,
    WRITERS,
    audit_bytes,
    csv_table,
    found,
    json_lines,
    places,
    rows,
    text_lines,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

number = pytest.mark.bad_input

# 22 to 24: what writers do to numbers -------------------------------------------------------------


def float32_rows(count: int) -> list[tuple[int, float, float, float]]:
    """Rows of full float32 digits, their totals rounded as float32 training rounds them."""
    random = np.random.default_rng(22)
    lip, lat = (random.uniform(0.05, 1.0, count).astype(np.float32) for _ in range(2))
    total = np.float32(2) * lip + lat
    return [
        (k, float(t), float(a), float(b))
        for k, t, a, b in zip(range(count), total, lip, lat, strict=True)
    ]


def trainer_state(of: Sequence[tuple[int, float, float, float]], decimals: int | None) -> bytes:
    def shown(value: float) -> float:
        return value if decimals is None else round(value, decimals)

    history = [
        {"epoch": k / 10, "loss": shown(t), "lip": shown(a), "lat": shown(b), "step": k}
        for k, t, a, b in of
    ]
    return json.dumps({"best_metric": None, "log_history": history}, indent=2).encode()


@number(22)
@pytest.mark.parametrize("decimals", [4, None], ids=["rounded", "full"])
def test_a_trainer_state_passes_as_rounded_and_fails_where_it_is_wrong(
    tmp_path: Path, decimals: int | None
) -> None:
    right = float32_rows(200)
    wrong = [(k, t + 0.001, a, b) if k == 150 else (k, t, a, b) for k, t, a, b in right]
    good = audit_bytes(
        tmp_path, "trainer_state.json", trainer_state(right, decimals), rivals=[RIVAL]
    )
    assert (good.verdict.value, good.witnesses[0].decided) == ("PASS", 200)
    bad = audit_bytes(
        tmp_path, "trainer_state.json", trainer_state(wrong, decimals), rivals=[RIVAL]
    )
    assert (bad.verdict.value, bad.witnesses[0].violations) == ("FAIL", 1)
    assert bad.witnesses[0].first_violations[0].step == 150


@number(23)
def test_a_nan_that_the_trainer_filtered_out_of_the_total_is_found(tmp_path: Path) -> None:
    # logging_nan_inf_filter replaces a NaN loss by the average so far; the term shows it still.
    logged = [(k, t, float("nan") if k == 70 else a, b) for k, t, a, b in float32_rows(100)]
    result = audit_bytes(tmp_path, "trainer_state.json", trainer_state(logged, None))
    assert (result.verdict.value, result.exit_code) == ("FAIL", 1)
    (masked,) = found(result, "masked-nonfinite")
    assert masked.steps == (70, 70)


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """TensorBoard's smoothing: an exponential average without its bias towards 0."""
    last, out = 0.0, []
    for k, value in enumerate(values, 1):
        last = weight * last + (1 - weight) * value
        out.append(last / (1 - weight**k))
    return out


@number(24)
def test_a_smoothed_total_beside_raw_terms_is_given_no_wrong_name(tmp_path: Path) -> None:
    raw = float32_rows(300)
    totals = smoothed([t for _, t, _, _ in raw], 0.6)
    logged = [(k, s, a, b) for s, (k, _, a, b) in zip(totals, raw, strict=True)]
    content = json_lines(logged)
    undeclared = audit_bytes(tmp_path, "log.jsonl", content)
    assert undeclared.verdict.value != "PASS"
    named = {f.check for f in undeclared.findings if f.severity.value == "error"}
    assert named <= {"formula-mismatch", "window-mismatch"}
    kinds = ["loss=ema:0.6", "lip=step", "lat=step"]
    declared = audit_bytes(tmp_path, "log.jsonl", content, aggregates=kinds)
    assert (declared.verdict.value, declared.exit_code) == ("INCONCLUSIVE", 3)


@number(24)
def test_columns_that_are_smoothed_alike_still_add_up(tmp_path: Path) -> None:
    raw = float32_rows(300)
    columns = [smoothed(column, 0.6) for column in list(zip(*raw, strict=True))[1:]]
    logged = list(zip(range(300), *columns, strict=True))
    content = json_lines(logged)  # type: ignore[arg-type]
    result = audit_bytes(
        tmp_path, "log.jsonl", content, rivals=[RIVAL], aggregates=["loss=ema:0.6"]
    )
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 300)


# 25 to 27, 29: text that is not what it seems -----------------------------------------------------


@number(25)
def test_a_header_that_is_written_again_with_other_columns_is_followed(tmp_path: Path) -> None:
    later = b"step,lat,note,loss,lip\n" + b"".join(
        b"%d,%r,ok,%r,%r\n" % (k, b, t, a) for k, t, a, b in rows(40, 30)
    )
    result = audit_bytes(tmp_path, "log.csv", csv_table(rows(30)) + later, rivals=[RIVAL])
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 70)


def as_table(separator: str, comma: bool, quote: str) -> bytes:
    lines = [["step", "loss", "lip", "lat"], *([str(v) for v in row] for row in rows(40))]
    text = "\n".join(separator.join(quote + v + quote for v in line) for line in lines) + "\n"
    return (text.replace(".", ",") if comma else text).encode()


@number(26)
@pytest.mark.parametrize(
    "content",
    [
        as_table(";", False, ""),
        as_table(";", True, ""),
        as_table("\t", True, ""),
        as_table(",", False, '"'),
    ],
    ids=["semicolon", "decimal-comma", "tab", "quoted"],
)
def test_tables_of_other_countries_are_read(tmp_path: Path, content: bytes) -> None:
    result = audit_bytes(tmp_path, "log.csv", content, rivals=[RIVAL])
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert result.witnesses[0].decided == 40


@number(26)
@pytest.mark.parametrize("row", [b"30,1,2\n", b"30,1,2,3,4\n", b'30,"1,2,3\n'])
def test_a_ragged_row_is_named_and_costs_no_other(tmp_path: Path, row: bytes) -> None:
    content = csv_table(rows(30)) + row + csv_table(rows(30, 31)).partition(b"\n")[2]
    result = audit_bytes(tmp_path, "log.csv", content)
    assert (result.verdict.value, result.exit_code) == ("PASS", 4)
    assert places(result) == [("log.csv", 32)]
    assert result.witnesses[0].decided == 60


NASTY = {
    "NaN": b'{"step": 30, "loss": NaN, "lip": NaN, "lat": Infinity}',
    "1e400": b'{"step": 30, "loss": 1e400, "lip": 1e400, "lat": 1.0}',
    "duplicate": b'{"step": 30, "loss": 1.0, "loss": 3.0, "lip": 1.0, "lat": 1.0}',
    "digits": b'{"step": 30, "loss": ' + b"9" * 5000 + b', "lip": 1.0, "lat": 1.0}',
    "list": b'{"step": 30, "loss": ' + b"[" * 100_000 + b', "lip": 1.0}',
    "closed": b'{"step": 30, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"step": 30, "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "array": b"[1, 2, 3]",
    "surrogate": b'{"step": 30, "\\ud800": 1.0}',
}


@number(27)
@pytest.mark.parametrize("name", ["log.jsonl", "log.json"])
@pytest.mark.parametrize("case", NASTY)
def test_hostile_json_costs_at_most_itself(tmp_path: Path, name: str, case: str) -> None:
    lines = [
        *json_lines(rows(30)).splitlines(),
        NASTY[case],
        *json_lines(rows(30, 31)).splitlines(),
    ]
    is_lines = name == "log.jsonl"
    content = b"\n".join(lines) if is_lines else b'{"log": [\n' + b",\n".join(lines) + b"\n]}"
    result = audit_bytes(
        tmp_path, name, content + b"\n", reader="json-lines" if is_lines else "json"
    )
    assert result.verdict.value == "PASS"
    kept = result.witnesses[0].decided
    assert kept >= (60 if is_lines else 30)  # a document ends where its syntax does
    where = [place for _, place in places(result)]
    if kept < 60 or case not in ("NaN", "1e400", "surrogate", "closed", "objects"):
        assert where
        assert where[0] in (1, 30, 31, 32)  # what is too deep has no place but its document
    assert result.exit_code == (4 if where else 0)


def recoded(encoding: str, mark: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda content: mark + content.decode().encode(encoding)


@number(29)
@pytest.mark.parametrize("name", ["log.jsonl", "log.json", "log.csv", "log.txt"])
@pytest.mark.parametrize(
    "change",
    [
        recoded("utf-8", b"\xef\xbb\xbf"),
        recoded("utf-16"),
        recoded("utf-16-be", b"\xfe\xff"),
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.replace(b"\n", b"\r\n", 20),
    ],
    ids=["mark", "utf-16-le", "utf-16-be", "crlf", "mixed"],
)
def test_encodings_and_line_ends_change_nothing(
    tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    result = audit_bytes(tmp_path, name, change(WRITERS[name](rows(60))), rivals=[RIVAL])
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert result.witnesses[0].decided == 60


@number(29)
def test_a_bar_that_is_redrawn_has_every_state(tmp_path: Path) -> None:
    content = text_lines(rows(60)).replace(b"\n", b"\r") + b"\n"
    result = audit_bytes(tmp_path, "log.txt", content, rivals=[RIVAL])
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 60)


@number(29)
@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.txt"])
def test_bytes_that_are_no_utf8_cost_at_most_their_line(tmp_path: Path, name: str) -> None:
    lines = WRITERS[name](rows(60)).splitlines(keepends=True)
    lines[30] = lines[30].replace(b"0", b"\xff\xc0", 1)
    result = audit_bytes(tmp_path, name, b"".join(lines))
    assert result.verdict.value == "PASS"
    assert result.witnesses[0].decided >= 59
    assert result.witnesses[0].decided == 60 or result.exit_code in (0, 4)


# 28, 30: far too much -----------------------------------------------------------------------------

PEAK = """
import resource, sys
from lossaudit.audit import AuditOptions, check_logs
from lossaudit.spec.load import spec_from_formula
spec = spec_from_formula(sys.argv[2])
results = [check_logs(spec, [log], AuditOptions(reader=sys.argv[3])) for log in sys.argv[4:]]
with open(sys.argv[1], "w") as report:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = results[-1]
    decided = result.witnesses[0].decided
    print(peak >> 10, result.exit_code.value, decided, file=report)
"""
HUGE = 300 << 20
BOUND = 120
"""Mebibytes above what a small log takes; the huge ones have 300 and more."""
BOUND_OF_DOCUMENTS = 400
"""A JSON document is held whole, up to 256 MiB."""


def audited_in_bounds(
    folder: Path, log: Path, reader: str, small: Path, bound: int = BOUND
) -> tuple[int, int]:
    """(exit code, decided rows) of a log, once its audit has kept within the bound."""
    peaks = []
    for logs in ([small], [small, log]):
        command = [sys.executable, "-c", PEAK, folder / "peak", FORMULA, reader, *logs]
        subprocess.run(list(map(str, command)), check=True, cwd=ROOT, stdin=subprocess.DEVNULL)
        peak, code, decided = map(int, (folder / "peak").read_text().split())
        peaks.append(peak)
    assert peaks[1] - peaks[0] < bound
    return code, decided


READERS = {
    "json-lines": "log.jsonl",
    "csv": "log.csv",
    "text": "log.txt",
    "tensorboard": "events.out.tfevents.1",
}


@number(28)
@pytest.mark.parametrize("reader", READERS)
def test_an_endless_line_is_passed_over_in_bounded_memory(tmp_path: Path, reader: str) -> None:
    name = READERS[reader]
    small, log = tmp_path / f"small-{name}", tmp_path / name
    content = WRITERS[name](rows(100))
    small.write_bytes(content)
    with log.open("wb") as file:  # zeros in a hole, which takes no disk
        file.write(content)
        file.seek(HUGE, 1)
        file.write(b"\n" + (b"" if reader == "tensorboard" else WRITERS[name](rows(50, 100))))
    code, decided = audited_in_bounds(tmp_path, log, reader, small)
    assert code == 4
    assert decided == (100 if reader == "tensorboard" else 150)


@number(30)
@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("reader", ["json-lines", "json"])
def test_a_bomb_is_unpacked_in_bounded_memory(
    tmp_path: Path, compress: Callable[[bytes], bytes], reader: str
) -> None:
    name = "log.jsonl" if reader == "json-lines" else "log.json"
    small, log = tmp_path / f"small-{name}", tmp_path / name
    small.write_bytes(WRITERS[name](rows(100)))
    begin = json_lines(rows(100)) if reader == "json-lines" else b'{"log": [{"loss": 1.0}, "'
    member = compress(bytes(HUGE // 10))
    assert len(member) < HUGE // 1000
    log.write_bytes(compress(begin) + 10 * member)
    if reader == "json-lines":
        assert audited_in_bounds(tmp_path, log, reader, small) == (4, 100)
    else:
        assert audited_in_bounds(tmp_path, log, reader, small, BOUND_OF_DOCUMENTS) == (4, 0)


# 35: names ----------------------------------------------------------------------------------------


def renamed(content: bytes, old: str, new: str) -> bytes:
    return content.replace(old.encode(), new.encode())


@number(35)
@pytest.mark.parametrize("tag", ["Lip", "LIP", "lip_", "ｌｉｐ"])
def test_a_renamed_term_is_suggested_and_never_taken(tmp_path: Path, tag: str) -> None:
    result = audit_bytes(tmp_path, "log.jsonl", renamed(json_lines(rows(30)), "lip", tag))
    assert (result.verdict.value, result.exit_code) == ("INCONCLUSIVE", 3)
    assert f"no column for `lip` (the log has `{tag}`)" in result.reason


@number(35)
def test_a_missing_total_names_what_is_there(tmp_path: Path) -> None:
    content = renamed(json_lines(rows(30)), "loss", "Loss")
    result = audit_bytes(tmp_path, "log.jsonl", content)
    assert result.exit_code == 3
    assert "looked for `loss` (the log has `Loss`) among `Loss`, `lat`, `lip`" in result.reason


@number(35)
@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_names_are_one_name(tmp_path: Path, form: str, other: str) -> None:
    logged, declared = (unicodedata.normalize(f, "pérte") for f in (form, other))
    content = renamed(csv_table(rows(30)), "lip", logged)
    result = audit_bytes(tmp_path, "log.csv", content, formula=f"loss = 2.0*`{declared}` + lat")
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 30)
    assert result.witnesses[0].columns[declared] == logged


@number(35)
def test_a_name_in_both_forms_is_the_one_that_is_declared(tmp_path: Path) -> None:
    one, other = (unicodedata.normalize(f, "é") for f in ("NFC", "NFD"))
    lines = [
        json.dumps({"step": k, "loss": t, one: a, other: 9.0, "lat": b}) for k, t, a, b in rows(30)
    ]
    content = ("\n".join(lines) + "\n").encode()
    assert (
        audit_bytes(
            tmp_path, "log.jsonl", content, formula=f"loss = 2.0*`{one}` + lat"
        ).verdict.value
        == "PASS"
    )
    assert (
        audit_bytes(
            tmp_path, "log.jsonl", content, formula=f"loss = 2.0*`{other}` + lat"
        ).verdict.value
        == "FAIL"
    )
