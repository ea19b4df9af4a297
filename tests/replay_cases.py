"""The cases of `fixtures/defects/replays.yaml`: what no log shows, and what a replay says of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import chdir
from functools import cache
from pathlib import Path

import yaml
from msgspec import Struct

from lossaudit.audit import audit, recompute
from lossaudit.model.result import Result
from lossaudit.spec.load import load_spec
from lossaudit.witnesses.replay.request import Pair, Request

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "fixtures" / "defects"


class ReplayCase(Struct, frozen=True):
    """A defect with its repaired twin; see the head of `replays.yaml`."""

    name: str
    defect: str
    thread: tuple[str, ...]
    says: str
    verdict: str
    check: str
    names: str
    spec: str = ""
    weights: str = ""
    batches: Mapping[str, str] = {}

    def arguments(self, side: str) -> list[str]:
        """What `lossaudit` is told, from the repository's root."""
        folder = f"fixtures/defects/replays/{self.name}"
        if self.batches:
            pair = [self.weights, "--batch", self.batches[side]]
            return ["recompute", *pair, "--spec", self.spec]
        return ["audit", f"{folder}/{side}", "--spec", f"{folder}/spec.yaml"]

    def command(self) -> str:
        """The whole command on the defect."""
        return shlex.join(["lossaudit", *self.arguments("defect")])

    def audit(self, side: str) -> Result:
        """What the library says."""
        return _audited(self.name, side)


@cache
def _audited(name: str, side: str) -> Result:
    case = next(c for c in replay_cases() if c.name == name)
    told = case.arguments(side)
    with chdir(ROOT):
        if told[0] == "audit":
            return audit(told[1], told[3], request=Request((), told[1], device="cpu"))
        request = Request((Pair(told[1], told[3]),), told[3], device="cpu")
        return recompute(load_spec(told[5]), request)


def replay_cases() -> list[ReplayCase]:
    """All cases in the file's order."""
    stored = yaml.safe_load((FOLDER / "replays.yaml").read_text())
    return [
        ReplayCase(name, **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
        for name, fields in stored.items()
    ]
