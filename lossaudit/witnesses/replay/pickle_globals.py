"""What a pickle would call, read from its opcodes; nothing of it is called here.

A pickle is a program. torch's `weights_only` loader runs only a part of it; before it runs at all,
this lists every name that the program looks up, and lets through the few that plain tensors need.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Iterator

from lossaudit.witnesses.replay.names import listed

LARGEST = 8 << 20
"""Bytes of the pickle, which holds names and shapes, not values: 50,000 tensors."""

_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
    "uint64", "uint32", "uint16", "uint8", "bool",
)  # fmt: skip

ALLOWED = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor_v3",
        "torch._utils _rebuild_parameter",
        "torch.storage UntypedStorage",
        "torch Size",
        "torch device",
        "_codecs encode",
        "__builtin__ set",
        "builtins set",
        *(f"torch {name}Storage" for name in _STORAGES),
        *(f"torch {name}" for name in _DTYPES),
    }
)
"""What plain state dicts look up, as `module name`; a part of what `weights_only` allows."""

_KINDS = {
    "_rebuild_sparse": "sparse",
    "_get_layout": "sparse",
    "_rebuild_qtensor": "quantised",
    "_rebuild_meta": "without values (on the meta device)",
    "_rebuild_nested": "nested",
    "_rebuild_wrapper": "of a subclass",
    "_rebuild_from_type": "of a subclass",
    "Q": "quantised",
    "per_": "quantised",
    "Complex": "complex",
    "complex": "complex",
    "float8": "8-bit floating",
    "float4": "4-bit floating",
}
"""How the names of what is not read begin."""

_LOOKUPS = frozenset(
    ("INST", "OBJ", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "NEWOBJ", "NEWOBJ_EX", "PERSID")
)
"""Opcodes that look up or make objects in other ways; torch.save writes none of them."""


def check_pickle(text: bytes) -> None:
    """Refuse a pickle that looks up anything but what plain tensors need.

    Raises:
        ValueError: with all the names that are not allowed, or the first opcode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in old kinds of text
        refused = {name for name in _names(text) if name not in ALLOWED}
    if not refused:
        return
    kinds = {kind for name in refused if (kind := _kind(name))}
    if kinds and all(_kind(name) for name in refused):
        raise ValueError(
            f"it has tensors that are {' and '.join(sorted(kinds))}, which are not replayed: save "
            "them as dense float32, float16 or bfloat16"
        )
    raise ValueError(f"its pickle calls for more than tensors: {listed(refused)}")


def _names(text: bytes) -> Iterator[str]:
    """Every `module name` that is looked up."""
    if len(text) > LARGEST:
        raise ValueError(f"its pickle has {len(text):,} bytes, more than {LARGEST >> 20} MiB")
    try:
        for opcode, argument, _ in pickletools.genops(text):
            if opcode.name == "GLOBAL":
                yield str(argument)
            elif opcode.name in _LOOKUPS:
                raise ValueError(f"its pickle has the opcode {opcode.name}")
    except (ValueError, UnicodeDecodeError, OverflowError) as error:
        if str(error).startswith("its pickle"):
            raise
        raise ValueError("its pickle is damaged") from None


def _kind(name: str) -> str:
    module, _, short = name.partition(" ")
    if module not in ("torch", "torch._utils", "torch._tensor", "torch.serialization"):
        return ""
    return next((kind for start, kind in _KINDS.items() if short.startswith(start)), "")
