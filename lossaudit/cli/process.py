"""What a process that audits once and ends asks of Python and of the C library.

Set before anything heavy is imported, by whoever owns the process: the command line. As a library
we change none of this.
"""

from __future__ import annotations

import gc
import os

_UNCOLLECTED = 50000
"""New objects after which Python looks for cycles; imports make as many, and none is garbage."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT = 64 << 20
_SMALL = 16 << 20


def settle_in() -> None:
    """Spend less on what a short-lived process does not need.

    Logs are worked on in blocks whose arrays come and go by the thousand. glibc would return each
    to the system, which clears the same pages again and again: a quarter of the time of an audit.
    OpenBLAS would start a thread for every core, for products of matrices of a few rows.
    """
    gc.set_threshold(_UNCOLLECTED)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import ctypes  # which numpy loads too

    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _SMALL)
