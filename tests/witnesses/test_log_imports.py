"""A log loads what reads its own format, and of the others only what recognises them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "fixtures/musetalk-tiny/runs/main"
CODE = """
import sys
from lossaudit.witnesses.log import read_log
print(read_log(sys.argv[1]).reader, *sys.modules)
"""
OWN = {
    "json-lines": "lossaudit.witnesses.json_block",
    "text": "lossaudit.witnesses.text.bulk",
    "tensorboard": "lossaudit.witnesses.event_file.reading",
}
OFTEN_NEEDLESS = {OWN["text"], OWN["tensorboard"], "google_crc32c", "re2", "polars"}


@pytest.mark.parametrize(
    ("log", "reader"), [("log.jsonl", "json-lines"), ("log.txt", "text"), ("events", "tensorboard")]
)
def test_a_log_loads_its_own_reader_and_no_other(log: str, reader: str) -> None:
    command = [sys.executable, "-c", CODE, str(RUN / log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    chosen, *loaded = done.stdout.split()
    assert chosen == reader
    needed = {OWN[reader]} | ({"google_crc32c"} if reader == "tensorboard" else set())
    assert needed <= set(loaded)
    assert not OFTEN_NEEDLESS & set(loaded) - needed
