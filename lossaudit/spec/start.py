"""The first lines of a spec, for a person to go on with: every choice has its comment.

A comment says what is known and from where. What is not known is left for the reader: a formula
that no log established is marked UNDECIDED, and one that is not there is left empty, so that
nothing can pass by it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from msgspec import Struct

from lossaudit.spec.formula_text import render
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import RESERVED, Name
from lossaudit.spec.write import layout_lines, quoted

FALLBACK = "my-loss"
_WIDTH = 96
MOST_SHOWN = 4
"""Terms of the rival that stands there as an example."""
_FURTHER = """\
# What each term is computed from, for `lossaudit recompute` (docs/replay-terms.md):
# terms:
#   {term}: {{kind: l1, reduction: mean, prediction: image_pred, target: image}}

# Warn where one term is more than this share of the total:
# balance: {{max_share: 0.9}}

# Where the formula is stated; a reviewer looks there:
# sources: [https://example.org/paper]
"""


class Known(Struct, frozen=True):
    """What a spec is started from.

    Attributes:
        origin: in words, for the first comment: "the log runs/1/log.jsonl".
        spec: what is known of the formula; None where no formula was found.
        total: tag of the total, also where no formula was found; or empty.
        formula_notes: what is known of the formula, one comment each.
        total_notes: what is known of the total.
        tags: columns of the log that may be terms, where no formula was found.
        pattern, columns: how the log was read, see `Spec`.
    """

    origin: str
    spec: Spec | None = None
    total: str = ""
    formula_notes: Sequence[str] = ()
    total_notes: Sequence[str] = ()
    tags: Sequence[str] = ()
    pattern: str = ""
    columns: Sequence[str] = ()


def started_spec(name: str, known: Known) -> str:
    """The text of a commented spec file.

    Args:
        name: any text; what a spec's name cannot hold is left out.
        known: what it is started from.
    """
    spec = known.spec
    parts = [
        _comment(
            f"Started by `lossaudit init` from {known.origin}. Read every line: it must say what "
            "you mean to train, not only what a log happens to show. All keys are in docs/specs.md."
        ),
        f"name: {quoted(_name(name))}\n",
        _formula(known),
        _rivals(spec),
        _log(known),
        _FURTHER.format(term=next(iter(spec.tags), "loss_lip") if spec and _plain(spec) else "lip"),
    ]
    return "\n".join(parts)


def _formula(known: Known) -> str:
    spec = known.spec
    notes = "".join(_comment(note) for note in known.formula_notes)
    text = quoted(render(spec.formula)) if spec is not None else '""'
    dtype = spec.dtype if spec is not None else "float32"
    return (
        f"{notes}formula: {text}\n"
        + _comment("In which training adds the terms up: float32, bfloat16, float16 or float64.")
        + f"dtype: {dtype}\n"
    )


def _rivals(spec: Spec | None) -> str:
    notes = _comment(
        "What somebody could take the loss for: the figure's formula, the old config's. A PASS "
        "needs a row that refutes each of them."
    )
    if spec is None or not spec.rivals:
        return notes + f"# rivals:\n#   figure: {quoted(_other_formula(spec))}\n"
    lines = [f"  {quoted(name)}: {quoted(text)}\n" for name, (_, text) in spec.rivals.items()]
    return notes + "rivals:\n" + "".join(lines)


def _other_formula(spec: Spec | None) -> str:
    """A formula of the same terms with other weights, as an example that can be put to use."""
    terms = [name for name in spec.tags if name not in RESERVED] if spec is not None else []
    if not terms:
        return "loss_lip + 2.0*loss_latents"
    shown = [render(Name(term)) for term in terms[:MOST_SHOWN]]
    text = " + ".join([*shown[:-1], f"2.0*{shown[-1]}"])
    return text if text.isprintable() else "loss_lip + 2.0*loss_latents"


def _log(known: Known) -> str:
    spec = known.spec
    total = spec.total if spec is not None else (known.total,) if known.total else ()
    notes = "".join(_comment(note, "  ") for note in known.total_notes)
    lines = ["log:\n", _comment("Tags of the total; the first that the log has is taken.", "  ")]
    lines.append(f"{notes}  total: [{', '.join(map(quoted, total))}]\n")
    if known.tags:
        lines.append(_comment(f"Other columns: {', '.join(known.tags)}", "  "))
    lines.append(_comment("Tags of a term that the log calls otherwise:", "  "))
    renamed = {n: t for n, t in spec.tags.items() if t != (n,)} if spec is not None else {}
    if renamed:
        lines.append("  terms:\n")
        lines += [f"    {quoted(n)}: [{', '.join(map(quoted, t))}]\n" for n, t in renamed.items()]
    else:
        first = next(iter(spec.tags), "") if spec and _plain(spec) else "loss_lip"
        lines.append(f"  # terms: {{{first}: [train/{first}]}}\n")
    lines.append(_comment("Where a number is no single step: mean:100, median:20, sum:8.", "  "))
    if spec is not None and spec.aggregates:
        lines.append("  aggregate:\n")
        lines += [f"    {quoted(n)}: {quoted(kind)}\n" for n, kind in spec.aggregates.items()]
    else:
        lines.append("  # aggregate: {total: last}\n")
    if layout := layout_lines(known.pattern, known.columns):
        lines.append(_comment("How a line is read; `--pattern` and `--columns` go before:", "  "))
        lines += [f"{line}\n" for line in layout]
    return "".join(lines)


def _plain(spec: Spec) -> bool:
    """Whether the first term's tag can stand in a comment as it is."""
    return bool(re.fullmatch(r"[A-Za-z_]\w*", next(iter(spec.tags), ""), re.ASCII))


def _name(text: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.")
    return kept if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", kept) else FALLBACK


def _comment(text: str, indent: str = "") -> str:
    """Comment lines, whatever characters the text holds: a line break would end the comment."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    lines = textwrap.wrap(shown, _WIDTH - len(indent), break_on_hyphens=False)
    return "".join(f"{indent}# {line}\n" for line in lines)
