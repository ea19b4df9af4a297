"""Hypothesis against the headers: what we accept the library accepts too, with the same tensors."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load
from stored_samples import TWO, safetensors

from lossaudit.errors import InputError
from lossaudit.witnesses.replay.opened_file import open_stored
from lossaudit.witnesses.replay.pickle_globals import check_pickle
from lossaudit.witnesses.replay.tensor_file import open_tensor_file
from lossaudit.witnesses.replay.zip_archive import read_records

SETTINGS = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])

WHOLE = safetensors({"__metadata__": {"step": "7"}, **TWO})

numbers = st.integers(-1, 30) | st.sampled_from([2**31, 2**63 - 1, 2**63, 2**64, 10**40, 1.5, True])
shapes = st.lists(numbers, max_size=4) | st.sampled_from([None, "4", {}, [[4]]])
dtypes = st.sampled_from(
    ["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "x", 4]
)
tensors = st.fixed_dictionaries(
    {"dtype": dtypes, "shape": shapes, "data_offsets": shapes}, optional={"more": st.just(1)}
)
ITEMSIZE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1, "BOOL": 1}
headers = st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__", "\u202e", ""]),
    tensors | st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
    max_size=3,
)


@st.composite
def laid_out(draw: st.DrawFn) -> bytes:
    """Files that are in the format, or one number away from it."""
    header: dict[str, Any] = {}
    position = 0
    for name in draw(st.permutations(["a", "b", "\u202e", ""]))[: draw(st.integers(0, 4))]:
        dtype = draw(st.sampled_from(sorted(ITEMSIZE)))
        shape = draw(st.lists(st.integers(0, 3), max_size=3))
        end = position + prod(shape) * ITEMSIZE[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    if header and draw(st.booleans()):
        changed = header[draw(st.sampled_from(sorted(header)))]
        key = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        changed[key] = draw(dtypes if key == "dtype" else shapes)
    size = position + draw(st.sampled_from([0, 0, 0, 1, -1]))
    return safetensors(header, draw(st.binary(min_size=max(size, 0), max_size=max(size, 0))))


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with a few bytes replaced, removed or inserted."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(content)


def tensors_or_none(path: Path, content: bytes) -> dict[str, torch.Tensor] | None:
    path.write_bytes(content)
    try:
        return dict(open_tensor_file(str(path)).tensors)
    except InputError as error:
        message = str(error)
    assert all(line.isprintable() for line in message.split("\n"))
    return None


def agree(path: Path, content: bytes) -> None:
    ours = tensors_or_none(path, content)
    if ours is None:
        return
    theirs = load(content)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype is theirs[name].dtype
        assert tensor.shape == theirs[name].shape
        assert tensor.reshape(-1).view(torch.uint8).tolist() == (
            theirs[name].reshape(-1).view(torch.uint8).tolist()
        )


@SETTINGS
@given(header=headers, size=st.integers(0, 40))
def test_made_up_headers(tmp_path: Path, header: dict[str, Any], size: int) -> None:
    agree(tmp_path / "x", safetensors(header, bytes(size)))


@SETTINGS
@given(content=laid_out())
def test_files_in_the_format_or_nearly(tmp_path: Path, content: bytes) -> None:
    agree(tmp_path / "x", content)
    if tensors_or_none(tmp_path / "x", content) is None:
        theirs = None
        with suppress(SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
            theirs = load(content)
        if theirs is not None:  # where it refuses too, there is nothing to compare
            assert any(is_not_read(tensor) for tensor in theirs.values())


def is_not_read(tensor: torch.Tensor) -> bool:
    """What the library reads and we do not: complex, 8-bit floating, booleans over 1, and empty
    tensors whose other dimensions no number holds."""
    if prod(n for n in tensor.shape if n) >= 2**63:
        return True
    if tensor.dtype is torch.bool:
        return bool((tensor.reshape(-1).view(torch.uint8) > 1).any())
    return tensor.is_complex() or (tensor.is_floating_point() and tensor.itemsize == 1)


@SETTINGS
@given(content=mutated(WHOLE))
def test_mutated_files(tmp_path: Path, content: bytes) -> None:
    agree(tmp_path / "x", content)


def test_whole_files_are_not_refused(tmp_path: Path) -> None:
    assert tensors_or_none(tmp_path / "x", WHOLE) is not None
    spaced = json.dumps(TWO).encode() + b"   "
    assert tensors_or_none(tmp_path / "x", safetensors(spaced)) is not None
    empty = {"e": {"dtype": "F32", "shape": [0, 3], "data_offsets": [24, 24]}, **TWO}
    assert tensors_or_none(tmp_path / "x", safetensors(empty)) is not None


@SETTINGS
@given(data=st.data())
def test_mutated_archives_give_records_inside_the_file_or_an_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    torch.save({"w": torch.ones(3), "v": torch.zeros(2)}, tmp_path / "whole")
    content = data.draw(mutated((tmp_path / "whole").read_bytes()))
    (tmp_path / "x").write_bytes(content)
    try:
        records = read_records(open_stored(str(tmp_path / "x")))
    except ValueError:
        return
    for record in records.values():
        assert 0 <= record.start <= record.start + record.size <= len(content)


@SETTINGS
@given(text=mutated(b"\x80\x02}q\0(X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\nq\1)Rq\2u."))
def test_mutated_pickles_are_read_without_being_run(text: bytes) -> None:
    with suppress(ValueError):  # anything else is a bug
        check_pickle(text)


def test_odd_escapes_in_a_pickle_warn_nobody() -> None:
    check_pickle(b"S'\\q'\n.")


def test_the_library_takes_a_key_that_occurs_twice() -> None:
    """Why the header is ours to check; where this fails, the library has become stricter."""
    twice = json.dumps(TWO).encode().replace(b'"b"', b'"a"')
    fits = (
        twice.replace(b"[0, 16]", b"[0, 8]").replace(b"[2, 2]", b"[2]").replace(b"16, 24", b"0, 8")
    )
    with pytest.raises((SafetensorError, KeyError)):
        load(safetensors(b'{"a": {"dtype": "F31", "shape": [], "data_offsets": [0, 0]}}', b""))
    assert set(load(safetensors(fits, bytes(8)))) == {"a"}
    assert struct.unpack("<Q", safetensors(fits)[:8])[0] == len(fits)
