"""The protobuf wire format: a message as its fields, without a schema."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_MOST_BITS = 7 * 10  # a varint has at most ten bytes
_LARGEST_KEY = (1 << 32) - 1
_MASK_64 = (1 << 64) - 1


class MalformedError(Exception):
    """Bytes that are not the message that they should be; the text says what is wrong."""


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    """The unsigned 64-bit number at `at`, and where it ends.

    Raises:
        MalformedError: if it has more than ten bytes or the message ends inside it.
    """
    number = shift = 0
    try:
        while (byte := message[at]) >= 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if shift == _MOST_BITS:
                raise MalformedError("a varint of more than ten bytes")
    except IndexError:
        raise MalformedError("the message ends inside a varint") from None
    return (number | byte << shift) & _MASK_64, at + 1


def read_fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield every field of a message, in order.

    Yields:
        (key, number, content): key is `field << 3 | wire type`, as it stands in the message. A
        varint has its number and no content; all others have their bytes and the number 0.

    Raises:
        MalformedError: at the first byte that is no field, or is a group (obsolete since 2008).
    """
    at, size = 0, len(message)
    while at < size:
        key, at = message[at], at + 1
        if key >= 0x80:
            key, at = read_varint(message, at - 1)
        if key < 8 or key > _LARGEST_KEY:
            raise MalformedError(f"field number {key >> 3}")
        kind = key & 7
        if kind == VARINT:
            number, at = read_varint(message, at)
            yield key, number, b""
            continue
        if kind == BYTES:
            if at < size and (length := message[at]) < 0x80:
                at += 1
            else:
                length, at = read_varint(message, at)
        elif kind in (FIXED32, FIXED64):
            length = 8 if kind == FIXED64 else 4
        else:
            raise MalformedError(f"wire type {kind} in field {key >> 3}")
        end = at + length
        if end > size:
            raise MalformedError(
                f"field {key >> 3} has {length:,} bytes where {size - at:,} are left"
            )
        yield key, 0, message[at:end]
        at = end


def signed(number: int, bits: int = 64) -> int:
    """The two's complement value of the lowest `bits` of a number."""
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def encode_varint(number: int) -> bytes:
    """The shortest varint of a number that is not negative."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
