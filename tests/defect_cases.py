"""The cases of `fixtures/defects/cases.yaml`: their logs, and what an audit says of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import yaml
from msgspec import Struct
from msgspec.structs import replace
from replay_cases import ReplayCase, replay_cases

from lossaudit.audit import check_logs
from lossaudit.model.result import Result
from lossaudit.spec.load import load_spec, spec_from_formula
from lossaudit.spec.overrides import override

FOLDER = Path(__file__).parent.parent / "fixtures" / "defects"
FORMULA = "loss = 2.0*loss_rec + loss_edge + 0.5*loss_kl"
NAMES = {
    "events": "event file",
    "log.jsonl": "JSON lines",
    "log.csv": "CSV",
    "log.txt": "logging",
    "bar.txt": "tqdm",
    "log.parquet": "Parquet",
    "trainer_state.json": "trainer state",
}


class Case(Struct, frozen=True, dict=True):
    """A defect with its repaired twin; see the head of `cases.yaml`."""

    name: str
    defect: str
    thread: tuple[str, ...]
    says: str
    verdict: str
    check: str
    options: tuple[str, ...] = ()
    twin: tuple[str, ...] | None = None
    spec: str = ""
    beside: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None
    names: str = ""
    exit_code: int | None = None

    @property
    def logs(self) -> list[str]:
        """Names of the logs of either side."""
        return [n for n in NAMES if (FOLDER / "cases" / self.name / "defect" / n).exists()]

    def path(self, side: str, log: str) -> Path:
        """Where a log of the side "defect" or "repaired" lies."""
        return FOLDER / "cases" / self.name / side / log

    def arguments(self, side: str) -> list[str]:
        """What `lossaudit check` is told besides the log."""
        folder = f"fixtures/defects/cases/{self.name}"
        declared = ["--spec", f"{folder}/{self.spec}"] if self.spec else ["-f", FORMULA]
        own = self.options if side == "defect" or self.twin is None else self.twin
        return [*declared, *own]

    def command(self, log: str) -> str:
        """The whole command on the defect's log."""
        path = f"fixtures/defects/cases/{self.name}/defect/{log}"
        return shlex.join(["lossaudit", "check", path, *self.arguments("defect")])

    def audit(self, side: str, log: str) -> Result:
        """What the library says."""
        told = iter(self.arguments(side)[2:])
        options = [(option, next(told)) for option in told]
        rivals = [value for option, value in options if option == "--rival"]
        aggregates = [value for option, value in options if option == "--aggregate"]
        if self.spec:
            spec = load_spec(str(FOLDER / "cases" / self.name / self.spec))
        else:
            spec = spec_from_formula(FORMULA, rivals)
        spec = override(spec, aggregates=aggregates)
        return check_logs(replace(spec, path=""), [str(self.path(side, log))])


def cases() -> list[Case]:
    """All cases in the file's order."""
    stored = yaml.safe_load((FOLDER / "cases.yaml").read_text())
    return [
        Case(name, **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
        for name, fields in stored.items()
    ]


def every_log() -> Iterator[tuple[Case, str]]:
    """Every case with each of its logs."""
    for case in cases():
        for log in case.logs:
            yield case, log


HEAD = """# Defects

Generated from `fixtures/defects/cases.yaml`, `fixtures/defects/replays.yaml` and what the audits
say.

Every defect below happened to somebody. [fixtures/defects](../fixtures/defects/README.md) commits
each of them in a small but real training, and trains the repaired twin beside it; both are logged
by the writers that people use. The table is what `lossaudit` says of every log. Notes of a format
remain on its right logs: four printed decimals do not add up as they stand (`display-rounding`),
and tqdm draws its last line twice (`duplicate-steps`).

| case | defect | log | verdict, exit code | findings | repaired twin |
|---|---|---|---|---|---|
"""


def defects_page() -> str:
    """`docs/defects.md`: every log's verdict, and how each defect is told."""
    table = [row for case in cases() for row in _rows(case)]
    sections = [_section(case) for case in cases()]
    replays = [_replay_section(case) for case in replay_cases()]
    rows = [_replay_row(case) for case in replay_cases()]
    return HEAD + "".join([*table, *rows, *sections, REPLAYS, *replays])


REPLAYS = """
# What no log shows

These runs log their total alone, and keep sample batches. `lossaudit` computes the terms again from
what the batches hold, or from the weights.
"""


def _replay_row(case: ReplayCase) -> str:
    """A case's row of the table."""
    verdict, found = _cells(case.audit("defect"))
    twin, _ = _cells(case.audit("repaired"))
    cells = f"[{case.name}](#{case.name})", case.defect, "batches", verdict, found, twin
    return f"| {' | '.join(cells)} |\n"


def _replay_section(case: ReplayCase) -> str:
    found = next(f for f in case.audit("defect").findings if f.check == case.check)
    threads = ", ".join(_link(t) for t in case.thread)
    return (
        f"\n## {case.name}\n\n{case.defect} ({threads}): {case.says}.\n\n"
        f"```sh\n{case.command()}\n```\n\n"
        f"*{found.severity.value}* `{case.check}`: {found.message}.\n"
    )


def _rows(case: Case) -> Iterator[str]:
    """One row of the table for all logs of which the same is said."""
    said: dict[tuple[str, ...], list[str]] = {}
    for log in case.logs:
        key = tuple(c for side in ("defect", "repaired") for c in _cells(case.audit(side, log)))
        said.setdefault(key, []).append(NAMES[log])
    for (verdict, found, twin, notes), logs in said.items():
        twin_found = f"{twin}, {notes}" if notes else twin
        cells = f"[{case.name}](#{case.name})", case.defect, ", ".join(logs), verdict, found
        yield f"| {' | '.join((*cells, twin_found))} |\n"


def _cells(result: Result) -> tuple[str, str]:
    found = dict.fromkeys(f.check for f in result.findings)
    named = ", ".join(f"[{c}](checks.md#{c})" for c in found)
    return f"{result.verdict.value} {int(result.exit_code)}", named


def _section(case: Case) -> str:
    result = case.audit("defect", case.logs[0])
    found = next(f for f in result.findings if f.check == case.check)
    threads = ", ".join(_link(t) for t in case.thread)
    also = "".join(f", also `{name}`" for name in case.also)
    return (
        f"\n## {case.name}\n\n{case.defect} ({threads}): {case.says}.\n\n"
        f"```sh\n{case.command(case.logs[0])}\n```\n\n"
        f"*{found.severity.value}* `{case.check}`{also}: {found.message}.\n"
    )


def _link(thread: str) -> str:
    repository, _, number = thread.partition("#")
    if " " in repository:
        return thread
    address = f"https://github.com/{repository}"
    return f"[{thread}]({address}/issues/{number})" if number else thread
