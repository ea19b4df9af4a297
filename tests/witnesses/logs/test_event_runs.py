"""Reading many records at once against reading them one by one."""

from __future__ import annotations

import gzip
import io
import random
import struct
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from event_bytes import NAME, VERSION, event, field, frame, simple
from hypothesis import given, settings
from hypothesis import strategies as st

from lossaudit.model.table import Damage, Table, coarsest, concatenate
from lossaudit.witnesses.event_file import decode
from lossaudit.witnesses.event_file.decode import Decoder
from lossaudit.witnesses.event_file.event import decode_event
from lossaudit.witnesses.event_file.layouts import Layouts
from lossaudit.witnesses.event_file.records import Unreadable, read_records
from lossaudit.witnesses.event_file.walk import Walk
from lossaudit.witnesses.event_file.wire import MalformedError
from lossaudit.witnesses.logs.tensorboard_events import TENSORBOARD_EVENTS
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import LogStream

Seen = tuple[list[tuple[int, int, str, str]], list[tuple[str, str]], list[Damage]]
"""Every value as (position, step, tag, number as text), tags with their storage, the damage."""


def one_by_one(content: bytes) -> Seen:
    """What the general path gives."""
    rows, storages, damage = [], {}, []

    def bad(position: int, message: str, partial_tail: bool = False) -> None:
        damage.append(Damage(message, NAME, position, "byte", partial_tail))

    for item in read_records(iter([content])):
        if isinstance(item, Unreadable):
            bad(item.position, item.message, item.partial_tail)
            continue
        position, payload = item
        try:
            step, scalars = decode_event(payload)
        except MalformedError as error:
            bad(position, f"a record of {len(payload):,} bytes is no event: {error}")
            continue
        repeats: Counter[str] = Counter()
        found = []
        for raw, value, storage in scalars:
            tag = raw.decode("utf-8", "replace")
            found.append((repeats[tag], tag, value))
            repeats[tag] += 1
            storages[tag] = coarsest([storage, storages.get(tag, storage)])
        rows += [(position, step, tag, value.hex()) for _, tag, value in sorted(found, key=str)]
    return sorted(rows), list(storages.items()), damage


class Pieces(io.BytesIO):
    """A pipe that gives some bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self.size = size

    def read(self, _: int | None = -1) -> bytes:
        return super().read(self.size)


def at_once(content: bytes, piece: int = 1 << 20) -> Seen:
    """What the reader gives."""
    items = list(TENSORBOARD_EVENTS.read(LogStream(NAME, Pieces(content, piece)), ReadOptions()))
    damage = [item for item in items if isinstance(item, Damage)]
    tables = [item for item in items if isinstance(item, Table)]
    if not tables:
        return [], [], damage
    table = concatenate(tables)
    assert table.steps is not None
    assert table.unit == "byte"
    assert (np.diff(table.positions) >= 0).all()
    used = np.zeros(table.records, bool)
    rows = []
    for column in table.columns.values():
        assert (np.diff(column.records) > 0).all()
        used[column.records] = True
        for value, number in zip(column.values.tolist(), column.records.tolist(), strict=True):
            position, step = int(table.positions[number]), int(table.steps[number])
            rows.append((position, step, column.tag, value.hex()))
    assert used.all()
    return sorted(rows), [(c.tag, c.storage) for c in table.columns.values()], damage


# Against damage, bit by bit -----------------------------------------------------------------------


def plain(
    steps: int, tags: tuple[str, ...] = ("loss/all", "loss/lip", "l"), first: int = 0
) -> bytes:
    """A file as writers write it: every tag at every step, wall times that vary."""
    rng = random.Random(steps)
    records = []
    for step in range(first, first + steps):
        for tag in tags:
            wall_time = b"\x09" + struct.pack("<d", 1.7e9 + step + rng.random())
            at = field(2, step) if step else b""
            records.append(frame(wall_time + at + event(0, simple(tag, rng.gauss(0, 1)))[11:]))
    return VERSION + b"".join(records)


def decoded_at_once(content: bytes) -> int:
    """How many records the last of several runs over a file decodes together."""
    layouts = Layouts()
    for item in read_records(iter([content])):
        if not isinstance(item, Unreadable):
            layouts.learn(item[1], decode_event(item[1])[1])
    starts = Walk().starts(content, 0, 1 << 20)
    return int(Decoder(content, starts, layouts).done.sum())


def test_plain_file_is_decoded_at_once_but_for_single_records():
    content = plain(300)
    assert decoded_at_once(content) == 3 * 299  # step 0 is left out, so its records are shorter
    assert at_once(content) == one_by_one(content)


def test_every_flipped_bit_in_a_run_is_seen_as_one_by_one():
    content = plain(100, first=60)
    begin, end = len(content) // 2, len(content) // 2 + 64
    assert decoded_at_once(content) == 300
    for bit in range(8 * begin, 8 * end):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        seen = at_once(bytes(flipped))
        assert seen == one_by_one(bytes(flipped)), bit
        assert len(seen[0]) == 299, bit
        assert len(seen[2]) == 1, bit


def test_cycle_of_tags_is_read_turn_by_turn_also_where_steps_grow():
    content = plain(3000, first=15_000)
    assert decoded_at_once(content) == 9000
    assert at_once(content) == one_by_one(content)


@pytest.mark.parametrize("piece", [5000, 1 << 20])
def test_tag_of_a_megabyte_between_short_ones(piece):
    long = frame(event(5, simple("x" * (1 << 20), 1.0)))
    content = plain(100) + long + plain(100) + long[: 1 << 19]
    seen = at_once(content, piece)
    assert seen == one_by_one(content)
    assert (len(seen[0]), len(seen[2])) == (601, 1)


def test_random_flipped_bits_are_all_found():
    content = plain(3000, first=15_000)  # the step's varint grows at 16,384
    rng = random.Random(3)
    for _ in range(25):
        bits = sorted(
            rng.sample(range(8 * len(VERSION), 8 * len(content)), rng.choice([1, 1, 2, 9]))
        )
        flipped = bytearray(content)
        for bit in bits:
            flipped[bit // 8] ^= 1 << bit % 8
        seen = at_once(bytes(flipped))
        assert seen == one_by_one(bytes(flipped)), bits
        assert seen[2], bits


# Against random files -----------------------------------------------------------------------------

TAGS = ["loss", "lip", "lat", "loss/step_loss", "m\u00fc", "", "x" * 140, "x" * 5000]
OTHERS = [
    VERSION,
    frame(event(3, field(1, b"h") + field(5, bytes(400)))),
    frame(event(3, field(1, b"image") + field(4, bytes(6000)))),
    frame(event(-1, field(1, b"lip") + field(8, field(1, 2) + field(4, bytes(8))))),
    frame(event(7, simple("lip", 1.0), simple("loss", 2.0), simple("lip", 3.0))),
    frame(event(7, simple(b"\xff", 1.0), simple(b"\xfe", 3.0))),
    frame(b"\x0b"),
    frame(b""),
]


@dataclass(frozen=True)
class Part:
    """Records of some tags, step after step, as one writer goes on writing them."""

    tags: list[str]
    steps: int
    first: int
    stride: int
    has_wall_time: bool
    is_joined: bool
    is_shuffled: bool
    others: float
    seed: int

    def content(self) -> bytes:
        rng = random.Random(self.seed)
        content = []
        for number in range(self.steps):
            step = self.first + self.stride * number
            prefix = b"\x09" + rng.randbytes(8) if self.has_wall_time else b""
            prefix += field(2, step) if step else b""
            values = [field(1, t.encode()) + b"\x15" + rng.randbytes(4) for t in self.tags]
            if self.is_shuffled:
                rng.shuffle(values)
            for group in [values] if self.is_joined else [[value] for value in values]:
                content.append(frame(prefix + event(0, *group)[11:]))
                if rng.random() < self.others:
                    content.append(rng.choice(OTHERS))
        return b"".join(content)


parts = st.builds(
    Part,
    tags=st.lists(st.sampled_from(TAGS), min_size=1, max_size=4, unique=True),
    steps=st.sampled_from([1, 20, 60, 150, 400]),
    first=st.sampled_from([-300, -1, 0, 1, 100, 2**14 - 40, 2**21 - 40, 2**40, 2**62]),
    stride=st.sampled_from([1, 1, 0, -1, 50]),
    has_wall_time=st.booleans(),
    is_joined=st.booleans(),
    is_shuffled=st.booleans(),
    others=st.sampled_from([0, 0, 0.01, 0.1]),
    seed=st.integers(0, 9),
)
damages = st.tuples(
    st.sampled_from(["truncate", "flip", "zero", "insert", "remove"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 120),
)


def damaged(content: bytes, kind: str, where: float, size: int) -> bytes:
    at = int(where * len(content))
    match kind:
        case "truncate":
            return content[:at]
        case "flip":
            return content[:at] + bytes([content[at] ^ 1 << size % 8]) + content[at + 1 :]
        case "zero":
            return content[:at] + bytes(len(content[at : at + size])) + content[at + size :]
        case "insert":
            return content[:at] + b"Traceback (most recent call last)"[:size] + content[at:]
        case _:
            return content[:at] + content[at + size :]


@given(
    st.lists(parts, min_size=1, max_size=4),
    st.lists(damages, max_size=3),
    st.sampled_from([1 << 20, 1 << 20, 1000, 37]),
    st.booleans(),
    st.sampled_from([16, 512]),
)
@settings(max_examples=120)
def test_random_files_with_random_damage_are_read_as_one_by_one(
    written, harm, piece, compress, fewest_cycles
):
    content = VERSION + b"".join(part.content() for part in written)
    for kind, where, size in harm:
        content = damaged(content, kind, where, size) or VERSION
    stored = gzip.compress(content, 1) if compress else content
    with pytest.MonkeyPatch.context() as patch:  # cycles of short files are read at once as well
        patch.setattr(decode, "_FEWEST_CYCLES", fewest_cycles)
        assert at_once(stored, piece) == one_by_one(content)
