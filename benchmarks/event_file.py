"""How fast TensorBoard event files are read, as ratios to TensorBoard's own readers.

    python benchmarks/event_file.py [STEPS]

The files are as torch's SummaryWriter writes them: an event of its own for every scalar, wall times
that vary, right checksums. The regular one has three tags at every step; the mixed one has fifteen
in random order, some left out, and histograms between them.

Each measurement is a process of its own, and time is its CPU time, user plus system, from before
the file is opened until all numbers are there, in arrays; imports are done before. TensorBoard's
readers are made to keep every scalar and its data server to verify checksums, as lossaudit does.
Our process is set up as the command line sets up its own.
"""

from __future__ import annotations

import json
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google_crc32c import value as crc32c
from measure import PLACE, Row

from lossaudit.cli.process import settle_in

STEPS = 1_000_000
TAGS = ("loss/all", "loss/lip", "loss/lat")
MORE_TAGS = tuple(f"metric/{n}{'x' * (n % 7)}" for n in range(12))
FORMULA = "`loss/all` = 2.0*`loss/lip` + `loss/lat`"
TURNS = 3


# Writing ------------------------------------------------------------------------------------------


def masked_crc(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked_crc(length) + payload + masked_crc(payload)


def event(wall_time: float, step: int, content: bytes) -> bytes:
    at = b"\x10" + varint(step) if step else b""
    return frame(b"\x09" + struct.pack("<d", wall_time) + at + content)


def scalar(tag: str, value: float) -> bytes:
    return field(5, field(1, field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)))


def regular(steps: int) -> Iterator[bytes]:
    """Three tags at every step, whose total is right in float32."""
    draw = random.Random(80).random
    to_float32 = struct.Struct("<f")
    wall_time = 1.7e9
    for step in range(steps):
        lip, lat = (to_float32.unpack(to_float32.pack(draw()))[0] for _ in range(2))
        for tag, value in zip(TAGS, (2 * lip + lat, lip, lat), strict=True):
            wall_time += 0.01 * draw()
            yield event(wall_time, step, scalar(tag, value))


def mixed(steps: int) -> Iterator[bytes]:
    """Fifteen tags in random order, some left out, and histograms between them."""
    rng = random.Random(80)
    tags = [*TAGS, *MORE_TAGS]
    histogram = field(5, field(1, field(1, b"weights") + field(5, bytes(range(200)))))
    for step in range(steps):
        wall_time = 1.7e9 + step + rng.random()
        rng.shuffle(tags)
        yield from (
            event(wall_time, step, scalar(tag, rng.random())) for tag in tags if rng.random() < 0.7
        )
        if step % 3 == 0:
            yield event(wall_time, step, histogram)


def write(folder: Path, events: Iterator[bytes]) -> Path:
    """A folder with an event file, as the data server wants it; returns the file."""
    folder.mkdir()
    path = folder / "events.out.tfevents.1700000000.host.1.0"
    with path.open("wb") as file:
        file.write(event(1.7e9, 0, field(3, b"brain.Event:2")))
        file.writelines(events)
    return path


# Measuring, in a process of its own ---------------------------------------------------------------


def cpu_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def resident() -> int:
    """Bytes in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def read(path: str) -> dict[str, float]:
    settle_in()
    from lossaudit.witnesses.log import read_log, readers

    readers()
    before, begin = resident(), cpu_seconds(resource.RUSAGE_SELF)
    log = read_log(path).log
    seconds = cpu_seconds(resource.RUSAGE_SELF) - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    events = sum(column.count for column in log.columns.values())
    return {"seconds": seconds, "events": events, "memory": peak}


def check(path: str) -> dict[str, float]:
    settle_in()
    from lossaudit.audit import check_logs
    from lossaudit.spec.load import spec_from_formula

    spec = spec_from_formula(FORMULA)
    begin = cpu_seconds(resource.RUSAGE_SELF) + cpu_seconds(resource.RUSAGE_CHILDREN)
    result = check_logs(spec, [path])
    end = cpu_seconds(resource.RUSAGE_SELF) + cpu_seconds(resource.RUSAGE_CHILDREN)
    seconds = end - begin
    assert result.verdict.name == "PASS", result.reason
    return {"seconds": seconds}


def accumulator(path: str) -> dict[str, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    begin = cpu_seconds(resource.RUSAGE_SELF)
    read = EventAccumulator(path, size_guidance={"scalars": 0}).Reload()
    seconds = cpu_seconds(resource.RUSAGE_SELF) - begin
    return {"seconds": seconds, "events": sum(len(read.Scalars(t)) for t in read.Tags()["scalars"])}


def data_server(path: str) -> dict[str, float]:
    import grpc
    import numpy as np
    from tensorboard.data.proto import data_provider_pb2, data_provider_pb2_grpc
    from tensorboard_data_server import server_binary

    folder = Path(path).parent
    port, messages = folder / "port", folder / "messages"
    keep = ["--checksum", "--samples-per-plugin", "scalars=all", "--reload", "once", "-v"]
    command = [server_binary(), "--logdir", str(folder), "--port", "0", "--port-file", str(port)]
    begin = cpu_seconds(resource.RUSAGE_SELF)
    with messages.open("w") as file, subprocess.Popen([*command, *keep], stderr=file) as server:
        while "Finished load cycle" not in messages.read_text():
            time.sleep(0.1)
        address = f"127.0.0.1:{port.read_text().strip()}"
        channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
        request = data_provider_pb2.ReadScalarsRequest(experiment_id="any")
        request.plugin_filter.plugin_name = "scalars"
        request.downsample.num_points = 1 << 30
        found = data_provider_pb2_grpc.TensorBoardDataProviderStub(channel).ReadScalars(request)
        values = [np.array(tag.data.value) for run in found.runs for tag in run.tags]
        server.kill()
    seconds = cpu_seconds(resource.RUSAGE_SELF) - begin + cpu_seconds(resource.RUSAGE_CHILDREN)
    return {"seconds": seconds, "events": sum(map(len, values))}


MEASUREMENTS = {f.__name__: f for f in (read, check, accumulator, data_server)}


def measure(what: str, path: Path) -> dict[str, Any]:
    """The best of some processes."""
    command = [sys.executable, __file__, what, str(path)]
    runs = []
    for _ in range(TURNS):
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, **PLACE)
        runs.append(json.loads(run.stdout.splitlines()[-1]))
    return min(runs, key=lambda run: run["seconds"])


# Comparing ----------------------------------------------------------------------------------------


def rows(steps: int = STEPS) -> Iterator[Row]:
    """Every ratio; `steps` is that of the regular file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = write(folder / "small", regular(max(steps // 50, 1000)))
        whole = write(folder / "regular", regular(steps))
        other = write(folder / "mixed", mixed(max(steps // 5, 1000)))
        ours, theirs = measure("read", whole), measure("accumulator", small)
        speed = ours["events"] / ours["seconds"]
        yield compared("EventAccumulator", speed, theirs, 100.0)
        yield compared("tensorboard-data-server", speed, measure("data_server", whole), 5.0)
        size = whole.stat().st_size
        figures = f"{ours['memory'] / 1e6:.0f} MB / {size / 1e6:.0f} MB"
        yield Row("peak memory / file", figures, ours["memory"] / size, 3.0)
        checked = measure("check", whole)["seconds"]
        figures = f"{checked:.2f} s / {ours['seconds']:.2f} s"
        yield Row("`check` / the read alone", figures, checked / ours["seconds"], 2.0)
        shuffled = measure("read", other)
        speed = shuffled["events"] / shuffled["seconds"] / 1e6
        what = "tags in random order, histograms between them, in million events a second"
        yield Row(what, f"{speed:.2f} M/s", speed, 1.3, at_least=True)


def compared(reader: str, ours: float, theirs: dict[str, Any], bound: float) -> Row:
    """Events a second, against those of another reader."""
    speed = theirs["events"] / theirs["seconds"]
    figures = f"{ours / 1e6:.2f} / {speed / 1e6:.3f} M events/s"
    return Row(f"3 tags x 1,000,000 steps / {reader}", figures, ours / speed, bound, at_least=True)


def main(arguments: list[str]) -> None:
    if arguments and arguments[0] in MEASUREMENTS:
        print(json.dumps(MEASUREMENTS[arguments[0]](arguments[1])))
        return
    for row in rows(*(int(a) for a in arguments)):
        print(row.in_markdown(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
