"""What a wrong name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

_MOST_NAMES = 1000

FIRST_SPEC = (
    "`lossaudit init LOG` starts a spec from a log, `lossaudit presets` lists those that are there"
)
"""Where a spec comes from, for somebody who has none."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names up to three known names near to this one; "" where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(islice(known, _MOST_NAMES)), n=3)
    return f"did you mean {' or '.join(near)}?" if near else ""


def one_of(known: Iterable[str]) -> str:
    """ "one of a, b, c", cut after twenty names."""
    shown = list(islice(known, 21))
    return f"one of {', '.join(shown[:20])}{', ...' if len(shown) > 20 else ''}" if shown else ""
