"""Which files of a folder hold the weights: a choice that can be stated, or none.

Known layouts, by the names that their writers give: transformers, accelerate's `save_state`
(`model.safetensors`, `model_1.safetensors`, `pytorch_model.bin`, each also in shards), diffusers
(`diffusion_pytorch_model[.VARIANT].safetensors`), and a single file of any name. A pickle is looked
for only where no safetensors file lies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.names import listed, shown

PICKLES = (".bin", ".pth", ".pt", ".ckpt")
"""How the names of pickled weights end."""

_SHARD = re.compile(r"-\d{5}-of-\d{5}\.\w+\Z")
_INDEX = re.compile(r"\.(safetensors|bin)\.index(\.\w+)?\.json\Z")
_VARIANT = re.compile(
    r"\A(diffusion_pytorch_model|model|pytorch_model)\.\w+(?=\.(?:safetensors|bin))"
)
_STATE = re.compile(
    r"\A(optim|lr_sched|sched|scaler|sampler|random_states|rng_state|custom_checkpoint|training_args"
    r"|dl_state_dict|events\.out)",
    re.IGNORECASE,
)
_EMA = re.compile(r"(\A|[_.-])ema([_.-]|\Z)", re.IGNORECASE)

_MERGE = (
    "`accelerate merge-weights FOLDER OUTPUT`, or dcp_to_torch_save(FOLDER, FILE) of "
    "torch.distributed.checkpoint.format_utils, where you trust it; then name what that writes"
)


class WeightFiles(Struct, frozen=True):
    """What to read.

    Attributes:
        path: a file of weights, or the index of several.
        is_index: which of the two.
        note: the choice that was made, where there was one.
    """

    path: str
    is_index: bool = False
    note: str = ""


def weights_in(folder: str) -> WeightFiles:
    """The weights of a folder.

    Raises:
        InputError: if there are none, or several of which none is the likelier one.
    """
    try:
        names = sorted(entry.name for entry in Path(folder).iterdir())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=folder) from None
    refuse_distributed(Path(folder))
    for endings in ((".safetensors",), PICKLES):
        if found := _candidates(folder, names, endings):
            return _only(folder, found, endings)
    for name in names:
        refuse_distributed(Path(folder, name))
    parts = [n for n in names if Path(folder, n).is_dir() and _has_weights(Path(folder, n))]
    if raw := [n for n in parts if not _EMA.search(n)]:
        parts_left = [n for n in parts if n not in raw]
        if len(raw) == 1:
            chosen = weights_in(str(Path(folder, raw[0])))
            note = f"the weights are those in {shown(raw[0])}" + _not(parts_left)
            return WeightFiles(chosen.path, chosen.is_index, note)
    if parts:
        raise InputError(
            f"holds several models: {listed(parts)}",
            where=folder,
            expected="the folder of one model",
            hint=f"name one of them: {Path(folder, parts[0])}",
        )
    raise InputError(
        "holds no weights" + (f", only {listed(names)}" if names else ": it is empty"),
        where=folder,
        expected="model.safetensors, diffusion_pytorch_model.safetensors or another *.safetensors",
    )


def sibling_of(path: str) -> str | None:
    """The safetensors file (or index) that holds the same weights as a pickle beside it."""
    file = Path(path)
    stem = file.name[: -len(file.suffix)]
    stems = [stem, *(["model"] if stem == "pytorch_model" else [])]
    for name in stems:
        for ending in (".safetensors", ".safetensors.index.json"):
            beside = file.with_name(name + ending)
            if beside != file and beside.is_file():
                return str(beside)
    return None


def refuse_distributed(folder: Path) -> None:
    """Refuse what only the program that wrote it can put together.

    Raises:
        InputError: for a DCP or FSDP folder, whose `.metadata` is a pickle that torch executes,
            and for DeepSpeed's partitioned states.
    """
    if (folder / ".metadata").exists() or any(folder.glob("*.distcp")):
        raise InputError(
            "is a distributed checkpoint (DCP, FSDP), whose .metadata is a pickle",
            where=str(folder),
            expected="weights in one safetensors file, or in shards with an index",
            hint=_MERGE,
        )
    if (folder / "zero_to_fp32.py").exists():
        raise InputError(
            "is a DeepSpeed checkpoint, whose weights are in pieces",
            where=str(folder),
            expected="weights in one safetensors file, or in shards with an index",
            hint="run its zero_to_fp32.py with --safe_serialization, where you trust it",
        )


def _candidates(folder: str, names: Sequence[str], endings: tuple[str, ...]) -> list[str]:
    """Files of weights, shards counted as their index."""
    kinds = {"safetensors" if endings == (".safetensors",) else "bin"}
    files = [n for n in names if not _STATE.match(n) and not Path(folder, n).is_dir()]
    indexes = [n for n in files if (m := _INDEX.search(n)) and m[1] in kinds]
    weights = [n for n in files if n.endswith(endings)]
    shards = [n for n in weights if _SHARD.search(n)]
    if shards and not indexes:
        raise InputError(
            f"has shards and no index: {listed(shards)}",
            where=folder,
            expected=f"{_SHARD.sub('', shards[0])}{Path(shards[0]).suffix}.index.json",
            hint="copy or download the index too",
        )
    return indexes + [n for n in weights if n not in shards]


def _only(folder: str, found: Sequence[str], endings: tuple[str, ...]) -> WeightFiles:
    chosen = [n for n in found if not _is_variant_of_another(n, found) and not _EMA.search(n)]
    chosen = chosen or list(found)
    if len(chosen) > 1:
        raise InputError(
            f"holds several files of weights: {listed(found)}",
            where=folder,
            expected="one of them",
            hint=f"name it: {Path(folder, chosen[0])}",
        )
    left = [n for n in found if n != chosen[0]]
    note = f"the weights are those in {shown(chosen[0])}{_not(left)}" if left else ""
    path = str(Path(folder, chosen[0]))
    return WeightFiles(path, bool(_INDEX.search(chosen[0])), note)


def _is_variant_of_another(name: str, found: Sequence[str]) -> bool:
    """Whether a file is the fp16 (or other) variant of one that is there too, as diffusers has."""
    plain = re.sub(r"\.index\.\w+\.json\Z", ".index.json", _VARIANT.sub(r"\1", name))
    others = {_INDEX.sub(r".\1", n) for n in found if n != name}
    return plain != name and _INDEX.sub(r".\1", plain) in others


def _has_weights(folder: Path) -> bool:
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return False
    return any(n.endswith((".safetensors", *PICKLES)) and not _STATE.match(n) for n in names)


def _not(left: Sequence[str]) -> str:
    return f", not those in {listed(left)}" if left else ""
