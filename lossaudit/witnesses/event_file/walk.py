"""Goes from record to record by their headers alone."""

from __future__ import annotations

import numpy as np

from lossaudit.model.table import Ints
from lossaudit.witnesses.event_file.framing import HEADER, OVERHEAD, read_length

# Headers of records up to 4 KiB are kept, to be checked once only.
_MOST_KNOWN, _LONGEST_KNOWN = 1 << 12, 1 << 12


class Walk:
    """Finds where the records of one stream begin."""

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}

    def starts(self, content: bytes, at: int, most: int) -> Ints:
        """Where records begin from `at` on, and where the last of them ends.

        Only records that `content` holds up to their last byte, `most` of them at most. Headers
        are right; payloads have not been looked at.
        """
        sizes, found, end = self._sizes, [at], len(content)
        while len(found) <= most:
            size = sizes.get(content[at : at + HEADER]) or self._look(content[at : at + HEADER])
            at += size
            if not size or at > end:
                break
            found.append(at)
        return np.array(found, np.int64)

    def _look(self, header: bytes) -> int:
        """The size of the record that a header not seen before announces; 0 if it is wrong."""
        length = read_length(header)
        if length is None:
            return 0
        if length <= _LONGEST_KNOWN:
            if len(self._sizes) >= _MOST_KNOWN:
                self._sizes.clear()
            self._sizes[header] = length + OVERHEAD
        return length + OVERHEAD
