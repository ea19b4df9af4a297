"""The csv reader against Python's csv module, real logs, and damage."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import FIXTURES, check_fixture, located, read, read_real, real_log, values

from lossaudit.model.table import Damage
from lossaudit.witnesses.logs import csv_table
from lossaudit.witnesses.logs.csv_table import CSV_TABLE

CASES = sorted(p for p in (FIXTURES / "csv_table").iterdir() if p.is_dir())
NOTES = st.text('ab ,;"\n', max_size=5)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_fixture_reads_as_its_truth(case: Path) -> None:
    check_fixture(CSV_TABLE, case)


@given(
    st.lists(st.tuples(st.floats(), st.floats() | st.just(""), NOTES), min_size=1, max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_reads_what_the_csv_module_writes(
    rows: list[tuple[float, float | str, str]], delimiter: str, end: str, quoting: int
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(["step", "a loss", "note"])
    expected: dict[str, list[list[float]]] = {}
    for row in rows:
        line = file.getvalue().count("\n") + 1
        writer.writerow(row)
        for tag, value in zip(["step", "a loss"], row, strict=False):
            if value != "":
                expected.setdefault(tag, []).append([line, float(value)])
    table, damage = read(CSV_TABLE, file.getvalue().encode())
    assert damage == []
    assert repr(sorted(located(table).items())) == repr(sorted(expected.items()))


@given(st.binary() | st.text('ab0123456789,;|\t"#.\n\r e-').map(str.encode))
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    read(CSV_TABLE, content)
    assert 0 <= CSV_TABLE.sniff(content, "log") < 90


@pytest.mark.parametrize(
    ("name", "records", "counts"),
    [
        (
            "pl-pinn-pendulum/metrics.csv",
            16400,
            {"train_loss_step": 6400, "train_loss_epoch": 10000, "step": 16400},
        ),
        ("gailppo/progress.csv", 100, {"loss": 100, "entropy loss": 100}),
    ],
)
def test_real_log_equals_the_csv_module(name: str, records: int, counts: dict[str, int]) -> None:
    table = read_real(CSV_TABLE, name)
    rows = list(csv.DictReader(io.StringIO(real_log(name).decode())))
    assert table.records == records == len(rows)
    assert {tag: len(table.columns[tag].values) for tag in counts} == counts
    for tag, column in table.columns.items():
        assert column.values.tolist() == [float(r[tag]) for r in rows if r[tag]]
        assert column.records.tolist() == [i for i, r in enumerate(rows) if r[tag]]
    assert table.positions.tolist() == list(range(2, records + 2))


def only_damage(content: bytes, kept: dict[str, list[list[float]]]) -> Damage:
    table, damage = read(CSV_TABLE, content)
    assert (located(table) if table else {}) == kept
    (one,) = damage
    return one


@pytest.mark.parametrize(("row", "found"), [(b"2", 1), (b"2,3,4", 3)])
def test_a_ragged_row_is_left_out(row: bytes, found: int) -> None:
    kept = {"a": [[2, 1.0], [4, 5.0]], "b": [[2, 2.0], [4, 6.0]]}
    expected = Damage(f"found {found} fields, expected 2", "log", 3)
    assert only_damage(b"a,b\n1,2\n" + row + b"\n5,6\n", kept) == expected


def test_an_incomplete_last_line_is_a_partial_tail() -> None:
    expected = Damage("found 1 fields, expected 2", "log", 3, partial_tail=True)
    assert only_damage(b"a,b\n1,2\n3", {"a": [[2, 1.0]], "b": [[2, 2.0]]}) == expected


def test_a_stray_quotation_mark_costs_one_line() -> None:
    rows = b"".join(b"%d,0.5\n" % k for k in range(60))
    message = "a quoted field does not end within 20 lines: '\"oops,1'"
    kept = {
        "a": [[k + 2 + (k > 29), float(k)] for k in range(60)],
        "b": [[k + 2 + (k > 29), 0.5] for k in range(60)],
    }
    content = b"a,b\n" + rows.replace(b"30,0.5\n", b'"oops,1\n30,0.5\n')
    assert only_damage(content, kept) == Damage(message, "log", 32)


def test_a_field_over_the_limit_is_left_out() -> None:
    content = b'a,b\n1,2\n3,"' + b"x" * 200_000 + b'"\n5,6\n'
    damage = only_damage(content, {"a": [[2, 1.0], [4, 5.0]], "b": [[2, 2.0], [4, 6.0]]})
    excerpt = f"{'3,' + chr(34) + 'x' * 37!r}..."
    message = f"no row of fields: field larger than field limit (131072): {excerpt}"
    assert damage == Damage(message, "log", 3)


def test_a_cell_that_is_no_number_is_named() -> None:
    content = b'a,b\n1,2\n3,"1,234.5"\n5,6\n7,8\n9,x\n'
    message = "column 'b': '1,234.5' is no number, and 1 more below"
    kept = {
        "a": [[2, 1.0], [3, 3.0], [4, 5.0], [5, 7.0], [6, 9.0]],
        "b": [[2, 2.0], [4, 6.0], [5, 8.0]],
    }
    assert only_damage(content, kept) == Damage(message, "log", 3)


def test_a_repeated_name_is_damage() -> None:
    message = "column 3 is called 'a' like one before it"
    content = b"a,b,a\n1,2,3\n"
    assert only_damage(content, {"a": [[2, 1.0]], "b": [[2, 2.0]]}) == Damage(message, "log", 1)


def test_other_text_columns_are_left_out_and_missing_markers_are_empty() -> None:
    content = b"phase,loss,host\ntrain,0.5,a1\nval,N/A,a2\ntrain,,a3\ntrain,None,a4\nx,0.25,5\n"
    table, damage = read(CSV_TABLE, content)
    assert (located(table), damage) == ({"loss": [[2, 0.5], [6, 0.25]]}, [])


def test_nan_and_inf_in_any_case_are_numbers() -> None:
    content = b"a,b\nNaN,inf\nNAN,-Inf\nnan,INFINITY\n1e400,1\n"
    found = "{'a': [nan, nan, nan, inf], 'b': [inf, -inf, inf, 1.0]}"
    assert repr(values(CSV_TABLE, content)) == found


@pytest.mark.parametrize("cell", ["1_000", "١٢", "0x10", "1 2", "--1"])
def test_what_only_python_or_nobody_calls_a_number_is_text(cell: str) -> None:
    assert list(values(CSV_TABLE, f"a,b\n1,{cell}\n2,{cell}\n".encode())) == ["a"]


@pytest.mark.parametrize(
    ("cells", "decimals"),
    [
        (["0.10", "0.2000"], (2, 4)),
        (["12", "1.5"], (0, 1)),
        (["1e-3", "1.5e-3"], (3, 4)),
        (["1.5e3", "12.50"], (-2, 2)),
        (["nan", "0.125", "inf", "1e999", ""], (3, 3)),
        (["nan", "inf"], None),
        (["-.5", "+7."], (0, 1)),
        (["0e99999999999", "1"], (-308, 0)),
    ],
)
def test_decimals_are_those_of_the_text(cells: list[str], decimals: tuple[int, int] | None) -> None:
    table, _ = read(CSV_TABLE, ("n,v\n" + "".join(f"1,{c}\n" for c in cells)).encode())
    assert table is not None
    assert table.columns["v"].decimals == decimals


def test_decimal_commas_have_decimals_too() -> None:
    table, _ = read(CSV_TABLE, b"n;v\n1;0,50\n2;1,5\n")
    assert table is not None
    assert table.columns["v"].values.tolist() == [0.5, 1.5]
    assert table.columns["v"].decimals == (1, 2)


def test_decimal_commas_count_with_a_tab_and_not_in_a_column_with_points() -> None:
    assert values(CSV_TABLE, b"a\tb\n0,5\t1.5\n0,25\t2.5\n") == {"a": [0.5, 0.25], "b": [1.5, 2.5]}
    message = "column 'b': '1,250' is no number"
    content = b"a;b\n1;1.5\n2;1,250\n3;2.5\n"
    kept = {"a": [[2, 1.0], [3, 2.0], [4, 3.0]], "b": [[2, 1.5], [4, 2.5]]}
    assert only_damage(content, kept) == Damage(message, "log", 3)


def test_a_table_without_header_takes_the_given_names() -> None:
    assert values(CSV_TABLE, b"1,2\n3,4\n", ("a", "b")) == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_given_names_replace_a_header_and_its_repetition() -> None:
    found = values(CSV_TABLE, b"x,y\n1,2\nx,y\n3,4\n", ("a", "b"))
    assert found == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_a_table_without_header_and_names_counts_its_columns() -> None:
    found = values(CSV_TABLE, b"1,2\n3,4\n")
    assert found == {"column 1": [1.0, 3.0], "column 2": [2.0, 4.0]}


def test_a_numpy_comment_names_the_columns() -> None:
    assert values(CSV_TABLE, b"# step,loss\n1,2\n3,4\n") == {"step": [1.0, 3.0], "loss": [2.0, 4.0]}


def test_a_monitor_comment_is_skipped() -> None:
    content = b'#{"t_start": 1.5, "env_id": "x"}\nr,l,t\n1,2,3\n'
    assert values(CSV_TABLE, content) == {"r": [1.0], "l": [2.0], "t": [3.0]}


def test_a_header_with_other_names_of_the_same_number_is_followed() -> None:
    table, damage = read(CSV_TABLE, b"step,loss\n1,0.5\nepoch,val_loss\n2,0.25\n")
    assert damage == []
    assert located(table) == {
        "step": [[2, 1.0]],
        "loss": [[2, 0.5]],
        "epoch": [[4, 2.0]],
        "val_loss": [[4, 0.25]],
    }


def test_a_row_of_words_below_words_is_no_header() -> None:
    content = b"phase,loss\ntrain,0.5\nwarmup,skipped\ntrain,0.25\n"
    message = "column 'loss': 'skipped' is no number"
    assert only_damage(content, {"loss": [[2, 0.5], [4, 0.25]]}) == Damage(message, "log", 3)


@pytest.mark.parametrize("content", [b"", b"\n", b"a,b\n", b"a,b\r\n", b"# x\n"])
def test_a_table_without_rows_gives_nothing(content: bytes) -> None:
    assert read(CSV_TABLE, content) == (None, [])


def test_utf16_latin1_and_marks_are_read() -> None:
    assert values(CSV_TABLE, "é,b\n1,2\n".encode("utf-16")) == {"é": [1.0], "b": [2.0]}
    assert values(CSV_TABLE, b"\xef\xbb\xbfa,b\n1,2\n") == {"a": [1.0], "b": [2.0]}
    assert list(values(CSV_TABLE, b"\xe9,b\n1,2\n")) == ["\ufffd", "b"]


def test_stretches_join_to_the_whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "STRETCH", 7)
    content = b"a,b\n" + b"".join(b"%d,0.5\n" % k for k in range(100))
    table, damage = read(CSV_TABLE, content)
    assert table is not None
    assert not damage
    assert table.columns["a"].values.tolist() == list(range(100))
    assert table.positions.tolist() == list(range(2, 102))


@pytest.mark.parametrize(
    ("content", "low", "high"),
    [
        (b"a,b\n1,2\n", 80, 89),
        (b"a;b\n1,5;2,5\n", 80, 89),
        (b"a\tb\n1\t\n\t2\n", 80, 89),
        (b"phase|loss|host\ntrain|0.5|x\n", 40, 60),
        (b"1,2\n3,4\n", 50, 70),
        (b"a,b\n", 5, 15),
        (b"loss\n0.5\n0.25\n", 10, 30),
        (b"", 0, 0),
        (b"Hello, world!\nHow are you, then?\n", 0, 0),
        (b"step loss\n1 0.5\n2 0.25\n", 80, 80),
        (b"2021-09-03 19:05:28,330 INFO loss 0.5\n2021-09-03 19:05:29,330 INFO loss 0.4\n", 0, 0),
        (b"INFO:root:epoch 1, loss: 0.5, acc: 0.7\nINFO:root:epoch 2, loss: 0.4, acc: 0.8\n", 0, 0),
        (b"Step 1, Loss: 0.5\nStep 2, Loss: 0.4\n", 0, 0),
        (b"\r 10%|# | 1/10 [00:01<00:09, 1.0it/s]\r 20%|## | 2/10 [00:02<00:08, 1.0it/s]\n", 0, 0),
        (b"-----\n| a | 1 |\n| b | 2 |\n-----\n", 0, 0),
        (b'{"a": 1, "b": 2}\n{"a": 2, "b": 3}\n', 0, 0),
        (b"PAR1\x15\x04,\x15,\x00", 0, 0),
    ],
)
def test_sniff_goes_by_content(content: bytes, low: int, high: int) -> None:
    assert low <= CSV_TABLE.sniff(content, "x.csv") <= high


@pytest.mark.parametrize(
    "name", ["fastspeech2-prune/log.txt", "gailppo/log.txt", "yolox-plate/train_log.txt"]
)
def test_real_text_logs_are_not_claimed(name: str) -> None:
    assert CSV_TABLE.sniff(real_log(name)[: 1 << 16], name) == 0


@pytest.mark.parametrize("key", ["mode", "split", "phase"])
def test_rows_of_another_part_than_training_have_tags_of_their_own(key: str) -> None:
    content = f"{key},step,loss\ntrain,1,0.5\nval,1,0.75\ntrain,2,0.25\n".encode()
    assert values(CSV_TABLE, content) == {
        "step": [1.0, 2.0],
        "loss": [0.5, 0.25],
        "val/step": [1.0],
        "val/loss": [0.75],
    }


def test_a_last_number_that_may_be_cut_is_left_out_and_reported() -> None:
    table, damage = read(CSV_TABLE, b"step,loss\n1,0.531\n2,0.52\n3,0.5")
    assert located(table) == {
        "step": [[2, 1.0], [3, 2.0], [4, 3.0]],
        "loss": [[2, 0.531], [3, 0.52]],
    }
    message = "the last line has no end, so '0.5' may be cut; left out"
    assert damage == [Damage(message, "log", 4, partial_tail=True)]


def test_a_last_number_with_the_decimals_of_its_column_is_whole() -> None:
    table, damage = read(CSV_TABLE, b"step,loss\n1,0.531\n2,0.520\n3,0.500")
    assert located(table)["loss"] == [[2, 0.531], [3, 0.52], [4, 0.5]]
    assert damage == []


@pytest.mark.parametrize("form", ["%.18e", "%10.5f", "%g"])
def test_what_numpy_savetxt_writes_is_a_table(form: str) -> None:
    numbers = np.random.default_rng(0).normal(size=(30, 3))
    for header in ("", "loss a b"):
        text = io.StringIO()
        np.savetxt(text, numbers, fmt=form, header=header)
        content = text.getvalue().encode()
        assert CSV_TABLE.sniff(content, "log.txt") >= 60
        names = header.split() or ["column 1", "column 2", "column 3"]
        found = values(CSV_TABLE, content)
        assert list(found) == names
        for tag, column in zip(names, numbers.T, strict=True):
            assert found[tag] == [float(form % x) for x in column]


def test_blanks_between_words_make_no_table() -> None:
    for line in (b"step %d loss 0.5 kl 0.25\n", b"%d samples of 12 were read\n", b"a b c %d\n"):
        assert CSV_TABLE.sniff(b"".join(line % k for k in range(30)), "log.txt") == 0
