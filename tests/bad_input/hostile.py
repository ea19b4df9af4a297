"""What the tests of bad input share: small logs in every format, and an audit of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from event_bytes import VERSION, event, frame, simple

from lossaudit.audit import AuditOptions, check_logs
from lossaudit.model.finding import Finding
from lossaudit.model.result import Result
from lossaudit.spec.load import spec_from_formula
from lossaudit.spec.overrides import override

ROOT = Path(__file__).parents[2]
FORMULA = "loss = 2.0*lip + lat"
RIVAL = "lip + 2.0*lat"

Row = tuple[int, float, float, float]
"""Step, total, and the two terms."""


def rows(count: int, start: int = 0) -> list[Row]:
    """Rows that follow `FORMULA` exactly in float32."""
    terms = [(k, 0.25 + k % 7 / 8, 0.5 + k % 5 / 4) for k in range(start, start + count)]
    return [(k, 2 * lip + lat, lip, lat) for k, lip, lat in terms]


def json_lines(of: Iterable[Row]) -> bytes:
    return b"".join(
        json.dumps({"step": k, "loss": t, "lip": a, "lat": b}).encode() + b"\n" for k, t, a, b in of
    )


def json_document(of: Iterable[Row]) -> bytes:
    return b'{"log_history": [\n' + b",\n".join(json_lines(of).splitlines()) + b"\n]}\n"


def csv_table(of: Iterable[Row]) -> bytes:
    return b"step,loss,lip,lat\n" + b"".join(b"%d,%r,%r,%r\n" % (k, t, a, b) for k, t, a, b in of)


def text_lines(of: Iterable[Row]) -> bytes:
    return b"".join(b"step: %d, loss: %r, lip: %r, lat: %r\n" % row for row in of)


def event_file(of: Iterable[Row]) -> bytes:
    return VERSION + b"".join(scalars(k, loss=t, lip=a, lat=b) for k, t, a, b in of)


WRITERS: dict[str, Callable[[Iterable[Row]], bytes]] = {
    "log.jsonl": json_lines,
    "log.json": json_document,
    "log.csv": csv_table,
    "log.txt": text_lines,
    "events.out.tfevents.1": event_file,
}
"""File name -> how rows are written in that format."""


def scalars(step: int, **values: float) -> bytes:
    """One record a tag, as torch's SummaryWriter writes."""
    return b"".join(frame(event(step, simple(tag, value))) for tag, value in values.items())


def audit(
    *logs: Path | str,
    formula: str = FORMULA,
    rivals: Iterable[str] = (),
    aggregates: Iterable[str] = (),
    dtype: str | None = None,
    **options: object,
) -> Result:
    """`lossaudit check LOG... -f FORMULA` as a call."""
    spec = override(spec_from_formula(formula, list(rivals)), [], list(aggregates), dtype)
    return check_logs(spec, [str(log) for log in logs], AuditOptions(**options))  # type: ignore[arg-type]


def audit_bytes(folder: Path, name: str, content: bytes, **options: object) -> Result:
    """The same of a log's content."""
    log = folder / name
    log.write_bytes(content)
    return audit(log, **options)  # type: ignore[arg-type]


def found(result: Result, check: str) -> list[Finding]:
    """The findings of one check."""
    return [f for f in result.findings if f.check == check]


def places(result: Result, check: str = "damaged-input") -> list[tuple[str, int | None]]:
    """(file name, line, byte or row) of the findings of one check."""
    where = [f.location for f in found(result, check) if f.location is not None]
    return [
        (Path(w.path).name, next((p for p in (w.line, w.offset, w.row) if p is not None), None))
        for w in where
    ]


def lossaudit(
    *args: str | Path, stdin: bytes | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """The command itself, in a process of its own."""
    unset = ("COLUMNS", "NO_COLOR", "CI", "TZ", "LC_ALL", "LANG")
    kept = {k: v for k, v in os.environ.items() if k not in unset}
    return subprocess.run(
        [sys.executable, "-m", "lossaudit", *map(str, args)],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**kept, **env},
        check=False,
    )
