"""SIGKILL at random moments: what is on the disk is whole, before anything is mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("LOSSAUDIT_KILLS", "60"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_recorder_leaves_whole_records_only(tmp_path: Path) -> None:
    script = Path(__file__).parent / "killed_loop.py"
    command = [sys.executable, str(script), str(tmp_path), str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["rounds"] == ROUNDS
    # the kills must have hit what they were meant to hit
    assert counts["killed in a step"] > ROUNDS / 20
    assert counts["killed in a batch"] > ROUNDS / 20
