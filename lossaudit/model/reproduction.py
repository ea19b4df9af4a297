"""How to make a result again: the command, what it read, and the spec's own words."""

from __future__ import annotations

from msgspec import Struct


class Input(Struct, frozen=True):
    """A file or an event folder, as the user named it, and the sha256 of what it held."""

    path: str
    sha256: str


class Reproduction(Struct, frozen=True):
    """What `lossaudit verify` repeats.

    Attributes:
        command: the arguments after `lossaudit` that decide the result; where reports went is left
            out.
        inputs: everything that was read.
        spec_text: the spec file's text, empty for a formula of the command line.
    """

    command: tuple[str, ...]
    inputs: tuple[Input, ...] = ()
    spec_text: str = ""
