"""Turns the digits of a block of text into float64, thousands at a time, correctly rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from lossaudit.model.table import Floats, Ints
from lossaudit.witnesses.columns import count_decimals

Bytes = NDArray[np.uint8]

PADDING = 8
"""Bytes that must follow the last digit of a buffer."""

_FLOATS = msgspec.json.Decoder(list[float])
_POWERS = 10.0 ** np.arange(23)
_INT_POWERS = 10 ** np.arange(16, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class DigitRuns:
    """The runs of ASCII digits in a buffer.

    Attributes:
        buffer: the text, with `PADDING` bytes after its last digit.
        starts: shape (D,), offset of each run.
        lengths: shape (D,).
    """

    buffer: bytes
    starts: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class NumberRuns:
    """Of which digit runs N numbers consist; -1 where a number lacks that part.

    Attributes:
        whole: shape (N,), the run before the decimal point; never -1.
        fraction: shape (N,), the run after it.
        exponent: shape (N,), the run of the exponent.
        shrinks: shape (N,), 1 where the exponent has a minus sign, else 0.
    """

    whole: Ints
    fraction: Ints
    exponent: Ints
    shrinks: Ints

    @classmethod
    def joined(cls, parts: Sequence[NumberRuns]) -> NumberRuns:
        """All numbers of several lists, in order."""
        return cls(
            np.concatenate([p.whole for p in parts]),
            np.concatenate([p.fraction for p in parts]),
            np.concatenate([p.exponent for p in parts]),
            np.concatenate([p.shrinks for p in parts]),
        )


def parse_runs(runs: DigitRuns, numbers: NumberRuns) -> tuple[Floats, Ints]:
    """Values and decimals of numbers whose parts are known.

    A number is negative where a `-` stands before its first digit. Decimals are those of
    `lossaudit.witnesses.columns.count_decimals`.

    Rounding:
        Mantissas below 10**15 and powers up to 10**22 are exact in float64, so one division or
        multiplication rounds correctly; every other number goes through `float`.

    Source:
        Clinger 1990, How to read floating point numbers accurately, section 3.
    """
    whole, whole_length = _integers(runs, numbers.whole)
    fraction, places = _integers(runs, numbers.fraction)
    exponent, exponent_length = _integers(runs, numbers.exponent)
    power = np.where(numbers.shrinks > 0, -exponent, exponent) - places
    mantissa = whole * _INT_POWERS[np.minimum(places, 8)] + fraction
    size = np.minimum(np.abs(power), 22)
    scale = _POWERS[size]
    value = mantissa.astype(np.float64)
    value = np.where(power < 0, value / scale, value * scale)
    negative = np.frombuffer(runs.buffer, np.uint8)[runs.starts[numbers.whole] - 1] == 0x2D
    value = np.where(negative, -value, value)
    hard = (whole_length > 8) | (places > 8) | (whole_length + places > 15)
    hard |= (exponent_length > 8) | (np.abs(power) > 22)
    rest = np.flatnonzero(hard)
    value[rest] = _parse_texts(_texts(runs, numbers, rest))
    odd = np.flatnonzero(exponent_length > 8)
    decimals = np.clip(-power, -308, 308)
    decimals[odd] = [count_decimals(text.decode()) or 0 for text in _texts(runs, numbers, odd)]
    return value, decimals


def _integers(runs: DigitRuns, which: Ints) -> tuple[Ints, Ints]:
    """Values of runs of at most eight digits, and the lengths of all; 0 and 0 where -1.

    Eight digits are read as one little-endian word and summed in three multiplications.

    Source:
        Lemire 2018, https://lemire.me/blog/2018/10/03/quickly-parsing-eight-digits/
    """
    words = np.ndarray((len(runs.buffer) - 7,), "<u8", runs.buffer, strides=(1,))
    absent = which < 0
    if absent.all():
        nothing = np.zeros(len(which), np.int64)
        return nothing, nothing
    lengths = runs.lengths[which]
    shift = (64 - 8 * np.clip(lengths, 1, 8)).astype(np.uint64)
    word = (words[runs.starts[which]] - np.uint64(0x3030303030303030)) << shift
    word = word * np.uint64(10) + (word >> np.uint64(8))
    low = (word & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
    high = ((word >> np.uint64(16)) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
    value = ((low + high) >> np.uint64(32)).astype(np.int64)
    return np.where(absent, 0, value), np.where(absent, 0, lengths)


def _texts(runs: DigitRuns, numbers: NumberRuns, which: Ints) -> list[bytes]:
    """The texts of some numbers, their signs included."""
    whole = numbers.whole[which]
    last = np.maximum(np.maximum(whole, numbers.fraction[which]), numbers.exponent[which])
    ends = runs.starts[last] + runs.lengths[last]
    starts = runs.starts[whole]
    starts = starts - (np.frombuffer(runs.buffer, np.uint8)[starts - 1] == 0x2D)
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return [runs.buffer[start:end] for start, end in pairs]


def _parse_texts(texts: list[bytes]) -> list[float]:
    """`float` of each text; JSON's number parser is the fast way where JSON allows them all."""
    try:
        return _FLOATS.decode(b"[%b]" % b",".join(texts))
    except msgspec.MsgspecError:  # a leading zero, or beyond float64
        return [float(text) for text in texts]
