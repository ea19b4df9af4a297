"""Documentation is generated, or run, or compared: it cannot rot unseen."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from defect_cases import defects_page

from lossaudit import registry
from lossaudit.closure.check import Check, manual
from lossaudit.spec.formula import parse_formula
from lossaudit.spec.load import load_spec, presets
from lossaudit.spec.tree import render

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

Golden = Callable[[str | Path, str], None]


def output_of(*args: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    done = subprocess.run(
        [sys.executable, "-m", "lossaudit", *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**env, "COLUMNS": "100", "TERMINAL_WIDTH": "100"},
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return done.stdout


def test_checks_page_is_the_manual_pages(golden: Golden) -> None:
    parts = [
        "# Checks\n\nGenerated from the checks' own manual pages (`lossaudit explain NAME`).\n"
    ]
    for name, check in registry.load("lossaudit.checks", Check).items():
        parts.append(f"\n## {name}\n\n*{check.severity.value}*. {manual(check)}\n")
    golden(ROOT / "docs" / "checks.md", "".join(parts))


def test_presets_page_is_the_presets(golden: Golden) -> None:
    parts = ["# Presets\n\nGenerated from `lossaudit/presets/*.yaml`.\n"]
    for name, spec in presets().items():
        parts.append(f"\n## {name}\n\n{spec.summary}.\n\n    {render(spec.formula)}\n")
        if spec.rivals:
            rivals = "\n".join(f"- {n}: `` {text} ``" for n, (_, text) in spec.rivals.items())
            parts.append(f"\nRivals:\n\n{rivals}\n")
        sources = "\n".join(f"- <{s}>" for s in spec.sources)
        parts.append(f"\nSources:\n\n{sources}\n")
    golden(ROOT / "docs" / "presets.md", "".join(parts))


def test_command_page_is_the_help_texts(golden: Golden) -> None:
    parts = ["# Commands\n\nGenerated from `lossaudit --help`.\n"]
    for args in (
        [],
        ["audit"],
        ["check"],
        ["recompute"],
        ["balance"],
        ["identify"],
        ["verify"],
        ["diff"],
        ["init"],
        ["report"],
        ["lint"],
        ["presets"],
        ["readers"],
        ["checks"],
        ["explain"],
    ):
        text = "\n".join(line.rstrip() for line in output_of(*args, "--help").splitlines()).strip()
        parts.append(f"\n## lossaudit {' '.join(args)}".rstrip() + f"\n\n```text\n{text}\n```\n")
    golden(ROOT / "docs" / "cli.md", "".join(parts))


def test_defects_page_is_what_the_audits_say(golden: Golden) -> None:
    golden(ROOT / "docs" / "defects.md", defects_page())


def console_examples() -> list[tuple[str, str]]:
    """(command, output) of every console block in the README and the docs."""
    found = []
    text = "\n".join(page.read_text() for page in PAGES)
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        command, _, output = block.partition("\n")
        found.append((command.removeprefix("$ lossaudit "), output))
    return found


@pytest.mark.parametrize(("command", "output"), console_examples())
def test_readme_example_prints_what_it_shows(command: str, output: str) -> None:
    assert output_of(*shlex.split(command)) == output


def test_there_are_examples_to_run() -> None:
    assert len(console_examples()) >= 3


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "specs.md"])
def test_spec_of_a_page_loads(tmp_path: Path, page: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)[0]
    (tmp_path / "spec.yaml").write_text(text)
    assert load_spec(str(tmp_path / "spec.yaml")).name == "my-loss"


def test_every_formula_of_the_reference_parses() -> None:
    table = (ROOT / "docs" / "specs.md").read_text().split("## The formula")[1].split("## The")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    found = [f for cell in cells for f in re.findall(r"``\s(.+?)\s``|`([^`]+)`", cell)]
    assert len(found) >= 10
    for quoted, plain in found:
        parse_formula(quoted or plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    quoted = re.findall(r"`((?:lossaudit|fixtures|docs|tests|benchmarks)/[\w./-]+)`", text)
    for path in links:
        assert (page.parent / path).exists(), path
    for path in quoted:
        assert (ROOT / path).exists(), path


def test_both_readme_commands_use_the_constraints() -> None:
    commands = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert len(commands) == 2
    assert all("-c .ci/constraints.txt" in c for c in commands)
