"""The index of weights in several files: only files of its own folder, each tensor in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.names import listed, shown
from lossaudit.witnesses.replay.opened_file import OpenedFile, open_stored
from lossaudit.witnesses.replay.strict_json import LARGEST, parse_object

_MOST_SHARDS = 1000


class Index(Struct, frozen=True):
    """An index: tensor -> name of its file, and the index as a file."""

    path: str
    weight_map: Mapping[str, str]
    opened: OpenedFile

    @property
    def shards(self) -> list[str]:
        """Names of the files, sorted."""
        return sorted(set(self.weight_map.values()))


def read_json_object(opened: OpenedFile, what: str) -> dict[str, Any]:
    """The object in a JSON file that is open.

    Raises:
        InputError: if it is something else; the message calls it `what`.
    """
    try:
        if opened.size > LARGEST:
            raise ValueError(f"it has {opened.size:,} bytes, more than {LARGEST >> 20} MiB")
        return parse_object(opened.read(0, opened.size))
    except ValueError as error:
        raise InputError(f"cannot be read as {what}: {error}", where=opened.path) from None


def read_index(path: str) -> Index:
    """Read an index, such as `model.safetensors.index.json`.

    Raises:
        InputError: if it is no index, or names a file that does not lie beside it.
    """
    opened = open_stored(path)
    weight_map = read_json_object(opened, "an index").get("weight_map")
    if (
        not isinstance(weight_map, dict)
        or not weight_map
        or not all(isinstance(name, str) for name in weight_map.values())
    ):
        raise InputError(
            "has no weight_map of names of files",
            where=path,
            expected='{"weight_map": {"conv_in.weight": "model-00001-of-00002.safetensors", ...}}',
        )
    index = Index(path, weight_map, opened)
    if len(index.shards) > _MOST_SHARDS:
        raise InputError(f"names {len(index.shards):,} files, too many to open", where=path)
    for name in index.shards:
        shard_path(path, name)
    return index


def shard_path(index: str, name: str) -> str:
    """Path of a shard that an index names.

    Raises:
        InputError: unless the name is that of a file in the index's folder, or of a link from there
            to the `blobs` of the same model in a Hugging Face cache.
    """
    folder = Path(index).parent
    expected = "names of files in the folder of the index"
    if not name or name in (".", "..") or any(c in name for c in "/\\\0"):
        raise InputError(f"names the file {shown(name)}", where=index, expected=expected)
    path = folder / name
    if not os.path.lexists(path):
        raise InputError(
            f"names the file {shown(name)}, which is missing",
            where=index,
            expected=expected,
            hint="copy or download it too",
        )
    root, home = Path(os.path.realpath(folder)), Path(os.path.realpath(path)).parent
    is_cached = root.parent.name == "snapshots" and home == root.parent.parent / "blobs"
    if home != root and not is_cached:
        raise InputError(
            f"names the file {shown(name)}, a link out of its folder",
            where=index,
            expected=expected,
        )
    return str(path)


def check_complete(index: Index, found: Mapping[str, list[str]]) -> None:
    """Compare an index with its files.

    Args:
        index: what is said.
        found: tensor -> the files that hold it.

    Raises:
        InputError: if a tensor is in two files, or not in the one that the index names.
    """
    twice = [name for name, files in found.items() if len(files) > 1]
    if twice:
        raise InputError(
            f"{len(twice):,} tensors are in two files: {listed(twice)}",
            where=index.path,
            expected="each tensor in one file",
        )
    astray = [name for name, file in index.weight_map.items() if found.get(name) != [file]]
    if astray:
        raise InputError(
            f"{len(astray):,} tensors are not in the file that it names: {listed(astray)}",
            where=index.path,
            expected="the index that was written with these files",
        )
