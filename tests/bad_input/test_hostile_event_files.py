"""Numbers 1 to 16: TensorBoard event files, and numbers that no format protects from."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from event_bytes import VERSION, crc, event, field, frame, simple
from hostile import RIVAL, WRITERS, audit, audit_bytes, event_file, found, places, rows, scalars

NAME = "events.out.tfevents.1"
HALF = 40
"""Rows before the damage, and as many after it."""

Spoil = Callable[[bytes], bytes]


def number(*of: int) -> pytest.MarkDecorator:
    return pytest.mark.bad_input(*of)


@number(1)
def test_a_file_cut_at_any_byte_keeps_every_record_before_the_cut(tmp_path: Path) -> None:
    content = event_file(rows(2))
    ends = [len(VERSION)]
    for k, total, lip, lat in rows(2):
        for tag, value in (("loss", total), ("lip", lip), ("lat", lat)):
            ends.append(ends[-1] + len(scalars(k, **{tag: value})))
    assert ends[-1] == len(content)
    for length in range(1, len(content)):
        result = audit_bytes(tmp_path, NAME, content[:length])
        whole = [end for end in ends if end <= length]
        assert result.witnesses[0].records == max(len(whole) - 1, 0)
        at_end = length in ends
        assert places(result) == ([] if at_end else [(NAME, whole[-1] if whole else 0)])
        assert result.exit_code == (4 if not at_end else 0 if length > ends[3] else 3)


def with_length_crc_wrong(record: bytes) -> bytes:
    return record[:8] + bytes([record[8] ^ 1]) + record[9:]


def with_data_crc_wrong(record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])


def with_forged_length(record: bytes) -> bytes:
    header = struct.pack("<Q", 1 << 40)
    return header + crc(header) + record[12:]


def big_endian(record: bytes) -> bytes:
    header = struct.pack(">Q", len(record) - 16)
    payload = record[12:-4]
    return header + crc(header)[::-1] + payload + crc(payload)[::-1]


def nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = field(5, inner)
    return inner


SPOILT = [
    pytest.param(with_length_crc_wrong, marks=number(2), id="length CRC wrong"),
    pytest.param(with_data_crc_wrong, marks=number(3), id="data CRC wrong"),
    pytest.param(with_forged_length, marks=number(4), id="length of 2^40 with its CRC"),
    pytest.param(lambda record: frame(b""), marks=number(5), id="length 0"),
    pytest.param(lambda record: bytes(len(record)), marks=number(6), id="zeros"),
    pytest.param(
        lambda record: b"Traceback (most recent call last):\n",
        marks=number(7),
        id="foreign text inside",
    ),
    pytest.param(big_endian, marks=number(8), id="big-endian"),
    pytest.param(
        lambda record: frame(b"\x10" + b"\xff" * 10 + b"\x01"),
        marks=number(9),
        id="varint of 11 bytes",
    ),
    pytest.param(
        lambda record: frame(event(1) + b"\x0b\x0c"), marks=number(9), id="group wire type"
    ),
    pytest.param(
        lambda record: frame(b"\x2a\xff\xff\xff\x0f"),
        marks=number(9),
        id="a field longer than its record",
    ),
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_one_bad_record_is_named_and_costs_no_other(tmp_path: Path, spoil: Spoil) -> None:
    before, after = event_file(rows(HALF)), event_file(rows(HALF, HALF + 1))[len(VERSION) :]
    bad = spoil(scalars(HALF, lip=0.5))
    result = audit_bytes(tmp_path, NAME, before + bad + after)
    assert (result.verdict.value, result.exit_code) == ("PASS", 4)
    assert result.witnesses[0].decided == 2 * HALF
    assert places(result) == [(NAME, len(before))]


@number(4)
def test_a_forged_length_allocates_nothing(tmp_path: Path) -> None:
    log = tmp_path / NAME
    log.write_bytes(event_file(rows(5)) + with_forged_length(scalars(5, lip=0.5)))
    audit(log)  # so that all is imported
    tracemalloc.start()
    assert audit(log).exit_code == 4
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20


@number(6)
def test_a_tail_of_zeros_is_damage_at_its_first_byte(tmp_path: Path) -> None:
    content = event_file(rows(30))
    result = audit_bytes(tmp_path, NAME, content + bytes(100_000))
    assert (result.witnesses[0].decided, result.exit_code) == (30, 4)
    assert places(result) == [(NAME, len(content))]


@number(8)
def test_a_file_of_a_big_endian_writer_is_refused_or_inconclusive(tmp_path: Path) -> None:
    content = b"".join(big_endian(scalars(k, loss=t)) for k, t, _, _ in rows(20))
    result = audit_bytes(tmp_path, NAME, content, reader="tensorboard")
    assert (result.verdict.value, result.exit_code) == ("INCONCLUSIVE", 4)
    assert places(result)[0] == (NAME, 0)
    assert result.witnesses[0].records == 0


@number(9)
def test_deep_nesting_is_passed_over_without_recursion(tmp_path: Path) -> None:
    deep = frame(event(3) + field(5, nested(20_000)))
    result = audit_bytes(tmp_path, NAME, event_file(rows(30)) + deep)
    assert result.witnesses[0].decided == 30
    assert result.verdict.value == "PASS"


@number(10)
@pytest.mark.parametrize("tag", [b"\xff\xfe\x80", b"a\0b", b"t" * (1 << 20)], ids=["8", "0", "1M"])
def test_any_tag_is_read_and_shown_in_short(tmp_path: Path, tag: bytes) -> None:
    odd = frame(event(0, simple(tag, 1.0)))
    result = audit_bytes(tmp_path, NAME, event_file(rows(30)) + odd)
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    missing = audit(tmp_path / NAME, formula="total = lip + lat")
    assert missing.verdict.value == "INCONCLUSIVE"
    assert len(missing.reason) < 3000


@number(11)
def test_more_points_than_tensorboard_keeps_are_all_read(tmp_path: Path) -> None:
    result = audit_bytes(tmp_path, NAME, event_file(rows(12_001)), rivals=[RIVAL])
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 12_001)


DTYPES = [(1, "<f"), (2, "<d"), (19, "<e"), (14, "bf16")]


def tensor(tag: str, dtype: int, packing: str, value: float, shape: bytes) -> bytes:
    packed = struct.pack("<f", value)[2:] if packing == "bf16" else struct.pack(packing, value)
    return field(1, tag.encode()) + field(8, field(1, dtype) + shape + field(4, packed))


@number(12)
@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize(("dtype", "packing"), DTYPES)
def test_tensors_of_one_number_are_scalars(
    tmp_path: Path, dtype: int, packing: str, rank: int
) -> None:
    shape = field(2, b"".join(field(2, field(1, 1)) for _ in range(rank)))

    def record(step: int, values: tuple[float, float, float]) -> bytes:
        pairs = zip(("loss", "lip", "lat"), values, strict=True)
        return frame(event(step, *(tensor(t, dtype, packing, v, shape) for t, v in pairs)))

    content = VERSION + b"".join(record(k, values) for k, *values in rows(30))
    result = audit_bytes(tmp_path, NAME, content)
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert result.witnesses[0].decided == 30


@number(12)
def test_a_tensor_of_many_numbers_is_no_loss(tmp_path: Path) -> None:
    shape = field(2, field(2, field(1, 2)))
    content = VERSION + frame(event(0, tensor("loss", 1, "<f", 1.0, shape)))
    result = audit_bytes(tmp_path, NAME, content)
    assert (result.verdict.value, result.exit_code) == ("INCONCLUSIVE", 3)


@number(13)
@pytest.mark.parametrize("name", WRITERS)
def test_steps_that_repeat_and_go_back_are_paired_occurrence_by_occurrence(
    tmp_path: Path, name: str
) -> None:
    # What a restart logs at a step differs from what was logged there before.
    again = [(k - 7, t, a, b) for k, t, a, b in rows(50, 40)]
    result = audit_bytes(tmp_path, name, WRITERS[name]([*rows(60), *again]), rivals=[RIVAL])
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert result.witnesses[0].decided == 110
    (note,) = found(result, "duplicate-steps")
    assert note.evidence["duplicates"] == 27


@number(14)
def test_two_overlapping_event_files_named_by_their_folder_are_one_run(tmp_path: Path) -> None:
    two_overlapping_files(tmp_path)
    result = audit(tmp_path, rivals=[RIVAL])
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert result.witnesses[0].decided == 60 + 50
    (note,) = found(result, "duplicate-steps")
    assert note.evidence["duplicates"] == 27


@number(14)
def test_two_overlapping_event_files_named_one_by_one_say_what_they_share(tmp_path: Path) -> None:
    first, second = two_overlapping_files(tmp_path)
    result = audit(first, second, rivals=[RIVAL])
    assert (result.verdict.value, result.exit_code) == ("PASS", 0)
    assert [w.decided for w in result.witnesses] == [60, 50]
    (note,) = found(result, "duplicate-steps")
    assert note.steps == (33, 59)
    assert note.witness == str(second)
    assert str(first) in note.message


@number(14)
def test_a_crash_between_total_and_terms_pairs_nothing_across_files(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(event_file(rows(40)) + scalars(40, loss=99.0))
    (tmp_path / "events.out.tfevents.2").write_bytes(event_file(rows(60, 40)))
    result = audit(tmp_path, rivals=[RIVAL])
    assert (result.verdict.value, result.witnesses[0].violations) == ("PASS", 0)
    assert result.witnesses[0].decided >= 99
    assert result.witnesses[0].undecided  # and it is said that some row is


def two_overlapping_files(folder: Path) -> tuple[Path, Path]:
    """The second begins at step 33, where the first goes on to 59, with other values."""
    first, second = folder / NAME, folder / "events.out.tfevents.2"
    first.write_bytes(event_file(rows(60)))
    second.write_bytes(event_file([(k - 7, t, a, b) for k, t, a, b in rows(50, 40)]))
    return first, second


EXTREME = [-(2**63), -5, -1, 0, 2**53 + 1, 2**62, 2**63 - 1]


@number(15)
@pytest.mark.parametrize("name", [*WRITERS])
def test_steps_at_both_ends_of_int64_are_read_and_shown(tmp_path: Path, name: str) -> None:
    steps = [EXTREME[k // 5] if k % 5 == 0 else k for k in range(5 * len(EXTREME))]
    logged = [(s, t, a, b) for s, (_, t, a, b) in zip(steps, rows(len(steps)), strict=True)]
    good = audit_bytes(tmp_path, name, WRITERS[name](logged))
    assert (good.verdict.value, good.witnesses[0].decided) == ("PASS", len(steps))
    last = (2**63 - 1, 9.0, 1.0, 1.0)
    bad = audit_bytes(tmp_path, name, WRITERS[name]([*rows(30), last]))
    assert bad.verdict.value == "FAIL"
    assert bad.witnesses[0].first_violations[0].step == 2**63 - 1


@number(15)
@pytest.mark.parametrize("step", ["1e300", "-1e300", "NaN", '"x"', "null", "1e-5"])
def test_what_is_no_step_is_no_crash(tmp_path: Path, step: str) -> None:
    lines = [
        f'{{"step": {step if k == 7 else k}, "loss": {t}, "lip": {a}, "lat": {b}}}\n'
        for k, t, a, b in rows(30)
    ]
    result = audit_bytes(tmp_path, "log.jsonl", "".join(lines).encode())
    assert (result.verdict.value, result.witnesses[0].decided) == ("PASS", 30)


def special(loss: float, lip: float, lat: float) -> list[tuple[int, float, float, float]]:
    return [*rows(30), (30, loss, lip, lat)]


INF = float("inf")
NAN = float("nan")


@number(16)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((NAN, NAN, 1.0), "PASS"),
        ((INF, INF, 1.0), "PASS"),
        ((-INF, 1.0, -INF), "PASS"),
        ((-0.0, -0.0, 0.0), "PASS"),
        ((3e-45, 1e-45, 1e-45), "PASS"),
        ((1.0, NAN, 1.0), "FAIL"),
        ((NAN, 1.0, 1.0), "FAIL"),
        ((INF, 1.0, 1.0), "FAIL"),
        ((3.0, INF, 1.0), "FAIL"),
    ],
)
def test_special_values_are_neither_lost_nor_excused(
    tmp_path: Path, name: str, values: tuple[float, float, float], verdict: str
) -> None:
    content = (
        WRITERS[name](special(*values)).replace(b"Infinity", b"inf").replace(b"inf", b"Infinity")
    )
    result = audit_bytes(tmp_path, name, content)
    assert result.verdict.value == verdict
    if any(v != v or abs(v) == INF for v in values):
        speaks = "nonfinite-values" if verdict == "PASS" else "masked-nonfinite"
        assert found(result, speaks)
    else:
        assert result.witnesses[0].decided == 31


@number(16)
def test_numbers_near_the_ends_of_float64_neither_overflow_nor_vanish(tmp_path: Path) -> None:
    lip, lat = 0.5123456789012345, 1.0234567890123456  # no digits that could be rounded ones

    def result_of(total: float, scale: float) -> str:
        lines = [
            json.dumps({"step": k, "loss": t * scale, "lip": a * scale, "lat": b * scale})
            for k, t, a, b in [*rows(30), (30, total, lip, lat)]
        ]
        log = tmp_path / "log.jsonl"
        log.write_text("\n".join(lines) + "\n")

        return audit(log, dtype="float64").verdict.value

    for scale in (1e300, 1e-300):
        assert result_of(2 * lip + lat, scale) == "PASS"
        assert result_of(2.5 * lip + lat, scale) == "FAIL"
