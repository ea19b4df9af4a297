"""Result -> plain values for JSON, in the published layout (schema "lossaudit/1")."""

from __future__ import annotations

import math
from typing import Any

from lossaudit.model.finding import Finding, Location
from lossaudit.model.result import SCHEMA, Result, Violation, Witness


def encode_result(result: Result) -> dict[str, Any]:
    """The whole result; keys in the published order."""
    shared = next((w for w in result.witnesses if w.shares), None)
    plotted = next((w for w in result.witnesses if w.series), None)
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
        },
        "witnesses": [encode_witness(w) for w in result.witnesses],
        "findings": [encode_finding(f) for f in result.findings],
        "balance": {"terms": _shares(shared) if shared else {}},
        "series": {k: encode_value(list(v)) for k, v in plotted.series.items()} if plotted else {},
        "skipped": [{"check": check, "reason": reason} for check, reason in result.skipped],
        "environment": dict(result.environment),
    }


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
        "weights": {
            name: encode_value({"declared": w.declared, "low": w.low, "high": w.high})
            for name, w in witness.weights.items()
        },
        "weights_note": witness.weights_note,
        "rivals": [
            {
                "name": r.name,
                "formula": r.formula,
                "verdict": r.verdict,
                "refuted_rows": r.refuted_rows,
                "decided": r.decided,
                "automatic": r.automatic,
            }
            for r in witness.rivals
        ],
        "replays": [],
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
    }


def encode_value(value: Any) -> Any:
    """`value` with NaN and infinities as strings ("NaN", "Infinity", "-Infinity"), recursively."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(k): encode_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode_value(v) for v in value]
    return value


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


def _shares(witness: Witness) -> dict[str, Any]:
    return {
        name: {"share": encode_value({"mean": s.mean, "p05": s.p05, "p50": s.p50, "p95": s.p95})}
        for name, s in witness.shares.items()
    }
