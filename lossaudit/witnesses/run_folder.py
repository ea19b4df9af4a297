"""A run's folder: which of its files are logs, sample batches, weights, or parts of the model.

The walk is bounded and stays inside the folder: links are not followed. The content decides, names
only break ties; what is found and not used is said.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from msgspec import Struct, field

from lossaudit.errors import UsageError
from lossaudit.spec.hints import FIRST_SPEC
from lossaudit.witnesses.log import EVENT_FILES, recognised
from lossaudit.witnesses.recorded_environment import is_recorded_environment
from lossaudit.witnesses.replay.step_names import step_of
from lossaudit.witnesses.replay.stored_kinds import kind_of_config, kind_of_tensors
from lossaudit.witnesses.replay.weight_files import PICKLES

SPEC_FILE = "lossaudit.yaml"
DEEPEST = 8
MOST_ENTRIES = 20_000
MOST_LOGS = 1_000

NO_LOGS = (
    *(".py", ".pyc", ".ipynb", ".sh", ".md", ".rst", ".tex", ".pdf", ".html", ".toml", ".ini"),
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".mp4", ".avi", ".mov", ".wav", ".mp3"),
    *(".npy", ".npz", ".pkl", ".pickle", ".h5", ".onnx", ".zip", ".tar", ".so", ".lock", ".yaml"),
)
"""Endings of what is no log, whatever stands in it: source, documents, media, data."""


class RunFolder(Struct, frozen=True):
    """What was found.

    Attributes:
        path: the folder, as the user named it.
        spec: the path of its lossaudit.yaml, or None.
        logs: files, and folders of event files.
        batches: sample batches.
        checkpoints: files and folders of weights whose names tell a step.
        parts: {part: path} of the model, such as vae.
        environments: the recorder's files of the training's own environment.
        skipped: (kind, what and why) of everything else.
    """

    path: str
    spec: str | None = None
    logs: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    environments: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def spec_in(folder: str) -> str:
    """The spec in a run's folder.

    Raises:
        UsageError: if it is no folder, or has none.
    """
    path = _checked(folder) / SPEC_FILE
    if not path.is_file():
        raise UsageError(
            f"{folder!r} has no {SPEC_FILE}",
            expected=f"a spec: --spec NAME_OR_PATH, or a {SPEC_FILE} in the folder",
            hint=FIRST_SPEC,
        )
    return str(path)


def _checked(folder: str) -> Path:
    if not Path(folder).is_dir():
        raise UsageError(
            f"{folder!r} is no folder",
            expected="the folder of a run, with its logs, checkpoints and batches",
            hint="`lossaudit check LOG` audits a single log",
        )
    return Path(folder)


def find_run(folder: str, allow_pickle: bool = False, pattern: str = "") -> RunFolder:
    """Look through a run's folder.

    Args:
        folder: of the run.
        allow_pickle: whether pickled weights count as checkpoints.
        pattern: how a line of a text log is read, see `Spec`: it is recognised by that too.

    Raises:
        UsageError: if it is no folder, or holds too many logs.
    """
    root = _checked(folder)
    spec = root / SPEC_FILE
    run = RunFolder(folder, str(spec) if spec.is_file() else None)
    events = dict[str, None]()
    others = list[str]()
    for path in _files(root, run):
        if fnmatch(path.name, EVENT_FILES):
            events[str(path.parent)] = None
        elif path == spec:
            continue
        elif is_recorded_environment(path):
            run.environments.append(str(path))
        else:
            _sort_in(path, run, others, allow_pickle, pattern)
    run.logs.extend(events)
    if others:
        listed = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if others[8:] else "")
        run.skipped.append(("file", f"no log, batch or checkpoint: {listed}"))
    if len(run.logs) > MOST_LOGS:
        raise UsageError(
            f"{folder!r} holds {len(run.logs):,} logs",
            expected=f"no more than {MOST_LOGS:,}: none may pass unread",
            hint="name those meant with `lossaudit check LOG...`, or audit folders inside it",
        )
    return run


def _files(root: Path, run: RunFolder) -> Iterator[Path]:
    """Regular files in the order of their paths; what is not walked into is noted in `run`."""
    seen, waiting = 0, [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as error:
            run.skipped.append(("folder", f"{folder} cannot be read: {error.strerror}"))
            continue
        inner = list[tuple[Path, int]]()
        for entry in entries:
            seen += 1
            if seen > MOST_ENTRIES:
                run.skipped.append(("folder", f"only the first {MOST_ENTRIES:,} entries were seen"))
                return
            path = Path(entry.path)
            if entry.is_symlink():
                run.skipped.append(("file", f"{path} is a link, which is not followed"))
            elif entry.is_dir(follow_symlinks=False):
                if entry.name.startswith(".") or entry.name == "__pycache__":
                    continue
                if depth >= DEEPEST:
                    run.skipped.append(("folder", f"{path} lies too deep and was not looked into"))
                else:
                    inner.append((path, depth + 1))
            elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                yield path
            else:
                run.skipped.append(("file", f"{path} is no regular file"))
        waiting.extend(reversed(inner))


def _sort_in(
    path: Path, run: RunFolder, others: list[str], allow_pickle: bool, pattern: str
) -> None:
    """Put a file where it belongs."""
    name = path.name
    if path.suffix == ".safetensors":
        kind = kind_of_tensors(str(path))
        if kind == "batch":
            run.batches.append(str(path))
        elif kind == "weights" or _numbered(path, run) is not None:
            _weights(path, run)
        else:  # it cannot be read, and what replays it says so
            run.batches.append(str(path))
    elif path.suffix in PICKLES:
        if any(path.parent.glob("*.safetensors")):
            others.append(name)  # the state of an optimiser beside weights, or the weights again
        elif allow_pickle:
            _weights(path, run)
        else:
            run.skipped.append(
                ("checkpoint", f"{path} is a pickle; --allow-pickle reads it, with limits")
            )
    elif path.suffix == ".json" and (model := kind_of_config(str(path))):
        if model == "AutoencoderKL":
            run.parts.setdefault("vae", str(path.parent))
        elif model == "UNet2DConditionModel":
            run.parts.setdefault("unet_config", str(path))
    elif path.suffix in NO_LOGS or name.startswith(".") or recognised(str(path), pattern) is None:
        others.append(name)
    else:
        run.logs.append(str(path))


def _weights(path: Path, run: RunFolder) -> None:
    """Weights with a step are a checkpoint, those of a part belong to it."""
    folder = path.parent
    if kind_of_config(str(folder / "config.json")) == "AutoencoderKL":
        return
    numbered = _numbered(path, run)
    if numbered is None:
        run.skipped.append(
            ("checkpoint", f"{path}: its name tells no step, so no batch can be matched with it")
        )
    elif str(numbered) not in run.checkpoints:
        run.checkpoints.append(str(numbered))


def _numbered(path: Path, run: RunFolder) -> Path | None:
    """The file, or the folder around it, whose name tells a step; None where none does."""
    is_step_batch = path.name.startswith("step-")
    inside = [path, *(p for p in path.parents if p.is_relative_to(run.path))][:-1]
    return next((p for p in inside if step_of(p.name) is not None and not is_step_batch), None)
