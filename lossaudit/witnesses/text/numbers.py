"""Turns the digits of a block of text into float64, thousands at a time, correctly rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from lossaudit.model.table import Floats, Ints
from lossaudit.witnesses.columns import count_decimals

PADDING = 8
"""Bytes that must follow the last digit of a buffer."""

_FLOATS = msgspec.json.Decoder(list[float])
_WORD = 8
_POWERS = 10.0 ** np.arange(23)
_INT_POWERS = 10 ** np.arange(_WORD + 1, dtype=np.int64)
_SHIFTS = 8 * np.arange(_WORD, -1, -1, dtype=np.uint64)


class DigitRuns(NamedTuple):
    """Runs of ASCII digits in a text: shape (D,) each."""

    starts: Ints
    lengths: Ints


class Numbers(NamedTuple):
    """Where the digits of N numbers stand in a text: shape (N,) each.

    Attributes:
        whole, whole_length: the run before the decimal point.
        fraction, fraction_length: the run after it; length 0 where a number has none.
        exponent, exponent_length: the run of the exponent; likewise.
        shrinks: 1 where the exponent has a minus sign, else 0.
    """

    whole: Ints
    whole_length: Ints
    fraction: Ints
    fraction_length: Ints
    exponent: Ints
    exponent_length: Ints
    shrinks: Ints

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All numbers of several lists, in order."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def at(self, which: Ints, offsets: Ints) -> Numbers:
        """Some of the numbers, each moved by an offset."""
        some = Numbers(*(column[which] for column in self))
        return some._replace(
            whole=some.whole + offsets,
            fraction=some.fraction + offsets,
            exponent=some.exponent + offsets,
        )


def parse_numbers(buffer: bytes, numbers: Numbers) -> tuple[Floats, Ints]:
    """Values and decimals of numbers whose parts are known.

    A number is negative where a `-` stands before its first digit. Decimals are those of
    `lossaudit.witnesses.columns.count_decimals`.

    Args:
        buffer: the text, with `PADDING` bytes after its last digit.
        numbers: shape (N,) each.

    Rounding:
        Mantissas below 10**15 and powers up to 10**22 are exact in float64, so one division or
        multiplication rounds correctly; every other number goes through `float`.

    Source:
        Clinger 1990, How to read floating point numbers accurately, section 3.
    """
    words = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))
    places = numbers.fraction_length
    value = _integers(words, numbers.whole, numbers.whole_length)
    if places.any():
        value *= _INT_POWERS[np.minimum(places, _WORD)]
        value += _integers(words, numbers.fraction, places)
    values, decimals = value.astype(np.float64), places
    hard = (numbers.whole_length > _WORD) | (places > _WORD) | (numbers.whole_length + places > 15)
    if numbers.exponent_length.any():
        exponent = _integers(words, numbers.exponent, numbers.exponent_length)
        power = np.where(numbers.shrinks > 0, -exponent, exponent) - places
        scale = _POWERS[np.minimum(np.abs(power), 22)]
        values = np.where(power < 0, values / scale, values * scale)
        hard |= (numbers.exponent_length > _WORD) | (np.abs(power) > 22)
        decimals = np.clip(-power, -308, 308)
        odd = np.flatnonzero(numbers.exponent_length > _WORD)
        decimals[odd] = [
            count_decimals(text.decode()) or 0 for text in _texts(buffer, numbers, odd)
        ]
    else:
        values /= _POWERS[np.minimum(places, 22)]
    negative = np.frombuffer(buffer, np.uint8)[numbers.whole - 1] == 0x2D
    np.negative(values, out=values, where=negative)
    rest = np.flatnonzero(hard)
    values[rest] = _parse_texts(_texts(buffer, numbers, rest))
    return values, decimals


def _integers(words: NDArray[np.uint64], starts: Ints, lengths: Ints) -> Ints:
    """Values of runs of at most eight digits; 0 for none, and of no use for longer ones.

    Eight digits are read as one little-endian word and summed in three multiplications.

    Source:
        Lemire 2018, https://lemire.me/blog/2018/10/03/quickly-parsing-eight-digits/
    """
    word = words[starts]
    word -= np.uint64(0x3030303030303030)
    word <<= _SHIFTS[np.minimum(lengths, _WORD)]
    word = word * np.uint64(10) + (word >> np.uint64(8))
    low = (word & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
    high = ((word >> np.uint64(16)) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
    low += high
    low >>= np.uint64(32)
    return low.view(np.int64)


def _texts(buffer: bytes, numbers: Numbers, which: Ints) -> list[bytes]:
    """The texts of some numbers, their signs included."""
    starts = numbers.whole[which]
    ends = starts + numbers.whole_length[which]
    for start, length in (
        (numbers.fraction, numbers.fraction_length),
        (numbers.exponent, numbers.exponent_length),
    ):
        ends = np.where(length[which] > 0, start[which] + length[which], ends)
    starts = starts - (np.frombuffer(buffer, np.uint8)[starts - 1] == 0x2D)
    return [buffer[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def _parse_texts(texts: list[bytes]) -> list[float]:
    """`float` of each text; JSON's number parser is the fast way where JSON allows them all."""
    try:
        return _FLOATS.decode(b"[%b]" % b",".join(texts))
    except msgspec.MsgspecError:  # a leading zero, or beyond float64
        return [float(text) for text in texts]
