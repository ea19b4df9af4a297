"""Names whose number cannot be read are counted, so that nobody takes their lines for audited."""

from __future__ import annotations

import io
import time
from pathlib import Path
from random import Random

import pytest

from lossaudit.audit import check_logs
from lossaudit.closure.identify.columns import Question
from lossaudit.identifying import identify_logs
from lossaudit.model.finding import Verdict
from lossaudit.model.table import Unread
from lossaudit.spec.load import spec_from_formula
from lossaudit.witnesses.logs.text_lines import TEXT
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream
from lossaudit.witnesses.text.unread import find_unread


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("step: 61, loss: 1,569.2, kl: 0.5", ["loss"]),
        ("step: 61, loss: 0.5, kl: 248.9m", ["kl"]),
        ("[val] step: 61, loss: 1,569.2, kl: 0.5", ["val/loss"]),
        ("step 61 loss 2.5 kl 0.5 mem 1.2G", ["loss", "kl", "mem"]),
        ("step 61 loss 2.5 kl 0.5 spike!", ["loss", "kl"]),
        ("step 61 loss 1,212.8 kl 0.5", ["loss", "kl"]),
        ("step 61: best loss 2.5 found", ["best loss"]),
        ("step: 61, loss: 0.5, time: 12:30", ["time"]),
        ("step: 61, loss: 0.5 (0.6), dt: 12ms", []),
        ("step 61 loss 2.5 kl 0.5", []),
        ("step 61: the loss is large", []),
        ("val step 61 loss 2.5 kl 0.5 spike!", []),
        ("saved loss 2.5 of 3", []),
    ],
)
def test_a_line_tells_which_names_have_no_number(line: str, expected: list[str]) -> None:
    assert [tag.decode() for tag in find_unread(line.encode())] == expected


@pytest.mark.parametrize("times", [1, 40, 9000])
def test_lines_are_counted_whatever_way_they_are_read(times: int) -> None:
    lines = [b"step: 1, loss: 0.5\n", b"step: 2, loss: 1,569.2\n", b"step: 3, loss: 0.25m\n"]
    stream = LogStream("run.log", io.BytesIO(b"".join(lines * times)))
    items = list(TEXT.read(stream, ReadOptions()))
    assert [i for i in items if isinstance(i, Unread)] == [Unread("loss", 2 * times, "run.log", 2)]


def _line(k: int) -> str:
    random = Random(k)
    a, b = random.uniform(0.5, 2), random.uniform(0.5, 2)
    return f"step {k} loss {a + 0.1 * b:.6f} a {a:.6f} b {b:.6f}"


LINES = [_line(k) for k in range(1, 61)]
SPIKES = [f"step {k} loss 90.0 a 1.0 b 1.0 spike!" for k in range(61, 101)]


def _write(path: Path, lines: list[str]) -> str:
    file = path / "run.log"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_a_check_warns_of_lines_that_it_could_not_read(tmp_path: Path) -> None:
    spec = spec_from_formula("loss = a + 0.1*b")
    result = check_logs(spec, [_write(tmp_path, LINES + SPIKES)])
    found = [f for f in result.findings if f.check == "low-coverage"]
    assert {f.evidence["tag"] for f in found} == {"loss", "a", "b"}
    assert found[0].message.startswith("40 lines name `")
    assert "first line 61" in found[0].message


def test_a_check_does_not_warn_where_all_lines_were_read(tmp_path: Path) -> None:
    spec = spec_from_formula("loss = a + 0.1*b")
    result = check_logs(spec, [_write(tmp_path, [*LINES, "step 60: saved all in 3.2 s"])])
    assert result.verdict is Verdict.PASS
    assert not [f for f in result.findings if f.check == "low-coverage"]


def test_nothing_is_established_over_lines_that_were_not_read(tmp_path: Path) -> None:
    whole, _ = identify_logs(Question(), [_write(tmp_path, LINES)])
    assert whole.verdict is Verdict.PASS
    partly, _ = identify_logs(Question(), [_write(tmp_path, LINES + SPIKES)])
    assert partly.verdict is Verdict.INCONCLUSIVE
    assert "40 lines name `loss`" in partly.witnesses[0].reason


@pytest.mark.parametrize("piece", [b"a ", b"a 1, ", b"a: 1k ", b"1 ", b": 1", b"a-", b"aaaa"])
def test_hostile_repeats_are_looked_through_in_linear_time(piece: bytes) -> None:
    line = b"step 1 " + piece * (200_000 // len(piece)) + b" loss 0.5"
    begin = time.process_time()
    find_unread(line)
    assert time.process_time() - begin < 5
