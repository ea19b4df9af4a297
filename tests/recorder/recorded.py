"""What the tests read recordings with: our own log reader, and safetensors itself."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open

from lossaudit.witnesses.log import read_log


def columns_of(path: Path) -> dict[str, list[float]]:
    """The log's columns by tag, with its steps; nothing in it is damaged."""
    read = read_log(str(path))
    assert (read.reader, read.damage) == ("json-lines", ())
    table = read.log.whole(list(read.log.columns))
    steps = {"step": table.steps.tolist()} if table.steps is not None else {}
    return steps | {tag: column.values.tolist() for tag, column in table.columns.items()}


def batch_of(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """A batch's metadata and tensors."""
    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def files_of(run_dir: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(p.relative_to(run_dir)) for p in run_dir.rglob("*") if p.is_file())
