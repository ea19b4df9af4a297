"""The text reader: real logs, real writers, and the bulk path against the general one."""

from __future__ import annotations

import io
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from lossaudit.audit import check_logs
from lossaudit.errors import UsageError
from lossaudit.model.finding import Verdict
from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.spec.load import spec_from_formula
from lossaudit.witnesses.lines import LONGEST_LINE
from lossaudit.witnesses.logs.text_lines import TEXT
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import BLOCK, LogStream
from lossaudit.witnesses.text.pairs import find_pairs

ROOT = Path(__file__).parents[3]
CASES = sorted((ROOT / "fixtures/logs/text_lines").glob("*/log.txt"))
REAL_LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT / "../shared/real-logs"))
YOLOX, FASTSPEECH = "yolox-plate/train_log.txt", "fastspeech2-prune/log.txt"

Numbers = dict[str, list[tuple[int, str]]]


# Reading ------------------------------------------------------------------------------------------


def read(content: bytes, pattern: str | None = None) -> tuple[Table | None, list[Damage]]:
    stream = LogStream("run.log", io.BytesIO(content))
    items = list(TEXT.read(stream, ReadOptions(pattern=pattern)))
    tables = [item for item in items if isinstance(item, Table)]
    damage = [item for item in items if isinstance(item, Damage)]
    return (concatenate(tables) if tables else None), damage


def read_whole(content: bytes) -> Table:
    table, damage = read(content)
    assert table is not None
    assert not damage
    return table


def numbers_of(table: Table | None) -> Numbers:
    """{tag: [(position, the float's exact text)]}."""
    if table is None:
        return {}
    return {
        tag: [
            (int(table.positions[r]), repr(v))
            for r, v in zip(c.records, c.values.tolist(), strict=True)
        ]
        for tag, c in table.columns.items()
    }


def values(table: Table, tag: str) -> list[float]:
    return table.columns[tag].values.tolist()


def real_log(path: str) -> bytes:
    if not REAL_LOGS.is_dir():
        pytest.skip(f"no real logs at {REAL_LOGS}")
    return (REAL_LOGS / path).read_bytes()


def tags(line: str) -> dict[str, str]:
    raw = line.encode()
    return {p.tag.decode(): raw[p.start : p.end].decode() for p in find_pairs(raw)}


# Real logs ----------------------------------------------------------------------------------------


def test_yolox_has_1240_records_whose_terms_sum_to_the_total() -> None:
    table = read_whole(real_log(YOLOX))
    names = ("total_loss", "iou_loss", "l1_loss", "conf_loss", "cls_loss")
    columns = [table.columns[name] for name in names]
    assert [len(c.values) for c in columns] == [1240] * 5
    assert all((c.records == columns[0].records).all() for c in columns)
    assert all(c.decimals == (1, 1) for c in columns)
    residual = columns[0].values - sum(c.values for c in columns[1:])
    assert np.abs(residual).max() <= 0.2500001
    assert table.positions[columns[0].records[0]] == 2269
    assert values(table, "lr")[:2] == [7.073e-06, 2.829e-05]
    assert values(table, "epoch")[-1] == 300


def test_yolox_has_no_column_of_a_clock_or_a_source_line() -> None:
    columns = read_whole(real_log(YOLOX)).columns
    wrong = [t for t in columns if re.search(r"ETA|after_iter|trainer|2021|^\d", t)]
    assert not wrong


def test_fastspeech_has_5000_records_with_exactly_its_columns() -> None:
    table = read_whole(real_log(FASTSPEECH))
    losses = ("Total", "Mel", "Mel PostNet", "Pitch", "Energy", "Duration")
    assert set(table.columns) == {"Step", *(f"{name} Loss" for name in losses)}
    assert {len(c.values) for c in table.columns.values()} == {5000}
    assert values(table, "Step") == list(range(100, 500_001, 100))
    assert table.columns["Total Loss"].decimals == (4, 4)
    assert table.positions.tolist() == list(range(1, 5001))
    assert values(table, "Mel PostNet Loss")[-1] == 0.5909


# Writers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.parent.name)
def test_fixture_holds_exactly_the_numbers_that_were_logged(path: Path) -> None:
    truth = json.loads((path.parent / "truth.json").read_text())
    table = read_whole(path.read_bytes())
    assert {t: [text for _, text in n] for t, n in numbers_of(table).items()} == truth


def test_fixtures_are_found() -> None:
    assert len(CASES) == 11


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "loss: 1.2345 (1.4567)  time: 0.5s",
            {"loss": "1.2345", "loss (mean)": "1.4567", "time": "0.5"},
        ),
        ("Epoch [1/5], Step [100/600], Loss: 2.2", {"Epoch": "1", "Step": "100", "Loss": "2.2"}),
        ("[Epoch 3][ 12/100] loss: 3", {"Epoch": "3", "loss": "3"}),
        (
            "Epoch 2:  10%|█ | 4/40 [00:03<00:27, 1.9it/s, v_num=0]",
            {"Epoch": "2", "it": "4", "v_num": "0"},
        ),
        ("loss: 0.5000:  10%|#1  | 4/40 [00:03<00:27, 1.9it/s]", {"loss": "0.5000", "it": "4"}),
        ("Steps:  10% 4/40 [00:03<00:27,  1.9s/it, loss=-1e-3]", {"it": "4", "loss": "-1e-3"}),
        ("acc (top1): 95.3%, acc(top5)=7", {"acc (top1)": "95.3", "acc(top5)": "7"}),
        (
            "{'a': nan, 'b': -inf, 'c': '0.5', \"d\": NaN}",
            {"a": "nan", "b": "-inf", "c": "0.5", "d": "NaN"},
        ),
        ("loss: tensor(0.5000, grad_fn=<AddBackward0>)", {"loss": "0.5000"}),
        ("INFO:root:loss: .3; lr=5. done", {"loss": ".3", "lr": "5"}),
        ("loss = 0.5 acc = 0.9", {"loss": "0.5", "acc": "0.9"}),
        (
            "损失: 3, decode.loss_ce: 1, train/loss=2",
            {"损失": "3", "decode.loss_ce": "1", "train/loss": "2"},
        ),
        ("5/9 [===>..] - 1s 5ms/step - loss: 0.5 - val: 1", {"loss": "0.5", "val": "1"}),
        ("lr: [1e-3], pair: [0.5, 0.6]", {"lr": "1e-3"}),
        (
            "Average forward time: 31.24 ms, NMS time: 1491Mb",
            {"Average forward time": "31.24", "NMS time": "1491"},
        ),
    ],
)
def test_line_has_exactly_these_pairs(line: str, expected: dict[str, str]) -> None:
    assert tags(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "2021-09-03 19:05:28.330",
        "ETA: 1:54:27",
        "eta: 1 day, 4:00:00",
        "at 19:05 it began",
        "time: 2021-09-03T19:05:28Z",
        "version: 1.2.3",
        "date: 2024-01-01",
        "yolox.core.trainer:after_iter:246 - text",
        "train.py:12 saved",
        "Steps:  10%|█         | 40/400 [00:03<00:27, 12.9it/s]",
        "x >= 5, y == 6",
        "level: info, name: None",
        "1: 2, 3=4",
    ],
)
def test_line_has_no_pair(line: str) -> None:
    assert tags(line) == {}


def test_first_of_two_equal_tags_is_kept() -> None:
    assert values(read_whole(b"loss: 1, loss: 2\n"), "loss") == [1.0]


def test_colours_are_removed() -> None:
    table = read_whole(b"\x1b[32mlo\x1b[1mss\x1b[0m: \x1b[1m0.25\x1b[0m\n")
    assert values(table, "loss") == [0.25]


@pytest.mark.parametrize("case", ["nanogpt", "llm-c", "fairseq", "plain"])
def test_names_without_a_colon_are_audited(case: str) -> None:
    log = str(ROOT / f"fixtures/logs/text_lines/{case}/log.txt")
    right = check_logs(spec_from_formula("loss = 0.9*nll + 0.1*smooth + l2"), [log])
    assert (right.verdict, right.witnesses[0].decided) == (Verdict.PASS, 40)
    wrong = check_logs(spec_from_formula("loss = nll + 0.1*smooth + l2"), [log])
    assert (wrong.verdict, wrong.witnesses[0].violations) == (Verdict.FAIL, 40)
    first = 1 if case in ("llm-c", "fairseq") else 0
    assert wrong.witnesses[0].first_violations[0].step == first


# Positions and encodings --------------------------------------------------------------------------


def test_redraws_share_their_line() -> None:
    table = read_whole(b"start\r\nbar: x\ra=1\ra=2\n\nb=3\r\n")
    assert table.positions.tolist() == [2, 2, 4]
    assert table.unit == "line"


def test_redraws_are_counted_in_a_file_without_line_feed() -> None:
    table = read_whole(b"\rx [a=1]\rx\rx [a=2]")
    assert table.positions.tolist() == [2, 4]


def test_redraws_of_a_long_bar_are_counted_to_its_end() -> None:
    content = b"".join(b"\r%s [a=%d]" % (b"x" * 200, k) for k in range(100_000)) + b"\nb=1\n"
    table = read_whole(content)
    assert len(content) > LONGEST_LINE
    assert table.positions.tolist() == list(range(2, 100_003))
    assert values(table, "a") == list(range(100_000))


def test_long_bars_share_their_line_where_lines_end() -> None:
    content = b"\n" + b"".join(b"%s [a=%d]\r" % (b"x" * 200, k) for k in range(20_000)) + b"\nb=1\n"
    assert read_whole(content).positions.tolist() == [*[2] * 20_000, 3]


def test_lines_count_across_blocks() -> None:
    content = b"".join(b"step: %d, loss: %d.5\n" % (k, k % 7) for k in range(120_000))
    table = read_whole(content)
    assert table.positions.tolist() == list(range(1, 120_001))
    assert values(table, "step") == list(range(120_000))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_read(encoding: str) -> None:
    assert values(read_whole("损失: 1.5\n".encode(encoding)), "损失") == [1.5]


def test_invalid_utf8_is_replaced_in_tags() -> None:
    assert values(read_whole(b"lo\xffss: 1\n"), "lo\ufffdss") == [1.0]


def test_nul_bytes_pass() -> None:
    assert values(read_whole(b"\0\0loss: 1\n"), "loss") == [1.0]


# Damage -------------------------------------------------------------------------------------------


def test_last_value_of_an_unended_line_is_left_out() -> None:
    table, damage = read(b"a: 1, b: 2\na: 3, b: 4.0")
    assert numbers_of(table) == {"a": [(1, "1.0"), (2, "3.0")], "b": [(1, "2.0")]}
    message = "the last line has no end, so 'b' may be cut and is left out"
    assert damage == [Damage(message, "run.log", 2, partial_tail=True)]


def test_only_value_of_an_unended_line_leaves_no_record() -> None:
    table, damage = read(b"a: 1\na: 3")
    assert table is not None
    assert table.records == 1
    assert damage[0].partial_tail


def test_what_comes_before_the_last_value_of_an_unended_line_is_kept() -> None:
    table, damage = read(b"step 1 loss 0.5 kl 0.25 rec 0.1")
    assert numbers_of(table) == {"step": [(1, "1.0")], "loss": [(1, "0.5")], "kl": [(1, "0.25")]}
    assert [d.message for d in damage] == [
        "the last line has no end, so 'rec' may be cut and is left out"
    ]


@pytest.mark.parametrize("end", [b"]", b"}", b")", b"]   "])
def test_closed_redraw_is_complete(end: bytes) -> None:
    table, damage = read(b"x [a=1]\rx [a=2" + end)
    assert table is not None
    assert values(table, "a") == [1.0, 2.0]
    assert not damage


def test_closed_redraw_is_complete_after_any_block() -> None:
    redraw = b"x" * (BLOCK - 1) + b"\r"
    table, damage = read(redraw * 2 + b"x [a=2]")
    assert table is not None
    assert values(table, "a") == [2.0]
    assert not damage


def test_closed_line_that_is_no_redraw_is_not_complete() -> None:
    table, damage = read(b"x [a=1]\nx [a=2]")
    assert table is not None
    assert values(table, "a") == [1.0]
    assert [d.position for d in damage] == [2]


def test_cut_redraw_is_not_complete() -> None:
    table, damage = read(b"x [a=1]\rx [a=2")
    assert table is not None
    assert values(table, "a") == [1.0]
    assert [d.position for d in damage] == [2]


def test_long_tags_are_dropped_with_one_damage() -> None:
    table, damage = read(b"".join(b"%s%d: 1, ok: 2\n" % (b"x" * 200, k) for k in range(30)))
    assert table is not None
    assert list(table.columns) == ["ok"]
    assert len(damage) == 1
    assert damage[0].position == 1


def test_more_than_10000_tags_are_dropped_with_one_damage() -> None:
    table, damage = read(b"".join(b"tag%d: 1\n" % k for k in range(10_500)))
    assert table is not None
    assert len(table.columns) == table.records == 10_000
    assert [d.position for d in damage] == [10_001]


def test_overlong_line_is_damage_and_the_rest_is_kept() -> None:
    table, damage = read(b"a: 1\n" + b"x" * (17 << 20) + b"\na: 2\n")
    assert table is not None
    assert values(table, "a") == [1.0, 2.0]
    assert table.positions.tolist() == [1, 3]
    assert len(damage) == 1


@pytest.mark.parametrize(
    "piece",
    [
        *(b"1", b":", b": 1", b":1.", b"step ", b"a(", b"a(b)", b" ", b"1 ", b"'"),
        b"=a",
        b"- ",
        b"(1",
    ],
)
def test_hostile_repeats_are_read_in_linear_time(piece: bytes) -> None:
    content = piece * (400_000 // len(piece)) + b" x: 1\n"
    begin = time.process_time()
    read(content)
    assert time.process_time() - begin < 5


# Decimals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 50])
def test_decimals_count_trailing_zeros_and_exponents(count: int) -> None:
    table = read_whole(
        b"a: 1.50, b: 1e-3, c: 12, d: nan\na: 2.5, b: 1.5e-3, c: 3, d: nan\n" * count
    )
    decimals = {tag: c.decimals for tag, c in table.columns.items()}
    assert decimals == {"a": (1, 2), "b": (3, 4), "c": (0, 0), "d": None}


# The user's pattern -------------------------------------------------------------------------------


def test_pattern_names_the_tags() -> None:
    pattern = r"at (?P<global_step>\d+) got (?P<loss>\S+)(?: or (?P<other>\S+))?"
    table, damage = read(b"x\nat 5 got 1.50\rat 6 got nan or 2\nat 7 got none\n", pattern)
    assert numbers_of(table) == {
        "global_step": [(2, "5.0"), (2, "6.0"), (3, "7.0")],
        "loss": [(2, "1.5"), (2, "nan")],
        "other": [(2, "2.0")],
    }
    assert not damage
    assert table is not None
    assert table.columns["loss"].decimals == (2, 2)


def test_pattern_counts_segments_in_a_file_without_line_feed() -> None:
    table, _ = read(b"\ra=1\ra=2", r"a=(?P<a>\d)\z|a=(?P<b>\d)")
    assert numbers_of(table) == {"a": [(2, "1.0"), (3, "2.0")]}


def test_pattern_counts_the_segments_of_a_long_bar() -> None:
    content = b"".join(b"\r%s a=%d" % (b"x" * 200, k) for k in range(20_000)) + b"\nb=1 a=7\n"
    table, damage = read(content, r"a=(?P<a>\d+)")
    assert table is not None
    assert table.positions.tolist() == list(range(2, 20_003))
    assert not damage


def test_pattern_runs_in_linear_time() -> None:
    begin = time.process_time()
    read(b"a" * 50_000 + b"\n", r"(?P<x>(a+)+)b")
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"(?=a)(?P<x>b)", r"--pattern '(?=a)(?P<x>b)', column 1: invalid perl operator: (?="),
        (
            r"(?P<x>b)[z-a]",
            r"--pattern '(?P<x>b)[z-a]', column 10: invalid character class range: z-a",
        ),
        (r"loss (\d+)", r"--pattern 'loss (\\d+)', column 1: it has no named group"),
    ],
)
def test_bad_pattern_is_a_usage_error(pattern: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(b"a\n", pattern)
    assert str(caught.value) == "\n".join(
        [
            problem,
            "  expected: a regular expression in RE2 syntax with a named group per tag",
            r"  try: --pattern 'step (?P<step>\d+) loss (?P<loss>\S+)'",
        ]
    )


# Sniffing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.parent.name)
def test_fixtures_are_recognised(path: Path) -> None:
    assert 20 <= TEXT.sniff(path.read_bytes(), "log.txt") <= 60


@pytest.mark.parametrize("path", [YOLOX, FASTSPEECH])
def test_real_logs_are_recognised(path: str) -> None:
    assert 20 <= TEXT.sniff(real_log(path)[: 1 << 16], "log.txt") <= 60


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b'{"loss": 1.5, "step": 2}\n',
        b'{}\n{"loss": 1.5}\n',
        b'[\n {"loss": 1}]',
        b"step,loss\n1,0.5\n2,0.4\n",
        b"2021-09-03 19:05:28,0.5\n",
        b"loss: 1\n\0\0\0",
        b"Lorem ipsum\n",
        b"---------\n| loss | 0.5 |\n---------\n",
    ],
)
def test_other_content_is_not_text(head: bytes) -> None:
    assert TEXT.sniff(head, "log.txt") == 0


def test_utf16_is_recognised() -> None:
    assert TEXT.sniff("loss: 1\n".encode("utf-16"), "log.txt") == 60


BAR = "14%|#4        | 41/300 [00:03<00:20, 12.9it/s, loss=0.5, a=0.25]"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"Epoch 1:  {BAR}", {"Epoch": "1", "it": "41", "loss": "0.5", "a": "0.25"}),
        (f"Epoch 1/5: {BAR}", {"Epoch": "1", "it": "41", "loss": "0.5", "a": "0.25"}),
        (BAR, {"it": "41", "loss": "0.5", "a": "0.25"}),
        ("14% 41/300 [00:03<00:20, 12.9it/s, loss=0.5]", {"it": "41", "loss": "0.5"}),
        (BAR.replace("loss", "step=7, loss"), {"step": "7", "loss": "0.5", "a": "0.25"}),
        ("Epoch 1:  14%|#4        | 41/300 [00:03<00:20, 12.9it/s]", {"Epoch": "1", "it": "41"}),
        ("14%|#4        | 41/300 [00:03<00:20, 12.9it/s]", {}),
        ("loss: 0.5 | 3/4 of it", {"loss": "0.5"}),
    ],
)
def test_the_counter_of_a_progress_bar_is_the_step(line: str, found: dict[str, str]) -> None:
    assert tags(line) == found


def test_a_bar_within_an_epoch_counts_iterations(tmp_path: Path) -> None:
    """The epoch is a column of its own, and repeated bars are no repeated steps."""
    lines = [
        f"\rEpoch {e}: {i:3d}%|#  | {i}/100 [00:03<00:20, 12.9it/s, loss={i * 3}, a={i}, b={i}]"
        for e in range(3)
        for i in range(1, 101)
    ]
    path = tmp_path / "run.log"
    path.write_text("".join(lines) + "\n")
    result = check_logs(spec_from_formula("loss = 2*a + b"), [str(path)])
    assert result.verdict is Verdict.PASS
    assert result.witnesses[0].decided == 300
    assert result.witnesses[0].series["step"][:3] == [1, 2, 3]
    assert "duplicate-steps" not in [f.check for f in result.findings]


@pytest.mark.parametrize(
    "number",
    ["1,600.5", "12,345,678.9", "7,82", "1'234.5", "1.541k", "1.#INF", "-1.#IND", "1.#QNAN"],
)
def test_a_number_that_may_be_another_is_none(number: str) -> None:
    from lossaudit.witnesses.text.pairs import find_pairs

    line = f"step 3, loss: {number}, a: 0.5"
    assert [p.tag for p in find_pairs(line.encode())] == [b"step", b"a"]
