"""Where a recorder's files lie: names come from the step and the rank only.

    RUN_DIR/record/terms.jsonl                      step, total and terms, one record a line
    RUN_DIR/record/weights.jsonl                    step and effective weights
    RUN_DIR/batches/step-000001.safetensors         tensors and numbers of that step

Files of rank 3 have `.rank-003` before the last dot.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_BATCH = re.compile(r"step-([0-9]{6,19})(?:\.rank-([0-9]{3,}))?\.safetensors")


class Rank(NamedTuple):
    """A process's number among the `world_size` that train together."""

    number: int = 0
    world_size: int = 1

    @property
    def suffix(self) -> str:
        """What file names of this rank have; rank 0's have nothing."""
        return f".rank-{self.number:03d}" if self.number else ""


def current_rank() -> Rank:
    """This process's rank in torch.distributed, or what a launcher says before that is set up.

    Only asks; there is nothing here that waits for another rank.
    """
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Rank(torch.distributed.get_rank(), torch.distributed.get_world_size())
    number, count = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    # RANK alone may be anybody's; a launcher sets both.
    if number.isdecimal() and count.isdecimal() and int(number) < int(count):
        return Rank(int(number), int(count))
    return Rank()


def log_path(run_dir: Path, name: str, rank: Rank) -> Path:
    """The file of one kind of record."""
    return run_dir / "record" / f"{name}{rank.suffix}.jsonl"


def batch_path(run_dir: Path, step: int, rank: Rank) -> Path:
    """The file of one step's tensors."""
    return run_dir / "batches" / f"step-{step:06d}{rank.suffix}.safetensors"


def partial_path(run_dir: Path, rank: Rank) -> Path:
    """Where a batch is written before it gets its name: one a rank, so that a kill leaves one."""
    return run_dir / "batches" / f".rank-{rank.number:03d}.partial"


class Batch(NamedTuple):
    """A batch that is there; they sort by when they were written, then by step."""

    written: int
    step: int
    size: int
    path: Path


def batches_of(run_dir: Path, rank: Rank) -> list[Batch]:
    """A rank's batches, the oldest first. Links, and files of other names, are not ours."""
    found: list[Batch] = []
    if not (run_dir / "batches").exists():
        return found
    for entry in os.scandir(run_dir / "batches"):
        match = _BATCH.fullmatch(entry.name)
        if match and int(match[2] or 0) == rank.number and entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            path = Path(entry.path)
            found.append(Batch(status.st_mtime_ns, int(match[1]), status.st_size, path))
    return sorted(found)
