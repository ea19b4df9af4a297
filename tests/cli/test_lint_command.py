from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(*specs: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lossaudit", "lint", *map(str, specs)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_sound_specs_give_a_line_each(tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("name: mine\nformula: 2*a + b\nlog: {total: [loss]}\n")
    done = lint(spec, "musetalk-v1")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == f"{spec}: mine: 2*a + b, no rivals named"
    assert second.startswith("musetalk-v1: musetalk-v1: 2.0*loss_lip + loss_latents, told from ")


def test_every_problem_of_every_spec_is_said(tmp_path: Path) -> None:
    spec, good = tmp_path / "mine.yaml", tmp_path / "good.yaml"
    spec.write_text("name: mine\nformula: 2*(a + b\nlgo: {total: [loss]}\n")
    good.write_text("name: good\nformula: a + b\nlog: {total: [loss]}\n")
    done = lint(spec, good, tmp_path / "missing.yaml")
    assert done.returncode == 2
    assert f"{spec}:2:" in done.stderr
    assert f"{spec}:3:1: unknown key 'lgo'" in done.stderr or "lgo" in done.stderr
    assert "missing.yaml" in done.stderr
    assert done.stdout.startswith(f"{good}: good")
