"""The regular expression by which a line of a text log is read (`--pattern`, `log.pattern`)."""

from __future__ import annotations

import re
from typing import Any

from lossaudit.errors import UsageError

END = re.compile(rb"[\r\n]")
"""Ends what a pattern is searched in: a line, or the redraw of a progress bar."""

_EXPECTED = "a regular expression in RE2 syntax with a named group per tag"
_HINT = r"--pattern 'step (?P<step>\d+) loss (?P<loss>\S+)'"
_CONTEXT = re.compile(r"(?::\s*)(.*)\Z", re.DOTALL)


def compile_pattern(pattern: str, name: str = "--pattern") -> Any:
    """Compile with RE2.

    Args:
        pattern: as the user wrote it.
        name: what the user calls it.

    Raises:
        UsageError: if RE2 rejects the pattern, or it names no group.
    """
    import re2

    settings = re2.Options()
    settings.log_errors = False
    try:
        compiled = re2.compile(pattern, settings)
    except re2.error as error:
        reason = error.args[0] if error.args else b"not a regular expression"
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(
            f"{name} {pattern!r}, column {_column(pattern, said)}: {said}",
            expected=_EXPECTED,
            hint=_HINT,
        ) from None
    if not compiled.groupindex:
        raise UsageError(
            f"{name} {pattern!r}, column 1: it has no named group",
            expected=_EXPECTED,
            hint=_HINT,
        )
    return compiled


def _column(pattern: str, said: str) -> int:
    """Where RE2's complaint is, from 1: it quotes the offending part but gives no position."""
    quoted = _CONTEXT.search(said)
    at = pattern.find(quoted[1]) if quoted and quoted[1] else 0
    return max(at, 0) + 1
