"""One log against one spec: bind, join, decide; everything that the checks then look at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from lossaudit.closure.aggregates import may_hold, why_not_additive
from lossaudit.closure.binding import Binding, bind, lookalikes
from lossaudit.closure.diagnosis.explanation import Explanation
from lossaudit.closure.fold import Closure
from lossaudit.closure.halves import fold_trial
from lossaudit.closure.keys import Keys, find_keys
from lossaudit.closure.outcome import Outcome
from lossaudit.closure.rows import Join
from lossaudit.closure.spacing import Spacing
from lossaudit.closure.trial import Trial
from lossaudit.model.finding import Location
from lossaudit.model.log import Log
from lossaudit.model.table import Change, Damage, Unit, Unread
from lossaudit.spec.schema import Spec
from lossaudit.spec.tree import RESERVED, names, ordered_names


class LogEvidence(Struct, frozen=True):
    """What one log says about one spec.

    Attributes:
        spec: the declaration.
        log: the log.
        damage: what of it could not be read.
        binding: which column is what.
        outcome: of the fold, or None where nothing could be put to the test.
        explanations: what the log does instead, where it refutes the formula; the first counts.
        obstacle: why nothing could, one sentence; empty where it could.
        not_additive: why the formula need not hold between these aggregates, or empty.
        known_steps: False where steps are mere row numbers.
        spacing: how the totals' steps follow one another, or None.
        join: the total and the terms row by row, or None where some of them are not there.
        changes: what happened to the log while it was read.
    """

    spec: Spec
    log: Log
    damage: Sequence[Damage]
    binding: Binding
    outcome: Outcome | None = None
    explanations: tuple[Explanation, ...] = ()
    obstacle: str = ""
    not_additive: str = ""
    known_steps: bool = True
    spacing: Spacing | None = None
    join: Join | None = None
    changes: Sequence[Change] = ()

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What the formula needs and some lines name without a number that could be read."""
        needed = dict.fromkeys((*filter(None, [self.binding.total]), *self.binding.tags.values()))
        return tuple(self.log.unread[tag] for tag in needed if tag in self.log.unread)

    def locate(self, record: int) -> Location:
        """Where a record stands in the file."""
        return place(*self.log.locate(record), self.log.unit)


def place(source: str, position: int, unit: Unit) -> Location:
    """A position of a table or of a damage as a location."""
    match unit:
        case "line":
            return Location(source, line=position)
        case "byte":
            return Location(source, offset=position)
        case _:
            return Location(source, row=position)


def unread_in_words(unread: Unread) -> str:
    """One sentence for a finding or a reason."""
    lines = "1 line names" if unread.count == 1 else f"{unread.count:,} lines name"
    return f"{lines} `{unread.tag}` with a number that was not read, first line {unread.line:,}"


def examine(
    spec: Spec, log: Log, damage: Sequence[Damage] = (), changes: Sequence[Change] = ()
) -> LogEvidence:
    """Put a spec to the test on a log.

    Args:
        spec: what the log is said to follow.
        log: the whole log.
        damage: what of it could not be read.
        changes: what happened to it while it was read.

    Returns:
        Evidence; nothing is raised where columns are missing or nothing can be decided.
    """
    binding = bind(spec, log)
    evidence = LogEvidence(spec, log, damage, binding, changes=changes)
    obstacle = _obstacle(spec, log, binding)
    if obstacle:
        return replace(evidence, obstacle=obstacle)
    assert binding.total is not None
    keys = find_keys(log, spec.step)
    if "step" in names(binding.declared) and not keys.is_global:
        return replace(evidence, obstacle=f"the formula uses `step`, but {_no_step(keys)}")
    trial = Trial.of(spec, log, binding, keys)
    used = {n: binding.aggregates[n] for n in names(binding.declared) - RESERVED}
    total = binding.aggregates["total"]
    not_additive = why_not_additive(binding.declared, total, used) or ""
    evidence = replace(evidence, not_additive=not_additive, known_steps=keys.known, join=trial.join)
    if not_additive and not may_hold(total, used):
        return replace(evidence, obstacle=not_additive)
    outcome = _fold(trial)
    explained = not not_additive or bool(outcome.fitting())
    return replace(
        evidence,
        outcome=outcome,
        explanations=_explanations(spec, trial, outcome) if explained else (),
        spacing=trial.spacing,
    )


def _fold(trial: Trial) -> Outcome:
    """Decide all rows."""
    binding = trial.binding
    assert binding.total is not None
    written = binding.resolutions[binding.total]
    digits = written.decimals is not None or written.digits is not None
    printed = digits and written.certain and not written.coarse  # a lattice has few digits too

    def empty(exact: int) -> Closure:
        return Closure(binding.declared, binding.rivals, printed, exact)

    return fold_trial(trial, empty).result()


def _explanations(spec: Spec, trial: Trial, outcome: Outcome) -> tuple[Explanation, ...]:
    """What a log does that refutes its formula; others have nothing to explain."""
    if not outcome.declared.refuted_finite:
        return ()
    from lossaudit.closure.diagnosis.diagnose import diagnose

    return diagnose(spec, trial, outcome)


def _no_step(keys: Keys) -> str:
    if not keys.known:
        return "the log has none (a spec's log.step names the column that counts steps)"
    counted = _listed(keys.tags)
    return f"the log counts {counted}, which is no step of the whole run (a spec may name log.step)"


_LONGEST_SHOWN = 100
_READING = (
    "--map total=TAG names another tag, `check --pattern` how a line of text is read, `--columns` "
    "the columns of a table without a header"
)


def _obstacle(spec: Spec, log: Log, binding: Binding) -> str:
    """Why nothing can be put to the test at all; empty where something can."""
    if not log.columns:
        return "no number was found in the log"
    if binding.total is None:
        if "total" in spec.unlogged:
            return f"the log has no total: {spec.unlogged['total']}"
        looked = _listed(spec.total) + _similar(lookalikes(spec.total, set(log.columns)))
        return f"no column holds the total: looked for {looked} among {_found(log)}; {_READING}"
    used = ordered_names(binding.declared)
    itself = [n for n, tag in binding.tags.items() if tag == binding.total]
    if itself:
        return f"`{itself[0]}` is read from `{binding.total}`, which is the total itself"
    shared = [
        (m, n) for m, n in combinations(used, 2) if binding.tags.get(m) == binding.tags.get(n, "")
    ]
    if shared:
        m, n = shared[0]
        return f"`{m}` and `{n}` are both read from `{binding.tags[m]}`"
    unlogged = [f"{n}: {spec.unlogged[n]}" for n in binding.missing if n in spec.unlogged]
    if unlogged:
        return "the total cannot be rebuilt from this log: " + "; ".join(unlogged)
    if binding.missing:
        hints = [_tried(n, spec.tags.get(n, (n,)), binding) for n in binding.missing]
        return "the log holds the total but not every term: no column for " + ", ".join(hints)
    if binding.empty_families:
        return f"no tag matches `{binding.empty_families[0]}` among {_found(log)}"
    return ""


def _listed(tags: Sequence[str]) -> str:
    """Tags for a message; a log may hold some of a megabyte."""
    shown = (t if len(t) <= _LONGEST_SHOWN else t[:_LONGEST_SHOWN] + "…" for t in tags)
    return ", ".join(f"`{t}`" for t in shown)


def _similar(tags: Sequence[str]) -> str:
    return f" (the log has {_listed(tags)})" if tags else ""


def _tried(name: str, tags: Sequence[str], binding: Binding) -> str:
    """A term without a column, the tags that were looked for, and what is spelt like them."""
    taken = {binding.total, *binding.tags.values()}
    near = [t for t in binding.missing[name] if t not in taken]
    looked = f"looked for {_listed(tags)}" if tuple(tags) != (name,) else ""
    has = f"the log has {_listed(near)}" if near else ""
    words = "; ".join(w for w in (looked, has) if w)
    return f"`{name}`" + (f" ({words})" if words else "")


def _found(log: Log, most: int = 8) -> str:
    tags = sorted(log.columns)
    more = f" and {len(tags) - most} more" if len(tags) > most else ""
    return _listed(tags[:most]) + more
