"""What a recorder could not write: said once when it first happens, and summed up at the end."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from lossaudit.errors import LossauditError

_logger = logging.getLogger("lossaudit.recorder")


class _Lost:
    """Steps of which one kind of thing is missing."""

    def __init__(self, step: object, reason: str) -> None:
        self.count, self.first, self.last = 0, step, step
        self.reason = reason

    def __str__(self) -> str:
        steps = f"of step {self.first!r}"
        if self.count > 1:
            steps = f"of {self.count:,} steps from {self.first!r} to {self.last!r}"
        return f"{steps} ({self.reason})"


class Losses:
    """Keeps the training alive through what a recorder may fail of, and remembers it."""

    def __init__(self) -> None:
        self._lost: dict[str, _Lost] = {}

    @contextmanager
    def survived(self, what: str, step: object) -> Iterator[None]:
        """Turn the failures of a step's `what` into one warning; the training's own go through.

        Caught are files and disks (OSError), memory and devices (MemoryError, and RuntimeError,
        as torch calls both), and what the caller passed that cannot be written (LossauditError).
        """
        try:
            yield
        except (OSError, MemoryError, RuntimeError, LossauditError) as error:
            self.note(what, step, error)

    def note(self, what: str, step: object, error: Exception) -> None:
        """Remember that a step's `what` is missing; the first time, say so."""
        reason = _in_words(error)
        if not self._lost:
            _logger.warning(
                "the %s of step %r could not be recorded: %s. Training goes on, and so do further "
                "attempts; what is missing is said at the end.",
                what,
                step,
                reason,
            )
        lost = self._lost.setdefault(what, _Lost(step, reason))
        lost.count, lost.last = lost.count + 1, step

    def summary(self) -> tuple[str, ...]:
        """One line for each kind of thing that is missing."""
        return tuple(f"{what} {lost}" for what, lost in self._lost.items())

    def say(self) -> None:
        """Log the summary, if there is anything to say."""
        if self._lost:
            _logger.warning("not recorded: %s", "; ".join(self.summary()))


def _in_words(error: Exception) -> str:
    text = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        text += "; nothing that was written before is touched"
    return "".join(c if c.isprintable() else "?" for c in text[:300])
