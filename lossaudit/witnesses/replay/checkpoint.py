"""Weights as one thing, however they were stored: open_checkpoint(path) -> Checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from lossaudit.errors import InputError
from lossaudit.model.replay import StoredFile
from lossaudit.witnesses.replay.content import kind_of
from lossaudit.witnesses.replay.load_into import load_into
from lossaudit.witnesses.replay.names import listed, shown
from lossaudit.witnesses.replay.nonfinite import nonfinite_counts
from lossaudit.witnesses.replay.opened_file import OpenedFile, open_stored
from lossaudit.witnesses.replay.pickle_file import open_pickle
from lossaudit.witnesses.replay.shards import (
    check_complete,
    read_index,
    read_json_object,
    shard_path,
)
from lossaudit.witnesses.replay.step_names import step_of
from lossaudit.witnesses.replay.tensor_file import tensors_of
from lossaudit.witnesses.replay.tensor_names import without_wrappers
from lossaudit.witnesses.replay.weight_files import (
    PICKLES,
    WeightFiles,
    refuse_distributed,
    sibling_of,
    weights_in,
)

if TYPE_CHECKING:
    from torch import Tensor

_MOST_CONFIGS = 20
_LARGEST_CONFIG = 1 << 20

__all__ = ["Checkpoint", "load_into", "open_checkpoint"]


class Checkpoint(Struct, frozen=True):
    """The weights of one model at one step.

    Attributes:
        path: as named.
        step: as the name tells it: "checkpoint-300", "unet-300.pth"; None where it does not.
        layout: how they are stored, such as "safetensors" or "2 safetensors shards".
        tensors: by the model's own names, on the CPU, mapped.
        prefix: what all names began with before.
        config: the JSON beside the weights that tells the model, {} where there is none.
        opened: every file that was opened.
        notes: choices that were made and what is odd, each a sentence for the report.
        nonfinite: tensor -> its elements that are NaN or infinite, where it has any.
    """

    path: str
    step: int | None
    layout: str
    tensors: Mapping[str, Tensor]
    prefix: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    opened: tuple[OpenedFile, ...] = ()
    notes: tuple[str, ...] = ()
    nonfinite: Mapping[str, int] = field(default_factory=dict)

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file that was read, with its digest; waits for those that are not computed yet.

        Raises:
            InputError: if somebody wrote to one of them since it was opened.
        """
        return tuple(file.stored() for file in self.opened)


class Stored(Struct, frozen=True):
    """Tensors under the names that their files give them.

    Attributes:
        layout: in words.
        tensors: as stored.
        opened: the files.
        notes: choices.
    """

    layout: str
    tensors: Mapping[str, Tensor]
    opened: tuple[OpenedFile, ...]
    notes: tuple[str, ...] = ()


def open_checkpoint(path: str, allow_pickle: bool = False) -> Checkpoint:
    """Open the weights of one model; nothing is copied, and no code in them is run.

    Args:
        path: a file, an index of shards, or the folder of one model.
        allow_pickle: also read pickled state dicts, in a process with limits. Where a safetensors
            file lies beside a pickle, that is read, and the pickle is not touched.

    Raises:
        InputError: if it cannot be read, is refused for safety, or leaves a choice that nothing
            decides.
    """
    weights = weights_in(path) if _is_folder(path) else _named(path)
    read = _sharded if weights.is_index else _single
    stored = read(weights.path, allow_pickle)
    if not stored.tensors:
        raise InputError("holds no tensors", where=weights.path, expected="weights of a model")
    try:
        tensors, prefix = without_wrappers(stored.tensors)
    except ValueError as error:
        raise InputError(str(error), where=weights.path) from None
    config, beside, config_note = _config(Path(weights.path).parent)
    removed = f"all names begin with {shown(prefix)}, which is left out" if prefix else ""
    for file in stored.opened:
        file.stored()  # reads from front to back, before pages are asked for here and there
    nonfinite = nonfinite_counts(tensors)
    count = sum(nonfinite.values())
    broken = f"{count:,} weights are NaN or infinite, in {listed(nonfinite)}" if nonfinite else ""
    notes = (weights.note, *stored.notes, removed, config_note, broken)
    return Checkpoint(
        path,
        step_of(path),
        stored.layout,
        tensors,
        prefix,
        config,
        (*stored.opened, *beside),
        tuple(note for note in notes if note),
        nonfinite,
    )


def _is_folder(path: str) -> bool:
    with suppress(OSError, ValueError):  # whoever opens it says what is wrong
        return Path(path).is_dir()
    return False


def _named(path: str) -> WeightFiles:
    """A file that was named itself; what it is, its content decides."""
    if Path(path).name == ".metadata" or path.endswith(".distcp"):
        refuse_distributed(Path(path).parent)
    beside = sibling_of(path)
    is_pickle = path.endswith(PICKLES)
    kind = "pickle" if beside and is_pickle else kind_of(open_stored(path))
    if beside and kind in ("zip", "pickle"):
        note = f"the weights are those in {shown(Path(beside).name)}, not the pickle's"
        return WeightFiles(beside, beside.endswith(".json"), note)
    return WeightFiles(path, kind == "json")


def _single(path: str, allow_pickle: bool) -> Stored:
    opened = open_stored(path)
    if kind_of(opened) in ("zip", "pickle"):
        tensors, note = open_pickle(opened, allow_pickle)
        return Stored("pickle", tensors, (opened,), (note,))
    return Stored("safetensors", tensors_of(opened).tensors, (opened,))


def _sharded(path: str, allow_pickle: bool) -> Stored:
    """All shards of an index; each is hashed while the others are opened."""
    index = read_index(path)
    found: dict[str, list[str]] = {}
    tensors: dict[str, Tensor] = {}
    opened, layout = [index.opened], ""
    notes: list[str] = []
    for shard in index.shards:
        part = _single(shard_path(path, shard), allow_pickle)
        opened += part.opened
        notes += part.notes
        layout = f"{len(index.shards)} {part.layout} shards"
        for name, tensor in part.tensors.items():
            found.setdefault(name, []).append(shard)
            tensors[name] = tensor
    check_complete(index, found)
    unknown = [name for name in tensors if name not in index.weight_map]
    notes += [f"tensors that the index does not name: {listed(unknown)}"] if unknown else []
    return Stored(layout, tensors, tuple(opened), tuple(notes))


def _config(folder: Path) -> tuple[Mapping[str, Any], tuple[OpenedFile, ...], str]:
    """`config.json`, or the one other JSON that names a diffusers class (`musetalk.json`)."""
    if (folder / "config.json").is_file():
        opened = open_stored(str(folder / "config.json"))
        return read_json_object(opened, "a config"), (opened,), ""
    found = []
    for file in sorted(folder.glob("*.json"))[:_MOST_CONFIGS]:
        with suppress(InputError):  # not every JSON beside weights is about them
            opened = open_stored(str(file))
            if opened.size <= _LARGEST_CONFIG:
                found.append((read_json_object(opened, "a config"), opened))
    named = [(config, opened) for config, opened in found if "_class_name" in config]
    if len(named) != 1:
        return {}, (), ""
    config, opened = named[0]
    return config, (opened,), f"the model's config is {shown(Path(opened.path).name)}"
