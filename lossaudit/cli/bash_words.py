"""`--option=value` as bash hands it over for completion, put together again.

Bash breaks words at `=`, so that `--spec=muse` arrives as `--spec`, `=`, `muse`, and typer takes
`=` for the option's value. What is offered replaces what stands behind the `=` alone.
"""

from __future__ import annotations

from collections.abc import MutableMapping

ASKED = "_LOSSAUDIT_COMPLETE"


def join_options(environment: MutableMapping[str, str]) -> None:
    """Leave the `=` of options out of `COMP_WORDS` and `COMP_CWORD`, where bash asks.

    Example:
        >>> asked = {ASKED: "complete_bash", "COMP_CWORD": "4"}
        >>> asked["COMP_WORDS"] = "\\n".join(["lossaudit", "check", "--spec", "=", "muse"])
        >>> join_options(asked)
        >>> asked["COMP_WORDS"].split("\\n"), asked["COMP_CWORD"]
        (['lossaudit', 'check', '--spec', 'muse'], '3')
    """
    place = environment.get("COMP_CWORD", "")
    if environment.get(ASKED) != "complete_bash" or not place.isdecimal():
        return
    words = environment.get("COMP_WORDS", "").split("\n")[: int(place) + 1]
    joined: list[str] = []
    for k, word in enumerate(words):
        if word == "=" and words[k - 1].startswith("--") and k:
            if k == int(place):  # nothing is typed behind it yet
                joined.append("")
        else:
            joined.append(word)
    environment["COMP_WORDS"] = "\n".join(joined)
    environment["COMP_CWORD"] = str(len(joined) - 1)
