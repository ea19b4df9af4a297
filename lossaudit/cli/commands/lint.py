"""The `lint` command: are these specs sound?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lossaudit.cli.guard import complain, guarded
from lossaudit.errors import LossauditError

if TYPE_CHECKING:
    from lossaudit.spec.schema import Spec


def lint(
    specs: Annotated[
        list[str], typer.Argument(metavar="SPEC...", help="Spec files, or presets' names.")
    ],
) -> None:
    """Check spec files without any log.

    Looked at are layout, formulas, rivals and names. Every problem is printed with its line and
    column; a sound spec gives one line with its formula.

    Example:

      lossaudit lint specs/*.yaml
    """
    with guarded():
        from lossaudit.rendering.safe_text import clip, escape_text
        from lossaudit.spec.load import load_spec

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
