"""What a value of a spec file must be, in words for messages and as a JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

LINE = r"^[^\S\n]*\S[^\n]*$"
TEXT = r"^\s*\S[\s\S]*$"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be.

    Attributes:
        about: in words, for messages and for the JSON Schema.
        pattern: text must match it as a whole.
        is_one_or_more: a list, which may be written as its only item.
        is_share: a number in (0, 1].
        is_count: a whole number from 1 on.
    """

    about: str
    pattern: str = LINE
    is_one_or_more: bool = False
    is_share: bool = False
    is_count: bool = False

    def __get_pydantic_json_schema__(self, core: Any, schema_of: Any) -> dict[str, Any]:
        """The type's JSON Schema, with what the type alone does not say."""
        found: dict[str, Any] = {"description": self.about} | schema_of(core)
        if found.get("type") == "string":
            found["pattern"] = self.pattern
        if self.is_share:
            found |= {"exclusiveMinimum": 0, "maximum": 1}
        if self.is_count:
            for kind in found.get("anyOf", ()):
                kind |= {"multipleOf": 1, "minimum": 1} if kind.get("type") == "number" else {}
        if self.is_one_or_more:
            found["minItems"] = 1
            found = {"anyOf": [found["items"], found]}
        return found


Line: TypeAlias = Annotated[str, Rule("one line of text")]
Text: TypeAlias = Annotated[str, Rule("text", TEXT)]
