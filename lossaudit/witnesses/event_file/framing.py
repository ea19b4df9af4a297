"""TFRecord framing: one record's header and checksums.

    record = length u64 | masked CRC of length u32 | payload | masked CRC of payload u32

All little-endian; the CRC is CRC-32C.

Source:
    TensorFlow, tensorflow/core/lib/io/record_writer.h and tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

import struct

from google_crc32c import value as crc32c

HEADER = 12
OVERHEAD = HEADER + 4
LONGEST_RECORD = 1 << 28
"""What announces more is damage; so no header makes us hold more than 256 MiB."""

MASK_DELTA = 0xA282EAD8

_split_header = struct.Struct("<QI").unpack


def masked_crc(content: bytes) -> int:
    """CRC-32C as TFRecord stores it: rotated by 15 bits, plus a constant."""
    crc: int = crc32c(content)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def read_length(header: bytes) -> int | None:
    """The payload's length that a record's first 12 bytes announce, or None if they are wrong."""
    if len(header) < HEADER:
        return None
    length, crc = _split_header(header)
    return int(length) if crc == masked_crc(header[:8]) else None


def is_whole(record: bytes, length: int) -> bool:
    """Whether all bytes of a record with that payload length are there and the payload is right."""
    end = HEADER + length
    return (
        len(record) == end + 4
        and masked_crc(record[HEADER:end]).to_bytes(4, "little") == record[end:]
    )
