"""An event's scalars: protobuf `Event` -> step and (tag, value, storage).

Field numbers are those of tensorboard/compat/proto: event.proto, summary.proto, tensor.proto,
tensor_shape.proto, types.proto. Fields that do not bear on scalars are passed over. As in every
protobuf parser, of alternatives (`oneof`) the last one counts and a message given twice is merged.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from msgspec import Struct

from lossaudit.model.table import Storage
from lossaudit.witnesses.event_file.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    MalformedError,
    encode_varint,
    read_fields,
    read_varint,
    signed,
)

Scalar = tuple[bytes, float, Storage]
"""A tag as logged, its value, and the width in which it was stored."""

_WALL_TIME, _STEP = 1 << 3 | FIXED64, 2 << 3 | VARINT
_FILE_VERSION, _SUMMARY = 3 << 3 | BYTES, 5 << 3 | BYTES
_OTHER_CONTENT = frozenset(field << 3 | BYTES for field in (3, 4, 6, 7, 8, 9))

_VALUE = 1 << 3 | BYTES
_TAG, _SIMPLE_VALUE, _TENSOR = 1 << 3 | BYTES, 2 << 3 | FIXED32, 8 << 3 | BYTES
_OTHER_KIND = frozenset(field << 3 | BYTES for field in (3, 4, 5, 6))

_DTYPE, _SHAPE, _CONTENT = 1 << 3 | VARINT, 2 << 3 | BYTES, 4 << 3 | BYTES
_DIM, _UNKNOWN_RANK, _DIM_SIZE = 2 << 3 | BYTES, 3 << 3 | VARINT, 1 << 3 | VARINT

_EARLIEST, _LATEST = 1e8, 1e11  # wall times from 1973 to the year 5138


class _Dtype(Struct, frozen=True):
    """How a tensor keeps elements of one dtype.

    Attributes:
        name: as a message calls it.
        storage: as a column calls it; integers count as float64.
        field: the number of the field that lists values.
        wire: the wire type of that field's elements.
        content: one element in `tensor_content`.
        listed: one element in the list of values; halves are listed as their bits.
    """

    name: str
    storage: Storage
    field: int
    wire: int
    content: struct.Struct
    listed: struct.Struct


def _dtype(
    name: str, storage: Storage, field: int, wire: int, content: str, listed: str = ""
) -> _Dtype:
    packing = struct.Struct(content)
    return _Dtype(name, storage, field, wire, packing, struct.Struct(listed or content))


_DTYPES = {
    1: _dtype("float32", "float32", 5, FIXED32, "<f"),
    2: _dtype("float64", "float64", 6, FIXED64, "<d"),
    3: _dtype("int32", "float64", 7, VARINT, "<i"),
    4: _dtype("uint8", "float64", 7, VARINT, "<B"),
    5: _dtype("int16", "float64", 7, VARINT, "<h"),
    6: _dtype("int8", "float64", 7, VARINT, "<b"),
    9: _dtype("int64", "float64", 10, VARINT, "<q"),
    10: _dtype("bool", "float64", 11, VARINT, "<?"),
    14: _dtype("bfloat16", "bfloat16", 13, VARINT, "<2s", "<H"),
    17: _dtype("uint16", "float64", 7, VARINT, "<H"),
    19: _dtype("float16", "float16", 13, VARINT, "<e", "<H"),
    22: _dtype("uint32", "float64", 16, VARINT, "<I"),
    23: _dtype("uint64", "float64", 17, VARINT, "<Q"),
}

_read_float32 = struct.Struct("<f").unpack
_read_float64 = struct.Struct("<d").unpack


def decode_event(payload: bytes) -> tuple[int, list[Scalar]]:
    """An event's step and its scalars, in the order in which they stand there.

    Images, histograms, text and tensors of more than one element are no scalars and are left out.

    Raises:
        MalformedError: if the payload, a summary or a scalar in it is not what it should be.
    """
    step, summaries = 0, []
    for key, number, content in read_fields(payload):
        if key == _SUMMARY:
            summaries.append(content)
        elif key == _STEP:
            step = signed(number)
        elif key in _OTHER_CONTENT:
            summaries.clear()
    scalars = []
    for summary in summaries:
        for key, _, content in read_fields(summary):
            if key == _VALUE and (scalar := _decode_value(content)) is not None:
                scalars.append(scalar)
    return step, scalars


def lay_out(tags: Sequence[bytes]) -> tuple[bytes, tuple[int, ...]]:
    """What stands behind the step in an event of `simple_value`s, with zeros for the numbers.

    Every writer that we know of lays it out so; a reader may therefore look it up whole.

    Returns:
        The bytes, and where in them the float32 of each tag begins.
    """
    summary, places = b"", []
    for tag in tags:
        tagged = bytes([_TAG]) + encode_varint(len(tag)) + tag + bytes([_SIMPLE_VALUE])
        summary += bytes([_VALUE]) + encode_varint(len(tagged) + 4) + tagged + bytes(4)
        places.append(len(summary) - 4)
    begin = bytes([_SUMMARY]) + encode_varint(len(summary))
    return begin + summary, tuple(place + len(begin) for place in places)


def is_event(payload: bytes) -> bool:
    """Whether a record's start is an event's: a file version, or a plausible wall time.

    The payload may be cut; other TFRecord files, such as data sets, give False.
    """
    try:
        for key, _, content in read_fields(payload):
            if key == _FILE_VERSION and content.startswith(b"brain.Event:"):
                return True
            if key == _WALL_TIME and _EARLIEST < _read_float64(content)[0] < _LATEST:
                return True
        return bool(decode_event(payload)[1])
    except MalformedError:
        return False


def _decode_value(message: bytes) -> Scalar | None:
    """One `Summary.Value`, or None if it holds no scalar."""
    tag, simple = b"", b""
    tensor: list[bytes] = []
    for key, _, content in read_fields(message):
        if key == _TAG:
            tag = content
        elif key == _SIMPLE_VALUE:
            simple, tensor = content, []
        elif key == _TENSOR:
            simple = b""
            tensor.append(content)
        elif key in _OTHER_KIND:
            simple, tensor = b"", []
    if simple:
        return tag, _read_float32(simple)[0], "float32"
    return _decode_tensor(tag, b"".join(tensor)) if tensor else None


def _decode_tensor(tag: bytes, message: bytes) -> Scalar | None:
    """A `TensorProto`'s only element, or None if it has another number of them or is no number."""
    dtype, shape, packed = 0, [], b""
    for key, number, content in read_fields(message):
        if key == _DTYPE:
            dtype = number
        elif key == _SHAPE:
            shape.append(content)
        elif key == _CONTENT:
            packed = content
    kept = _DTYPES.get(dtype)
    if kept is None or not _is_single(b"".join(shape)):
        return None
    element = packed or _listed_element(message, kept)
    if len(element) != kept.content.size:
        raise MalformedError(f"a single {kept.name} of {len(element):,} bytes")
    if kept.storage == "bfloat16":  # the upper half of a float32
        return tag, _read_float32(b"\0\0" + element)[0], kept.storage
    return tag, float(kept.content.unpack(element)[0]), kept.storage


def _is_single(shape: bytes) -> bool:
    """Whether a `TensorShapeProto` is that of one element: no dimensions, or all of size 1."""
    for key, number, content in read_fields(shape):
        if key == _UNKNOWN_RANK and number:
            return False
        if key == _DIM:
            sizes = [size for part, size, _ in read_fields(content) if part == _DIM_SIZE]
            if not sizes or sizes[-1] != 1:
                return False
    return True


def _listed_element(message: bytes, dtype: _Dtype) -> bytes:
    """The one element in a tensor's list of values, as bytes; zeros if the list is empty.

    TensorFlow leaves zeros out when it compresses a tensor (`Tensor::FromProto` puts them back).
    """
    element = b""
    for key, number, content in read_fields(message):
        if key >> 3 != dtype.field or key & 7 not in (dtype.wire, BYTES):
            continue
        if key & 7 == VARINT:
            content = _narrowed(number, dtype)
        elif key & 7 == BYTES and dtype.wire == VARINT and content:
            number, end = read_varint(content, 0)
            content = _narrowed(number, dtype) + content[end:]
        element += content
        if len(element) > dtype.content.size:
            raise MalformedError(f"more than one value in a single {dtype.name}")
    return element or bytes(dtype.content.size)


def _narrowed(number: int, dtype: _Dtype) -> bytes:
    """A varint's number as one element's bytes."""
    value = number if dtype.listed.format == "<Q" else signed(number)
    try:
        return dtype.listed.pack(value)
    except struct.error:
        raise MalformedError(f"{value} as the value of a single {dtype.name}") from None
