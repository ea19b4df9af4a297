"""Reads an event file run by run: many records at once where possible, else one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossaudit.witnesses.event_file.decode import FEWEST, Decoder
from lossaudit.witnesses.event_file.event import decode_event
from lossaudit.witnesses.event_file.layouts import Layouts
from lossaudit.witnesses.event_file.records import Unreadable, read_record
from lossaudit.witnesses.event_file.resync import Search
from lossaudit.witnesses.event_file.run import Run, Single
from lossaudit.witnesses.event_file.walk import Walk
from lossaudit.witnesses.event_file.window import Window
from lossaudit.witnesses.event_file.wire import MalformedError

_FEWEST, _MOST = FEWEST // 2, 1 << 15


def read_runs(blocks: Iterator[bytes]) -> Iterator[Run | Unreadable]:
    """Yield the events of a stream in runs, and every stretch that holds none, in file order.

    No more than two blocks and one record are held, and nothing that the content does not have.
    """
    reading = _Reading(blocks)
    while not reading.at_end():
        run = reading.next_run()
        yield from reading.unreadable
        reading.unreadable.clear()
        yield run


class _Reading:
    """Where the reading of one stream stands."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.unreadable: list[Unreadable] = []
        self._window = Window(blocks)
        self._search = Search(self._window)
        self._walk = Walk()
        self._layouts = Layouts()
        self._position = 0
        self._most = _FEWEST

    def at_end(self) -> bool:
        """Whether the stream has no more bytes."""
        return not self._window.bytes_at(self._position, 1)

    def next_run(self) -> Run:
        """Read some records; what is wrong among them is added to `unreadable`.

        A run ends where damage leads to another place than the next record. Then the next runs are
        short, so that damage everywhere does not mean that most is decoded in vain.
        """
        at = self._window.hold(self._position, 0)
        content = self._window.content
        starts = self._walk.starts(content, at, self._most)
        if len(starts) == 1:  # damage, or the end of what is held
            return self._next_record()
        decoder = Decoder(content, starts, self._layouts)
        starts += self._window.base
        singles: dict[int, list[Single]] = {}
        run = Run(starts[:-1], decoder.steps, decoder.done, decoder.groups, singles)
        for single in np.flatnonzero(~decoder.done).tolist():
            self._position = int(starts[single])
            decoder.steps[single], scalars = self._read_single()
            if scalars:
                singles[single] = scalars
            if self._position != starts[single + 1]:
                self._most = _FEWEST
                return run.first(single + 1)
        self._position = int(starts[-1])
        self._most = min(2 * self._most, _MOST)
        return run

    def _next_record(self) -> Run:
        """Read one record, whatever lies there."""
        start = self._position
        step, scalars = self._read_single()
        singles = {0: scalars} if scalars else {}
        return Run(np.array([start]), np.array([step]), np.array([False]), [], singles)

    def _read_single(self) -> tuple[int, list[Single]]:
        """Read what lies at the position, and go on behind it: step and scalars, if it has some."""
        start = self._position
        found, self._position = read_record(self._window, self._search, start)
        if isinstance(found, Unreadable):
            self.unreadable.append(found)
            return 0, []
        try:
            step, scalars = decode_event(found)
        except MalformedError as error:
            message = f"a record of {len(found):,} bytes is no event: {error}"
            self.unreadable.append(Unreadable(start, message))
            return 0, []
        self._layouts.learn(found, scalars)
        return step, [(t.decode("utf-8", "replace"), value, width) for t, value, width in scalars]
