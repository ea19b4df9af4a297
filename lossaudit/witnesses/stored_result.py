"""A result of ours as an input: told from a log by its first bytes, bounded, and not believed."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path
from typing import Any

from lossaudit.errors import InputError
from lossaudit.model.finding import Severity, Verdict
from lossaudit.model.result import SCHEMA, ExitCode, Result
from lossaudit.witnesses.stream import open_log

LARGEST = 8 << 20
"""Bytes; a result of a log has about 50 kB."""

DEEPEST = 40
"""Levels of nesting; ours have 8."""

LONGEST = 300
"""Characters of a message, which may quote the file."""

_CODES = {
    Verdict.PASS: (ExitCode.PASS, ExitCode.FINDING, ExitCode.DAMAGED),
    Verdict.FAIL: (ExitCode.PASS, ExitCode.FINDING, ExitCode.DAMAGED),
    Verdict.INCONCLUSIVE: (
        *(ExitCode.PASS, ExitCode.FINDING),
        *(ExitCode.INCONCLUSIVE, ExitCode.DAMAGED),
    ),
}
"""0 for FAIL where every finding is accepted, for INCONCLUSIVE where that is allowed."""

_MARK = re.compile(rb'\A(?:\xef\xbb\xbf)?\s*\{[^\0]*?"schema"\s*:\s*"lossaudit/')
_LOOK = 1 << 14


def is_result(path: str) -> bool:
    """Whether an input is a result of `lossaudit --format json`, by its head; nothing is consumed.

    A pipe other than standard input cannot be looked into and is taken for a log.
    """
    if path == "-":
        peek = getattr(sys.stdin.buffer, "peek", lambda _: b"")
        return bool(_MARK.match(peek(_LOOK)[:_LOOK]))
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
    except (OSError, ValueError):
        return False  # whoever reads it as a log says what is wrong
    stream = open_log(path)
    try:
        return bool(_MARK.match(stream.head[:_LOOK]))
    finally:
        stream.close()


def read_result(path: str) -> Result:
    """Read a stored result.

    Raises:
        InputError: if it cannot be read, is too large, or is not in the published layout.
    """
    from lossaudit.model.decoding import decode_result

    try:
        document = json.loads(_content(path), object_pairs_hook=_object, parse_constant=_refuse)
        if _is_deeper(document, DEEPEST):
            raise ValueError(f"more than {DEEPEST} levels are nested")
        result = decode_result(document)
        if fault := contradiction(result):
            raise ValueError(fault)
        return result
    except (ValueError, RecursionError) as error:  # a JSONDecodeError is a ValueError
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        reason = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}..."
        raise InputError(
            f"is no result that this version can read: {reason}",
            where=path,
            expected=f'what `lossaudit ... --format json` writes, "schema": "{SCHEMA}"',
            hint="name a reader (--reader) where it is a log",
        ) from None


def contradiction(result: Result) -> str:
    """What no audit of ours says, in words: a verdict, findings and exit code at odds; "" if none.

    A result that was changed by hand shall not be shown as an audit, nor end a job with success.
    """
    code, verdict = result.exit_code, result.verdict
    if code not in _CODES[verdict]:
        return f"its exit code {int(code)} does not go with its verdict {verdict.value}"
    counted = [f for f in result.findings if f.severity.rank >= result.fail_on.rank]
    counted = [f for f in counted if f.check != "damaged-input" and not f.known]
    if bool(counted) != (code is ExitCode.FINDING):
        said = f"{len(counted):,} of its findings count" if counted else "no finding of it counts"
        return f"its exit code is {int(code)}, and {said}"
    # `balance` warns of a formula that the log refutes; every other command has an error.
    if verdict is Verdict.FAIL and all(f.severity is Severity.NOTE for f in result.findings):
        return "its verdict is FAIL, and no finding says why"
    if verdict is not Verdict.INCONCLUSIVE and verdict not in {w.verdict for w in result.witnesses}:
        return f"its verdict is {verdict.value}, and that of no witness is"
    return ""


def _content(path: str) -> bytes:
    stream = open_log(path, "a result, as `--report json=FILE` writes it")
    content = bytearray()
    try:
        for piece in stream.blocks():
            content += piece
            if len(content) > LARGEST:
                raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    finally:
        stream.close()
    if stream.damage:
        raise ValueError(stream.damage[0].message)
    return bytes(content)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} occurs twice")
        found[key] = value
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether anything is nested deeper than that, found level by level."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(layer)
