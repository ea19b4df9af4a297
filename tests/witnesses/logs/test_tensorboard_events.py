"""The event file reader against TensorBoard's own, and against every kind of damage."""

from __future__ import annotations

import io
import itertools
import math
import os
import struct
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from event_bytes import NAME, VERSION, crc, event, field, frame, record, simple, varint
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lossaudit.model.table import Damage, Table, concatenate
from lossaudit.witnesses.event_file import framing, resync, wire
from lossaudit.witnesses.event_file.event import decode_event, lay_out
from lossaudit.witnesses.logs.tensorboard_events import TENSORBOARD_EVENTS
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream

ROOT = Path(__file__).parents[3]
FIXTURES = sorted((ROOT / "fixtures/logs/tensorboard_events").glob("*/events.out.tfevents.*"))
REAL_LOGS = Path(os.environ.get("LOSSAUDIT_REAL_LOGS", ROOT / "../shared/real-logs"))
REAL_FILES = (
    "d2-maskrcnn-smn/events.out.tfevents.1652702116.asad.505556.0",
    "mmrotate-lsknet/events.out.tfevents.1736769101.4dd1ef83e882.1051.5",
)


# Reading and writing ------------------------------------------------------------------------------


def read(content: bytes) -> tuple[list[Table], list[Damage]]:
    items = list(TENSORBOARD_EVENTS.read(LogStream(NAME, io.BytesIO(content)), ReadOptions()))
    tables = [item for item in items if isinstance(item, Table)]
    return tables, [item for item in items if isinstance(item, Damage)]


def values_of(tables: list[Table]) -> list[tuple[int, int, str, str]]:
    """Every value as (position, step, tag, the float's exact text), in file order."""
    if not tables:
        return []
    table = concatenate(tables)
    assert table.unit == "byte"
    assert table.steps is not None
    found = []
    for column in table.columns.values():
        assert (np.diff(column.records) > 0).all()
        for value, row in zip(column.values, column.records, strict=True):
            position, step = table.positions[row], table.steps[row]
            found.append((int(row), int(position), int(step), column.tag, float(value).hex()))
    return [item[1:] for item in sorted(found)]


def only_column(content: bytes, tag: str = "t"):
    tables, damage = read(content)
    assert damage == []
    return concatenate(tables).columns[tag]


def small_file() -> tuple[bytes, list[int]]:
    """A file of six records, and the offset of each and of its end."""
    records = [
        VERSION,
        record(1, "loss", 0.5),
        record(1, "lip", math.nan),
        frame(event(300, simple("loss", 1e-40), simple("lip", -0.0))),
        frame(event(-1, field(1, b"lip") + field(8, field(1, 2) + field(4, bytes(8))))),
        record(2**40, "loss", math.inf),
    ]
    offsets = np.cumsum([0, *map(len, records)]).tolist()
    return b"".join(records), offsets


@pytest.fixture(scope="session")
def tensorboard():
    """TensorBoard's protobuf classes; importing them warns of deprecations that are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2

        class Protos:
            Event = event_pb2.Event
            Summary = summary_pb2.Summary
            TensorProto = tensor_pb2.TensorProto
            types = types_pb2

        return Protos


def accumulated(path: Path) -> list[tuple[int, str, str]]:
    """What TensorBoard's EventAccumulator finds, as (step, tag, value's text), sorted by tag."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray

        accumulator = EventAccumulator(
            str(path),
            size_guidance={"scalars": 0, "tensors": 0},
            purge_orphaned_data=False,
        ).Reload()
        tags = accumulator.Tags()
        found = [
            (e.step, tag, float(e.value).hex())
            for tag in tags["scalars"]
            for e in accumulator.Scalars(tag)
        ]
        for tag in tags["tensors"]:
            for e in accumulator.Tensors(tag):
                array = make_ndarray(e.tensor_proto)
                if array.size == 1 and array.dtype.kind in "fiubV":
                    found.append((e.step, tag, float(array.astype(np.float64).item()).hex()))
    return sorted(found, key=lambda row: row[1])


def ours(path: Path) -> list[tuple[int, str, str]]:
    tables, damage = read(path.read_bytes())
    assert damage == []
    return sorted([row[1:] for row in values_of(tables)], key=lambda row: row[1])


def written(folder: Path) -> Path:
    (path,) = folder.glob("events.out.tfevents.*")
    return path


# Against TensorBoard ------------------------------------------------------------------------------


def test_torch_scalars_equal_those_of_event_accumulator(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(tmp_path))
        for step in range(400):
            writer.add_scalar("loss/step_loss", 1.0 / (step + 1), step)
            writer.add_scalar("loss/lip", [math.nan, math.inf, -0.0, 1e-45][step % 4], step * 1000)
            writer.add_scalars("pair", {"a": step, "b": -step}, step)
        writer.add_histogram("h", np.arange(9.0), 3)
        writer.add_text("note", "no number", 3)
        writer.add_image("image", np.zeros((3, 4, 4), np.uint8), 3)
        writer.add_scalar("new/style", 0.1, 7, new_style=True)
        writer.add_scalar("new/double", 0.1, 7, new_style=True, double_precision=True)
        writer.close()
    found = ours(written(tmp_path))
    assert len(found) == 802
    assert found == accumulated(written(tmp_path))


def test_tf2_scalars_equal_those_of_event_accumulator(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.summary import Writer

        writer = Writer(str(tmp_path))
        for step in (0, 1, 127, 128, 2**31, 2**63 - 1, -1, -(2**63)):
            writer.add_scalar("loss", step / 3, step)
        writer.close()
    found = ours(written(tmp_path))
    assert len(found) == 8
    assert found == accumulated(written(tmp_path))


FLOATS = [0.0, -0.0, 1.0, -2.5, 0.1, 65504.0, math.nan, math.inf, -math.inf, 1e-7, 1e-45, 1e300]
LISTS = {
    **{"float16": "half_val", "bfloat16": "half_val", "float32": "float_val"},
    **{"float64": "double_val", "int64": "int64_val", "bool": "bool_val"},
    **{"uint32": "uint32_val", "uint64": "uint64_val"},
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int_val"),
}
NUMBERS = {"float16": 19, "bfloat16": 14, "float32": 1, "float64": 2, "int8": 6, "int16": 5}
NUMBERS |= {
    "int32": 3,
    "int64": 9,
    "uint8": 4,
    "uint16": 17,
    "uint32": 22,
    "uint64": 23,
    "bool": 10,
}


def typed(dtype: str, value: float) -> tuple[bytes, float | int, float]:
    """A value in a dtype: its bytes, what a list in a TensorProto holds, and the exact value."""
    if dtype == "bfloat16":
        import torch

        tensor = torch.tensor(value, dtype=torch.float64).to(torch.bfloat16)
        bits = tensor.view(torch.int16).item() & 0xFFFF
        return struct.pack("<H", bits), bits, tensor.double().item()
    with np.errstate(over="ignore"):
        array = np.array(value).astype(dtype)
    listed = array.view(np.uint16).item() if dtype == "float16" else array.item()
    return array.tobytes(), listed, float(array)


def tensor_proto(tensorboard, dtype: str, value: float, how: str, dims: Iterable[int] = ()):
    raw, listed, _ = typed(dtype, value)
    proto = tensorboard.TensorProto(dtype=NUMBERS[dtype])
    for size in dims:
        proto.tensor_shape.dim.add(size=size)
    if how == "raw":
        proto.tensor_content = raw
    else:
        getattr(proto, LISTS[dtype]).append(listed)
    return proto


def tensor_cases() -> list[tuple[str, float, str]]:
    cases = []
    for dtype in NUMBERS:
        numbers: Iterable[float] = FLOATS
        if dtype == "bool":
            numbers = (0, 1)
        elif "int" in dtype:
            numbers = (0, 1, np.iinfo(dtype).min, np.iinfo(dtype).max)
        cases += [(dtype, number, how) for number in numbers for how in ("raw", "list")]
    return cases


@pytest.mark.parametrize(("dtype", "value", "how"), tensor_cases())
def test_tensor_scalar_has_its_exact_value_and_storage(tensorboard, dtype, value, how):
    proto = tensor_proto(tensorboard, dtype, value, how, [1, 1] if value else [])
    payload = event(5, field(1, b"t") + field(8, proto.SerializeToString()))
    column = only_column(VERSION + frame(payload))
    assert float(column.values[0]).hex() == typed(dtype, value)[2].hex()
    assert column.storage == (dtype if "float" in dtype else "float64")


def test_tensors_of_every_dtype_equal_those_of_event_accumulator(tensorboard, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(tmp_path))
    cases = [case for case in tensor_cases() if case[0] != "bfloat16"]  # tensorboard has none
    cases = [
        case for case in cases if case[0] not in ("bool", "uint32", "uint64") or case[2] == "raw"
    ]
    for step, (dtype, value, how) in enumerate(cases):
        made = tensorboard.Event(step=step, wall_time=1.7e9)
        proto = tensor_proto(tensorboard, dtype, value, how)
        made.summary.value.add(tag=f"{dtype} {how}", tensor=proto)
        writer.add_event(made)
    writer.close()
    found = ours(written(tmp_path))
    assert len(found) == len(cases)
    assert found == sorted(accumulated(written(tmp_path)), key=lambda row: row[1])


@pytest.mark.parametrize("name", REAL_FILES)
def test_real_event_file_equals_event_accumulator(name):
    path = REAL_LOGS / name
    if not path.exists():
        pytest.skip("the real logs are not here")
    found = ours(path)
    assert len(found) >= 1000
    assert found == accumulated(path)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.parent.name)
def test_fixture_equals_event_accumulator(path):
    if path.parent.name.startswith("damaged"):
        tables, damage = read(path.read_bytes())
        assert damage
        assert values_of(tables)
        return
    assert ours(path) == accumulated(path)


def test_fixtures_are_there():
    assert len(FIXTURES) >= 4


# What a scalar is ---------------------------------------------------------------------------------


def test_zero_that_is_written_is_a_value_and_step_that_is_missing_is_zero():
    payload = b"\x09" + struct.pack("<d", 1.7e9) + field(5, field(1, simple("t", 0.0)))
    tables, damage = read(VERSION + frame(payload) + record(0, "t", 0.0))
    assert damage == []
    assert [row[1:] for row in values_of(tables)] == [(0, "t", "0x0.0p+0")] * 2


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**20, 2**63 - 1, -1, -(2**63)])
@pytest.mark.parametrize("padding", [b"", field(12, b"unknown")])
def test_step_is_exact_on_the_short_way_and_on_the_long_one(step, padding):
    payload = event(step, simple("t", 2.0)) + padding
    tables, damage = read(frame(payload) * 3)
    assert damage == []
    assert [row[1] for row in values_of(tables)] == [step] * 3


@pytest.mark.parametrize(
    "tag", [b"\xff\xfe", b"a\0b", b"x" * (1 << 20), b"", "Ω/λ".encode(), b"\xe2\x82"]
)
def test_hostile_tag_is_kept_as_a_column(tag):
    tables, damage = read(record(1, tag, 4.0) * 2)
    assert damage == []
    assert list(tables[0].columns) == [tag.decode("utf-8", "replace")]
    assert tables[0].columns[tag.decode("utf-8", "replace")].values.tolist() == [4.0, 4.0]


def test_tensor_that_is_no_single_number_is_passed_over(tensorboard):
    protos = [
        tensor_proto(tensorboard, "float32", 1.0, "list", dims) for dims in ([2], [0], [1, 3])
    ]
    protos.append(tensorboard.TensorProto(dtype=7, string_val=[b"text"]))
    protos.append(tensorboard.TensorProto(dtype=8, scomplex_val=[1.0, 2.0]))
    unknown = tensorboard.TensorProto(dtype=1, float_val=[1.0])
    unknown.tensor_shape.unknown_rank = True
    events = [
        event(1, field(1, b"t") + field(8, p.SerializeToString())) for p in [*protos, unknown]
    ]
    assert read(b"".join(map(frame, events))) == ([], [])


def test_zero_that_tensorflow_compressed_away_is_zero(tensorboard):
    proto = tensorboard.TensorProto(dtype=1).SerializeToString()
    column = only_column(frame(event(1, field(1, b"t") + field(8, proto))))
    assert column.values.tolist() == [0.0]


def test_tag_twice_in_one_event_makes_two_records_at_its_offset():
    content = VERSION + frame(event(7, simple("t", 1.0), simple("u", 2.0), simple("t", 3.0)))
    tables, _ = read(content + record(8, "t", 4.0))
    assert [row[:3] for row in values_of(tables)] == [
        (len(VERSION), 7, "t"),
        (len(VERSION), 7, "u"),
        (len(VERSION), 7, "t"),
        (len(content), 8, "t"),
    ]
    assert tables[0].columns["t"].records.tolist() == [0, 1, 2]


def test_restart_with_repeated_and_falling_steps_keeps_every_value():
    steps = [1, 2, 3, 2, 3, 3, 1]
    tables, _ = read(VERSION + b"".join(record(s, "t", i) for i, s in enumerate(steps)))
    assert tables[0].steps.tolist() == steps
    assert tables[0].columns["t"].values.tolist() == list(range(7))


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 300, 20_000])
def test_layout_is_as_writers_lay_out_scalars(size):
    tags = [b"x" * size, b"y"]
    tail, places = lay_out(tags)
    assert tail == event(1, *(simple(tag, 0.0) for tag in tags))[11:]
    begins = [tail.index(tag) + len(tag) + 1 if tag else 7 for tag in tags]
    assert list(places) == begins


def test_column_that_mixes_widths_has_the_coarsest(tensorboard):
    double, half = (
        frame(event(1, field(1, b"t") + field(8, p.SerializeToString())))
        for p in (tensor_proto(tensorboard, d, 1.0, "list") for d in ("float64", "float16"))
    )
    assert only_column(double + record(1) + double).storage == "float32"
    assert only_column(half + record(1) * 3 + double).storage == "float16"


def test_number_of_points_is_not_limited_and_tables_are_bounded():
    records = [VERSION, *(record(s, "t", s) for s in range(210_000))]
    tables, damage = read(b"".join(records))
    assert damage == []
    assert len(tables) == 2
    assert max(table.records for table in tables) < 233_000
    table = concatenate(tables)
    assert (table.steps == np.arange(210_000)).all()
    assert (table.positions == np.cumsum([len(r) for r in records[:-1]])).all()
    assert (table.columns["t"].values == np.arange(210_000)).all()


def test_tables_are_bounded_by_bytes_too():
    tables, _ = read(b"".join(record(1, b"%d" % n + b"x" * (1 << 24)) for n in range(12)))
    assert len(tables) >= 2


def test_memory_stays_within_blocks_whatever_the_file_holds():
    import tracemalloc

    image = frame(event(1, field(1, b"image") + field(4, bytes(1 << 16))))
    huge = struct.pack("<Q", 2**40)
    good = itertools.repeat(image * 16 + record(1), 99)
    pieces = itertools.chain([VERSION + huge + crc(huge)], good)

    class Generated(io.RawIOBase):
        def read(self, _=-1):
            return next(pieces, b"")

    tracemalloc.start()
    items = list(TENSORBOARD_EVENTS.read(LogStream(NAME, Generated()), ReadOptions()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [item.records for item in items if isinstance(item, Table)] == [99]
    assert peak < 16 << 20


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_pieces_of_any_size_give_the_same(size):
    content, _ = small_file()
    content = content[:100] + b"noise" + content[100:]

    class Pieces(io.BytesIO):
        def read(self, _=-1):
            return super().read(size)

    items = TENSORBOARD_EVENTS.read(LogStream(NAME, Pieces(content)), ReadOptions())
    tables = [item for item in items if isinstance(item, Table)]
    assert values_of(tables) == values_of(read(content)[0])


# Damage -------------------------------------------------------------------------------------------


def test_truncation_at_every_byte_keeps_the_records_before_and_reports_the_tail():
    content, offsets = small_file()
    whole = values_of(read(content)[0])
    for cut in range(len(content) + 1):
        tables, damage = read(content[:cut])
        begin = max(o for o in offsets if o <= cut)
        assert values_of(tables) == [row for row in whole if row[0] < begin], cut
        tails = [(d.position, d.unit, d.partial_tail) for d in damage]
        assert tails == ([] if cut == begin else [(begin, "byte", True)]), cut


def test_any_flipped_bit_loses_its_record_only_and_is_reported_there():
    content, offsets = small_file()
    whole = values_of(read(content)[0])
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        tables, damage = read(bytes(flipped))
        begin = max(o for o in offsets if o <= bit // 8)
        assert values_of(tables) == [row for row in whole if row[0] != begin], bit
        assert [d.position for d in damage] == [begin], bit


def test_data_crc_wrong_names_the_record():
    content = bytearray(VERSION + record(1) + record(2))
    content[len(VERSION) + 20] ^= 1
    _, (damage,) = read(bytes(content))
    message = "a record of 23 bytes whose data does not have the CRC stored with it"
    assert damage == Damage(message, NAME, len(VERSION), "byte")


def test_length_crc_wrong_says_how_much_is_passed_over():
    content = bytearray(VERSION + record(1) + record(2))
    content[len(VERSION) + 9] ^= 1
    tables, (damage,) = read(bytes(content))
    assert damage.message.endswith("where a record's header should be; 39 bytes are passed over")
    assert [row[1] for row in values_of(tables)] == [2]


@pytest.mark.parametrize("zeros", [4, 11, 12, 100, 1 << 20])
def test_zero_tail_is_damage_at_its_first_byte(zeros):
    content = VERSION + record(1)
    tables, (damage,) = read(content + bytes(zeros))
    assert len(values_of(tables)) == 1
    assert (damage.position, damage.partial_tail) == (len(content), False)


@pytest.mark.parametrize("text", [b"x", b"Traceback (most recent call last):\n" * 300, bytes(5000)])
@pytest.mark.parametrize("inside", [False, True])
def test_foreign_text_between_records_and_inside_one_costs_no_other(text, inside):
    cut = len(VERSION) + len(record(1)) + (20 if inside else 0)
    content = VERSION + b"".join(record(s) for s in range(1, 6))
    tables, damage = read(content[:cut] + text + content[cut:])
    assert len(damage) == 1
    assert [row[1] for row in values_of(tables)] == ([1, 3, 4, 5] if inside else [1, 2, 3, 4, 5])


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1, 2**28, 2**20])
def test_forged_length_allocates_nothing_and_the_records_after_it_are_read(length):
    import tracemalloc

    header = struct.pack("<Q", length)
    content = VERSION + record(1) + header + crc(header) + record(2) + record(3)
    tracemalloc.start()
    tables, (damage,) = read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row[1] for row in values_of(tables)] == [1, 2, 3]
    assert damage.position == len(VERSION + record(1))
    assert peak < 1 << 20


def test_length_over_the_limit_is_named():
    header = struct.pack("<Q", 2**40)
    _, (damage,) = read(VERSION + header + crc(header) + record(1))
    message = "a record announces 1,099,511,627,776 bytes; at most 268,435,456 are read; "
    assert damage.message == message + "12 bytes are passed over"


@pytest.mark.parametrize("noise", range(4070, 4110))
def test_record_is_found_wherever_the_search_is_cut_into_steps(noise):
    tables, damage = read(VERSION + b"#" * noise + record(1))
    assert len(values_of(tables)) == len(damage) == 1


def test_forged_headers_cannot_drive_up_the_cost():
    header = struct.pack("<Q", 1 << 23)
    content = record(1) + (header + crc(header)) * (1 << 20) + record(2)
    begin = time.process_time()
    tables, damage = read(content)
    assert time.process_time() - begin < 20
    assert values_of(tables)[0][1] == 1
    assert damage


def test_alternating_damage_is_passed_in_linear_time():
    content = VERSION + (record(1) + b"noise") * 20_000
    begin = time.process_time()
    tables, damage = read(content)
    assert time.process_time() - begin < 20
    assert len(values_of(tables)) == len(damage) == 20_000


def test_empty_record_is_damage():
    tables, (damage,) = read(VERSION + frame(b"") + record(1))
    assert damage.message == "a record of 0 bytes, which is no event"
    assert len(values_of(tables)) == 1


def test_big_endian_file_is_damage_from_its_first_byte():
    tables, (damage,) = read(struct.pack(">QI", 24, 0) + b"\x09" + bytes(30))
    assert tables == []
    assert (damage.position, damage.partial_tail) == (0, False)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"\x10" + b"\x80" * 10 + b"\x01", "a varint of more than ten bytes"),
        (b"\x09" + bytes(8) + b"\x10" + b"\xff" * 11, "a varint of more than ten bytes"),
        (b"\x10\x80", "the message ends inside a varint"),
        (b"\x0b\x0c", "wire type 3 in field 1"),
        (b"\x13" * 100_000, "wire type 3 in field 2"),
        (b"\x0e", "wire type 6 in field 1"),
        (b"\x00\x00", "field number 0"),
        (b"\x2a\x7f\x0a", "field 5 has 127 bytes where 1 are left"),
        (b"\x09\x00", "field 1 has 8 bytes where 1 are left"),
        (event(1, b"\x15\x00"), "field 2 has 4 bytes where 1 are left"),
        (event(1, field(8, field(1, 1) + field(4, b"abc"))), "a single float32 of 3 bytes"),
        (event(1, field(8, field(1, 6) + field(7, 200))), "200 as the value of a single int8"),
        (event(1, field(8, field(1, 1) + field(5, bytes(8)))), "more than one value in a single"),
        (event(1, simple("kept?", 1.0), b"\x0b"), "wire type 3 in field 1"),
    ],
)
def test_malformed_protobuf_behind_a_right_crc_is_damage(payload, problem):
    tables, (damage,) = read(VERSION + frame(payload) + record(1))
    assert problem in damage.message
    assert damage.message.startswith(f"a record of {len(payload):,} bytes is no event: ")
    assert damage.position == len(VERSION)
    assert len(values_of(tables)) == 1


def test_search_finds_exactly_the_offsets_with_a_right_header():
    rng = np.random.default_rng(1)
    content = bytearray(rng.integers(0, 256, 20_000, np.uint8).tobytes())
    content[3000:9000] = bytes(6000)
    for at, length in (
        (0, 5),
        (100, 2**24),
        (112, 2**24 + 1),
        (4000, 1),
        (4005, 77777),
        (19_988, 9),
    ):
        header = struct.pack("<Q", length)
        content[at : at + 12] = header + crc(header)
    for at, high in enumerate((1 << 32, 1 << 40, 1 << 48, 1 << 56)):
        forged = struct.pack("<Q", 5 | high) + crc(struct.pack("<Q", 5))
        content[200 + 20 * at : 212 + 20 * at] = forged
    slow = [
        (at, length)
        for at in range(len(content) - 11)
        if (length := framing.read_length(bytes(content[at : at + 12]))) is not None
        and length <= resync.LONGEST_SOUGHT
    ]
    assert resync.find_headers(bytes(content)) == slow
    assert [at for at, _ in slow] == [0, 100, 4005, 19_988]


@pytest.mark.parametrize("content", [b"", VERSION, VERSION[:5], VERSION + frame(b"\x10\x05")])
def test_file_without_scalars_gives_no_table(content):
    assert read(content)[0] == []


# Fuzz ---------------------------------------------------------------------------------------------

pieces = st.one_of(
    st.binary(max_size=40),
    st.just(VERSION),
    st.builds(frame, st.binary(max_size=60)),
    st.builds(record, st.integers(-(2**63), 2**63 - 1), st.binary(max_size=5)),
    st.builds(frame, st.binary(max_size=9), st.integers(0, 2**64 - 1)),
)


@given(st.lists(pieces, max_size=8).map(b"".join))
@example(b"\0" * 12)
@settings(deadline=None, max_examples=300)
def test_arbitrary_bytes_never_raise(content):
    tables, damage = read(content)
    values_of(tables)
    assert all(0 <= d.position < len(content) and d.source == NAME for d in damage)
    assert TENSORBOARD_EVENTS.sniff(content, NAME) in range(101)


numbers = st.integers(0, 2**64 - 1) | st.integers(0, 30)
wire_bytes = st.recursive(
    st.lists(
        st.one_of(
            st.builds(field, st.integers(1, 18), numbers),
            st.builds(
                lambda n, x: varint(n << 3 | 5) + x,
                st.integers(1, 9),
                st.binary(min_size=4, max_size=4),
            ),
            st.builds(
                lambda n, x: varint(n << 3 | 1) + x,
                st.integers(1, 9),
                st.binary(min_size=8, max_size=8),
            ),
            st.builds(field, st.integers(1, 18), st.binary(max_size=9)),
        ),
        max_size=4,
    ).map(b"".join),
    lambda inner: st.lists(
        st.builds(field, st.sampled_from([1, 2, 5, 8]), inner), min_size=1, max_size=3
    ).map(b"".join),
    max_leaves=6,
)


def tensor_event(step: int, dtype: int, parts: list[bytes], other: bytes) -> bytes:
    return event(step, field(1, b"t") + field(8, field(1, dtype) + b"".join(parts)) + other)


tensor_parts = st.lists(
    st.one_of(
        st.builds(field, st.sampled_from([7, 10, 11, 13, 16, 17]), numbers),
        st.builds(field, st.sampled_from([4, 5, 6, 7, 10, 11, 13]), st.binary(max_size=8)),
        st.builds(lambda x: b"\x2d" + x, st.binary(min_size=4, max_size=4)),
        st.builds(lambda x: b"\x31" + x, st.binary(min_size=8, max_size=8)),
        st.builds(lambda n: field(2, field(2, field(1, n))), st.integers(0, 2)),
    ),
    max_size=3,
)
tensors = st.builds(
    tensor_event,
    st.integers(-5, 5),
    st.sampled_from(sorted(NUMBERS.values())),
    tensor_parts,
    st.sampled_from([b"", b"\x15\0\0\x80?", field(4, b""), field(9, b"")]),
)


@given(wire_bytes | tensors)
@example(event(1, simple("t", 1.0)) + field(4, b"a graph: of alternatives the last counts"))
@example(event(1, simple("t", 1.0)) + field(5, field(1, simple("u", 2.0))))
@settings(deadline=None, max_examples=1500)
def test_scalars_equal_those_of_the_protobuf_library(tensorboard, payload):
    from google.protobuf.message import DecodeError

    try:
        theirs = tensorboard.Event.FromString(payload)
        step, scalars = decode_event(payload)
    except (DecodeError, wire.MalformedError):
        return
    assert step == theirs.step
    simple_values = [
        (value.tag.encode(), float(value.simple_value).hex())
        for value in theirs.summary.value
        if value.WhichOneof("value") == "simple_value"
    ]
    tensor_values = [
        (value.tag.encode(), number.hex())
        for value in theirs.summary.value
        if value.WhichOneof("value") == "tensor" and (number := number_of(value.tensor)) is not None
    ]
    found = [(tag, value.hex()) for tag, value, _ in scalars]
    assert sorted(found) == sorted(simple_values + tensor_values)


def number_of(tensor) -> float | None:
    """The one number of a TensorProto, as TensorFlow's `Tensor::FromProto` would have it."""
    names = {number: name for name, number in NUMBERS.items()}
    shape = tensor.tensor_shape
    if tensor.dtype not in names or shape.unknown_rank or any(d.size != 1 for d in shape.dim):
        return None
    name = names[tensor.dtype]
    if tensor.tensor_content:
        raw = tensor.tensor_content
    else:
        listed = list(getattr(tensor, LISTS[name]))
        raw_type = "uint16" if "float16" in name else name
        raw = np.array(listed[:1] or [0]).astype(raw_type).tobytes()
    if name == "bfloat16":
        return float(struct.unpack("<f", b"\0\0" + raw)[0])
    with np.errstate(invalid="ignore"):
        return float(np.frombuffer(raw, name)[0])


# Sniffing -----------------------------------------------------------------------------------------


def sniff(content: bytes, name: str = "log") -> int:
    return TENSORBOARD_EVENTS.sniff(content[: 1 << 16], name)


def test_event_file_is_known_by_its_content():
    assert sniff(VERSION) == sniff(record(1)) == sniff(small_file()[0]) == 100
    assert sniff(b"noise" + record(1) + record(2)) == 100
    assert sniff(frame(field(5, field(1, simple("no wall time", 1.0))))) == 100
    assert sniff(frame(b"\x09" + struct.pack("<d", 1.7e9) + field(4, bytes(1 << 20)))) == 90


def test_other_content_is_not_taken_for_an_event_file():
    example = frame(field(1, field(1, field(1, b"image") + field(2, b"..."))))
    for content in (b"", example, b'{"step": 0, "loss": 1.5}\n', bytes(100), b"step,loss\n0,1\n"):
        assert sniff(content) == 0
    assert sniff(b'{"step": 0, "loss": 1.5}\n', "tfevents.jsonl") == 0


def test_name_speaks_for_an_event_file_that_is_damaged_in_its_first_record():
    assert [sniff(VERSION[:cut], NAME) for cut in (0, 1, 11, 12, 20)] == [50, 60, 60, 60, 60]
    assert sniff(VERSION[:30], NAME) == 90
    assert sniff(struct.pack(">QI", 24, 0) + bytes(30), NAME) == 60
