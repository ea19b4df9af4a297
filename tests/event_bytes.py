"""Writes event files byte by byte, as the tests of their reader need them."""

from __future__ import annotations

import struct

import google_crc32c

NAME = "events.out.tfevents.1.host.1.0"


def crc(content: bytes) -> bytes:
    value = google_crc32c.value(content)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(payload: bytes, length: int | None = None) -> bytes:
    header = struct.pack("<Q", len(payload) if length is None else length)
    return header + crc(header) + payload + crc(payload)


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def event(step: int, *values: bytes) -> bytes:
    begin = b"\x09" + struct.pack("<d", 1.7e9) + field(2, step)
    return begin + field(5, b"".join(field(1, value) for value in values))


def simple(tag: str | bytes, value: float) -> bytes:
    text = tag if isinstance(tag, bytes) else tag.encode()
    return field(1, text) + b"\x15" + struct.pack("<f", value)


def record(step: int, tag: str | bytes = "t", value: float = 1.0) -> bytes:
    return frame(event(step, simple(tag, value)))


VERSION = frame(b"\x09" + struct.pack("<d", 1.7e9) + field(3, b"brain.Event:2"))
