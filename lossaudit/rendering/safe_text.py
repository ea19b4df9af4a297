"""Text from audited files, made safe to show: nothing in it is obeyed, nothing is invisible.

A tag, path or formula may hold terminal escapes, bidirectional overrides, zero-width characters or
commands to a CI runner. They are shown as escapes (`\\x1b`, `\\u202e`), as `repr` shows them; a
backslash itself stays, since nothing reads the text back.
"""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that `str.isprintable` accepts and that show as nothing (Unicode's
Default_Ignorable_Code_Point without its Cf and Cn members, and the blank Braille cell)."""

_COMMAND = re.compile(r"(?<=:):|(?<=#)#(?=[A-Za-z]*\[)")
"""`::name::` and `##[name]`, `##vso[`, `##teamcity[`: GitHub Actions, Azure Pipelines and TeamCity
obey such lines on standard output (actions/runner: src/Runner.Common/ActionCommand.cs)."""

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def escape_text(text: str) -> str:
    r"""`text` on one line, with everything that is not plainly visible as an escape.

    Escaped are control, format, surrogate, private and unassigned characters, all spaces but the
    ASCII one, invisible fillers, and the second character of a CI runner's command. Escaping twice
    changes nothing.

    Example:
        >>> print(escape_text("loss\x1b[31m"))
        loss\x1b[31m
    """
    return _COMMAND.sub(lambda m: _escape(m[0]), show_hidden(text))


def show_hidden(text: str) -> str:
    """The same for text that no runner can take for a command of its own."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escape(c) for c in text)
    return _INVISIBLE.sub(lambda m: _escape(m[0]), text)


def escape_json(text: str) -> str:
    r"""JSON text with the same characters as `\uXXXX` inside its strings, so the same value.

    Args:
        text: what `json.dumps` wrote; outside its strings it is ASCII.
    """
    shown = re.sub(r"[^\n -~]", lambda m: m[0] if _is_shown(m[0]) else _escape_utf16(m[0]), text)
    return re.sub(r"(?<=#)#(?=[A-Za-z]*\[)", r"\\u0023", shown)


def shorten_middle(text: str, width: int) -> str:
    """`text` in at most `width` characters, an ellipsis for its middle; the end weighs more.

    Example:
        >>> shorten_middle("runs/stage1/log.jsonl", 12)
        'run…og.jsonl'
    """
    if len(text) <= width:
        return text
    head = max(0, (width - 1) // 3)
    tail = max(0, width - 1 - head)
    return text[:head] + "…" + text[len(text) - tail :]


def clip(text: str, limit: int = 2000) -> str:
    """`text` cut after `limit` characters, with the number of those left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _is_shown(character: str) -> bool:
    return character.isprintable() and not _INVISIBLE.match(character)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_utf16(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
