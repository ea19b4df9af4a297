"""The shell in which the commands of the documentation run."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_commands import as_printed, commands_of

PAGE = """Text.

```console
$ echo one > kept.txt; false
$ echo $?
0
```

```console
$ cat kept.txt \\
    kept.txt
old
```

```sh
rm -rf /
```
"""


def test_a_page_gets_what_its_commands_print(tmp_path: Path) -> None:
    shown = as_printed(PAGE, tmp_path)
    assert shown == PAGE.replace("$?\n0\n", "$?\n1\n").replace("old\n", "one\none\n")
    (tmp_path / "again").mkdir()
    assert as_printed(shown, tmp_path / "again") == shown


def test_a_command_goes_on_after_a_backslash() -> None:
    assert commands_of("$ a \\\n  b\nprinted \\\nprinted\n$ c\n") == ["a \\\n  b", "c"]


@pytest.mark.parametrize("command", ["lossaudit check", "no-such-command", "exit 0"])
def test_a_command_that_is_wrong_is_no_output(command: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        as_printed(f"```console\n$ {command}\n```\n", tmp_path)
