"""Tab completion as a real bash asks for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from test_check_command import ROOT

from lossaudit import registry
from lossaudit.spec.load import preset_names

CHECKS = registry.listed("lossaudit.checks")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `lossaudit` is this code."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "lossaudit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lossaudit "$@"\n')
    command.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def offered(shell: dict[str, str], line: str) -> list[str]:
    """What bash would offer at the end of a line, after sourcing our own script."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        'eval "$(lossaudit --show-completion bash)"\n'
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        "$(complete -p lossaudit | sed 's/.*-F \\([^ ]*\\).*/\\1/') lossaudit\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=shell, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lossaudit id", ["identify"]),
        ("lossaudit check --spec muse", [n for n in preset_names() if n.startswith("muse")]),
        ("lossaudit check -s vq", ["vqgan"]),
        ("lossaudit check a.log --reader tens", ["tensorboard"]),
        ("lossaudit audit run --format conc", ["concise"]),
        ("lossaudit check a.log --select rival", ["rival-formula"]),
        ("lossaudit check a.log --ignore d", [n for n in CHECKS if n.startswith("d")]),
        ("lossaudit recompute --adapter musetalk-v1.", ["musetalk-v1.5"]),
        ("lossaudit check a.log --dtype bf", ["bfloat16"]),
        ("lossaudit check a.log --fail-on ", ["error", "warning", "note"]),
        ("lossaudit recompute --device cu", ["cuda"]),
        ("lossaudit diff --format j", ["json"]),
        ("lossaudit explain wrong-", ["wrong-denominator", "wrong-region"]),
        ("lossaudit explain ppo", ["ppo-baselines", "ppo-sb3"]),
        ("lossaudit explain tens", ["tensorboard"]),
        ("lossaudit explain conc", ["concise"]),
        ("lossaudit init --spec yolox", ["yolox"]),
        ("lossaudit check --spec ./no", []),
    ],
)
def test_bash_offers(shell: dict[str, str], line: str, expected: list[str]) -> None:
    found = offered(shell, line)
    assert found == expected if "--fail-on" in line else sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lossaudit check --spec = vq", ["vqgan"]),
        ("lossaudit check --format=json --spec = vq", ["vqgan"]),
        ("lossaudit audit run --format = conc", ["concise"]),
        ("lossaudit check a.log --fail-on =", ["error", "warning", "note"]),
        ("lossaudit check --dtype = float32 --spec = yolox", ["yolox"]),
    ],
)
def test_bash_offers_behind_an_equals_sign(
    shell: dict[str, str], line: str, expected: list[str]
) -> None:
    """As bash breaks `--spec=vq` up, `=` being among its COMP_WORDBREAKS."""
    assert offered(shell, line) == expected


def test_files_are_offered_where_no_name_fits(shell: dict[str, str]) -> None:
    script = 'eval "$(lossaudit --show-completion bash)"; complete -p lossaudit'
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=shell, check=True
    )
    assert "-o default" in done.stdout


def test_completion_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "import lossaudit.cli.main\n"
        "before = {'rich', 'numpy', 'torch', 'polars', 'yaml'} & set(sys.modules)\n"
        "from lossaudit.cli import completion as c\n"
        "names = [f for f in vars(c).values() if getattr(f, '__module__', '') == c.__name__]\n"
        "[f('') for f in names if not f.__name__.startswith('_')]\n"
        "after = {'torch', 'polars', 'yaml', 'scipy'} & set(sys.modules)\n"
        "print(sorted(before), sorted(after))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[] []\n"
