"""How fast text logs are read: megabytes a CPU second, of the reader alone and of a whole check.

    python benchmarks/text_logs.py [LINES]

The lines are written by tqdm, logging and loguru themselves, or as detectron2 and YOLOX format
theirs; every number varies. Each measurement is a process of its own. CPU time is user plus system:
of the reading alone, taken inside the process; of the whole process for a check.
"""

from __future__ import annotations

import io
import logging
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from measure import PLACE, Row

LINES = 1_000_000


# Writers ------------------------------------------------------------------------------------------


def losses(lines: int) -> Iterator[tuple[int, float, float, float]]:
    """(step, total, lip, latents), the total being 2 * lip + latents."""
    draw = random.Random(80).random
    for step in range(lines):
        lip, latents = 0.5 * draw(), 3 * draw()
        yield step, 2 * lip + latents, lip, latents


def write_tqdm(file: TextIO, lines: int) -> None:
    from tqdm import tqdm

    bar = tqdm(total=lines, desc="Steps", file=io.StringIO(), mininterval=0)
    for step, total, lip, latents in losses(lines):
        bar.set_postfix({"loss": total, "lip": lip, "lat": latents}, refresh=False)
        shown = bar.format_dict | {"n": step + 1, "elapsed": 0.031 * (step + 1), "ncols": None}
        file.write("\r" + bar.format_meter(**shown))
    file.write("\n")


def write_logging(file: TextIO, lines: int) -> None:
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    for step, total, lip, latents in losses(lines):
        message = f"step {step} loss: {total:.4f} lip: {lip:.4f} lat: {latents:.4f}"
        record = logging.LogRecord("train", logging.INFO, "", 1, message, None, None)
        record.created = seconds = 1_704_110_400 + 0.031 * step
        record.msecs = seconds % 1 * 1000
        file.write(formatter.format(record) + "\n")


def write_loguru(file: TextIO, lines: int) -> None:
    from loguru import logger

    logger.remove()
    sink = logger.add(file, colorize=False)
    for step, total, lip, latents in losses(lines):
        logger.info(f"iter: {step}/{lines}, loss: {total:.3f}, lip: {lip:.3f}, lat: {latents:.3f}")
    logger.remove(sink)


def write_detectron2(file: TextIO, lines: int) -> None:
    for step, total, lip, latents in losses(lines):
        hour, minute, second = step // 3600, step // 60 % 60, step % 60
        file.write(
            f"[01/01 {hour % 24:02}:{minute:02}:{second:02} d2.utils.events]:  "
            f"eta: {hour}:{minute:02}:{second:02}  iter: {20 * step}  "
            f"loss: {total:.4g}  lip: {lip:.4g}  lat: {latents:.4g}    time: {lip:.4f}  "
            f"last_time: {latents:.4f}  data_time: {lip / 50:.4f}  lr: {lip / 1000:.5g}  "
            f"max_mem: {2000 + step % 7}M\n"
        )


def write_yolox(file: TextIO, lines: int) -> None:
    for step, total, lip, latents in losses(lines):
        hour, minute, second = step // 3600 % 24, step // 60 % 60, step % 60
        file.write(
            f"2021-09-03 {hour:02}:{minute:02}:{second:02}.{step % 1000:03} | INFO     | "
            f"yolox.core.trainer:after_iter:246 - epoch: {step // 470 + 1}/300, "
            f"iter: {10 * (step % 47)}/470, mem: {1400 + step % 91}Mb, iter_time: {lip:.3f}s, "
            f"data_time: {lip / 100:.3f}s, loss: {total:.1f}, lip: {lip:.1f}, lat: {latents:.1f}, "
            f"lr: {lip / 1000:.3e}, size: {32 * (10 + step % 9)}, ETA: 1:{second:02}:27\n"
        )


WRITERS: dict[str, Callable[[TextIO, int], None]] = {
    "tqdm": write_tqdm,
    "logging": write_logging,
    "loguru": write_loguru,
    "detectron2": write_detectron2,
    "yolox": write_yolox,
}


# Measurements -------------------------------------------------------------------------------------

READ = """
import os, sys
from lossaudit.cli.process import settle_in
settle_in()
from lossaudit.model.table import Table
from lossaudit.witnesses.logs.text_lines import TEXT
from lossaudit.witnesses.reader import ReadOptions
from lossaudit.witnesses.stream import open_log
stream = open_log(sys.argv[1])
before = os.times()
items = TEXT.read(stream, ReadOptions())
records = sum(item.records for item in items if isinstance(item, Table))
after = os.times()
print(records, after.user - before.user + after.system - before.system)
"""


def read_seconds(path: Path, lines: int) -> float:
    """CPU time of the reader alone."""
    command = [sys.executable, "-c", READ, str(path)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, **PLACE)
    records, seconds = shown.stdout.split()
    if int(records) != lines:
        raise RuntimeError(f"{path.name}: {records} of {lines} records were read")
    return float(seconds)


def check_seconds(path: Path) -> float:
    """CPU time of a process that runs `lossaudit check`, from its start to its end."""
    formula = ["--formula", "loss = 2.0*lip + lat", "--quiet"]
    before = os.times()
    command = [sys.executable, "-m", "lossaudit", "check", str(path), *formula]
    done = subprocess.run(command, capture_output=True, text=True, **PLACE)
    after = os.times()
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"{path.name}: {done.stderr}")
    used = after.children_user - before.children_user
    return used + after.children_system - before.children_system


def rows(lines: int = LINES) -> Iterator[Row]:
    """Two rows for each kind of log."""
    with tempfile.TemporaryDirectory() as folder:
        for log, write in WRITERS.items():
            path = Path(folder, f"{log}.txt")
            with path.open("w", encoding="utf-8") as file:
                write(file, lines)
            size = path.stat().st_size / 1e6
            for what, taken in ("read", read_seconds(path, lines)), ("check", check_seconds(path)):
                figures = f"{size:.0f} MB / {taken:.2f} s"
                bound = 100.0 if what == "read" else None
                yield Row(f"{log}, {what}", figures, size / taken, bound, at_least=True)
            path.unlink()


def main() -> None:
    """Print one line for each row."""
    for row in rows(int(sys.argv[1]) if sys.argv[1:] else LINES):
        print(row.in_markdown(), flush=True)


if __name__ == "__main__":
    main()
