"""CRC-32C of many byte strings of one length at once, from the bytes in which they differ.

A CRC is linear: crc(a ^ b) = crc(a) ^ crc(b) ^ crc(0). So the CRC of a string is that of the same
string with some bytes set to zero, xor an effect for each of those bytes. The effect depends on
the byte and on how many bytes follow it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from google_crc32c import value as crc32c
from numpy.typing import NDArray

from lossaudit.witnesses.event_file.framing import MASK_DELTA

Crcs = NDArray[np.uint32]


@lru_cache(maxsize=1 << 12)
def effects(behind: int) -> Crcs:
    """Shape (256,): what each value of a byte that `behind` bytes follow does to the CRC."""
    zeros = bytes(behind)
    nothing = crc32c(b"\0" + zeros)
    found = np.zeros(1, np.uint32)
    for bit in range(8):
        effect = np.uint32(crc32c(bytes([1 << bit]) + zeros) ^ nothing)
        found = np.concatenate([found, found ^ effect])
    return found


@lru_cache(maxsize=1 << 6)
def pair_effects(behind: int) -> Crcs:
    """Shape (65536,): what two bytes do, as a little-endian number, that `behind` bytes follow."""
    found: Crcs = np.bitwise_xor.outer(effects(behind), effects(behind + 1)).ravel()
    return found


def masked(crcs: Crcs) -> Crcs:
    """CRCs as TFRecord stores them; see `framing.masked_crc`."""
    return (crcs >> np.uint32(15) | crcs << np.uint32(17)) + np.uint32(MASK_DELTA)
