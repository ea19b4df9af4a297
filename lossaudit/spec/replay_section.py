"""How replay runs a training step's forward pass again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lossaudit.spec.rule import Rule


@dataclass(frozen=True, slots=True)
class ReplaySection:
    """The model that computes predictions, and in which numbers training ran it.

    A spec may lie in the folder under audit, so it names one of our adapters and never code: only
    `--adapter package.module:function` does that.
    """

    adapter: Annotated[
        str, Rule("the name of an adapter, such as musetalk-v1", r"^[a-z0-9]+([.-][a-z0-9]+)*$")
    ] = ""
    autocast: Literal["none", "float16", "bfloat16"] = "none"
    tf32: Annotated[bool, Rule("true or false")] = False
