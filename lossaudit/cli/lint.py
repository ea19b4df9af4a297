"""The `lint` command: are these specs sound?"""

from __future__ import annotations

import typer

from lossaudit.cli.guard import complain
from lossaudit.errors import LossauditError
from lossaudit.rendering.safe_text import clip, escape_text
from lossaudit.spec.load import load_spec
from lossaudit.spec.schema import Spec


def run(specs: list[str]) -> None:
    """One line for each sound spec; all problems of the others, and exit code 2."""
    faulty = 0
    for path in specs:
        try:
            spec = load_spec(path)
        except LossauditError as error:
            complain(str(error))
            faulty += 1
        else:
            typer.echo(clip(escape_text(f"{path}: {_in_words(spec)}")))
    if faulty:
        raise typer.Exit(LossauditError.exit_code)


def _in_words(spec: Spec) -> str:
    rivals = f", told from {', '.join(spec.rivals)}" if spec.rivals else ", no rivals named"
    return f"{spec.name}: {spec.formula_text}{rivals}"
