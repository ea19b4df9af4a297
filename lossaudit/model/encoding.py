"""Result -> plain values for JSON, in the published layout (schema "lossaudit/1")."""

from __future__ import annotations

from typing import Any

from lossaudit.model.balance_encoding import encode_balance, encode_share
from lossaudit.model.finding import Finding, Location
from lossaudit.model.identification import Identification
from lossaudit.model.json_values import encode_value
from lossaudit.model.places import fingerprints
from lossaudit.model.replay import Replay
from lossaudit.model.reproduction import Reproduction
from lossaudit.model.result import SCHEMA, Result, Rival, Violation, Witness


def encode_result(result: Result) -> dict[str, Any]:
    """The whole result; keys in the published order."""
    witnesses = result.witnesses
    weighed = [k for k, w in enumerate(witnesses) if w.shares or w.balance is not None]
    shared = next((k for k in weighed if witnesses[k].shares), weighed[0] if weighed else None)
    plotted = next((k for k, w in enumerate(witnesses) if w.series), None)
    return {
        "schema": SCHEMA,
        "version": result.version,
        "verdict": result.verdict.value,
        "exit_code": int(result.exit_code),
        "reason": result.reason,
        "spec": {
            "name": result.spec.name,
            "formula": result.spec.formula,
            "rivals": [{"name": name, "formula": formula} for name, formula in result.spec.rivals],
            "sha256": result.spec.sha256,
            "dtype": result.spec.dtype,
            "sources": list(result.spec.sources),
            "location": _location(result.spec.location) if result.spec.location else None,
        },
        "witnesses": [
            encode_witness(w) | _further(w, k == shared, k == plotted)
            for k, w in enumerate(witnesses)
        ],
        "findings": [
            encode_finding(f) | {"fingerprint": fingerprint}
            for f, fingerprint in zip(result.findings, fingerprints(result), strict=True)
        ],
        "balance": {"terms": {}} if shared is None else encode_balance(witnesses[shared]),
        "balance_witness": shared,
        "series": {} if plotted is None else _series(witnesses[plotted]),
        "series_witness": plotted,
        "skipped": [{"check": check, "reason": reason} for check, reason in result.skipped],
        "environment": dict(result.environment),
        **({"training": dict(result.training)} if result.training else {}),
        "fail_on": result.fail_on.value,
        "checks": list(result.checks),
        "rules": [encode_value(rule) for rule in result.rules],
        "repository_paths": dict(result.repository_paths),
        **_reproduction(result.reproduction),
    }


def _further(witness: Witness, is_shared: bool, is_plotted: bool) -> dict[str, Any]:
    """Shares and series of a witness that are not those at the document's top."""
    found: dict[str, Any] = {}
    if witness.shares and witness.balance is None and not is_shared:
        found["shares"] = {n: encode_share(s) for n, s in witness.shares.items()}
    if witness.series and not is_plotted:
        found["series"] = _series(witness)
    return found


def _series(witness: Witness) -> dict[str, Any]:
    return {name: encode_value(list(values)) for name, values in witness.series.items()}


def _reproduction(made: Reproduction | None) -> dict[str, Any]:
    """The key of a result that a command made; else nothing."""
    if made is None:
        return {}
    inputs = [{"path": i.path, "sha256": i.sha256} for i in made.inputs]
    shown = {"command": list(made.command), "inputs": inputs, "spec_text": made.spec_text}
    return {"reproduction": shown}


def encode_witness(witness: Witness) -> dict[str, Any]:
    """One entry of "witnesses"."""
    violations = [_violation(v) for v in witness.first_violations]
    return {
        "kind": witness.kind,
        "source": witness.source,
        "reader": witness.reader,
        "sha256": witness.sha256,
        "verdict": witness.verdict.value,
        "reason": witness.reason,
        "formula": witness.formula,
        "total_tag": witness.total_tag,
        "columns": dict(witness.columns),
        "resolution": dict(witness.resolution),
        "records": witness.records,
        "rows": witness.rows,
        "decided": witness.decided,
        "undecided": dict(witness.undecided),
        "violations": witness.violations,
        "first_violation": violations[0] if violations else None,
        "first_violations": violations,
        "violation_ranges": [encode_value(r) for r in witness.violation_ranges],
        "weights": {
            name: encode_value({"declared": w.declared, "low": w.low, "high": w.high})
            for name, w in witness.weights.items()
        },
        "weights_note": witness.weights_note,
        "rivals": [_rival(r) for r in witness.rivals],
        "replays": [encode_replay(r) for r in witness.replays],
        **({"means": encode_value(dict(witness.means))} if witness.means else {}),
        **({"environment": dict(witness.environment)} if witness.environment else {}),
        **({} if witness.gradients is None else {"gradients": encode_value(witness.gradients)}),
        **({} if witness.balance is None else {"balance": encode_balance(witness)}),
        **_identification(witness.identification),
    }


def _rival(rival: Rival) -> dict[str, Any]:
    return {
        "name": rival.name,
        "formula": rival.formula,
        "verdict": rival.verdict,
        "refuted_rows": rival.refuted_rows,
        "decided": rival.decided,
        "automatic": rival.automatic,
    }


def _identification(found: Identification | None) -> dict[str, Any]:
    """The key of a witness that `lossaudit identify` was asked about; else nothing."""
    return {} if found is None else {"identification": encode_value(found)}


def encode_replay(replay: Replay) -> dict[str, Any]:
    """One entry of "replays"."""
    return {
        "step": replay.step,
        "batch": replay.batch,
        "checkpoint": replay.checkpoint or None,
        "depth": replay.depth,
        "device": replay.device,
        "dtype": replay.dtype,
        "total_logged": encode_value(replay.total_logged),
        "total_half_width": encode_value(replay.total_half),
        "total_source": replay.total_source,
        "total_stated": encode_value(replay.stated),
        "total": encode_value(replay.total),
        "agrees": replay.agrees,
        "terms": {name: encode_value(term) for name, term in replay.terms.items()},
        "terms_logged": {
            name: encode_value({"value": v, "half_width": replay.logged_halves.get(name, 0.0)})
            for name, v in replay.logged_terms.items()
        },
        "given": {name: encode_value(number) for name, number in replay.given.items()},
        "caution": replay.caution,
        **({"policy": dict(replay.policy)} if replay.policy else {}),
        "bounded": replay.is_bounded,
        "files": [encode_value(file) for file in replay.files],
    }


def encode_finding(finding: Finding) -> dict[str, Any]:
    """One entry of "findings"."""
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "message": finding.message,
        "steps": list(finding.steps) if finding.steps else None,
        "location": _location(finding.location) if finding.location else None,
        "witness": finding.witness,
        "evidence": encode_value(dict(finding.evidence)),
        "known": finding.known,
    }


def _violation(violation: Violation) -> dict[str, Any]:
    return encode_value(  # type: ignore[no-any-return]
        {
            "step": violation.step,
            "total": violation.total,
            "recomputed": violation.recomputed,
            "residual": violation.residual,
            "tolerance": violation.tolerance,
            "location": _location(violation.location),
            "terms": dict(violation.terms),
        }
    )


def _location(location: Location) -> dict[str, Any]:
    places = {"line": location.line, "offset": location.offset, "row": location.row}
    return {"path": location.path} | {k: v for k, v in places.items() if v is not None}
