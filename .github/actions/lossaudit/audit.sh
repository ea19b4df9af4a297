#!/usr/bin/env bash
# The action's work: inputs come as LOSSAUDIT_* variables and are never part of this text, so that
# nothing in them is run. Annotations go to standard output, Markdown to the step's summary.
set -uo pipefail

arguments=(check "--format=github" "--no-progress")
add() { # add OPTION VALUE: unless the value is empty
  [ -z "$2" ] || arguments+=("$1=$2")
}
add --spec "${LOSSAUDIT_SPEC:-}"
add --formula "${LOSSAUDIT_FORMULA:-}"
while IFS= read -r rival; do add --rival "$rival"; done <<<"${LOSSAUDIT_RIVALS:-}"
add --baseline "${LOSSAUDIT_BASELINE:-}"
add --fail-on "${LOSSAUDIT_FAIL_ON:-}"
[ "${LOSSAUDIT_ALLOW_INCONCLUSIVE:-false}" != true ] || arguments+=(--allow-inconclusive)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sarif=${LOSSAUDIT_SARIF_FILE:-}
sarif=${sarif%%[$'\r\n']*}
arguments+=("--report=json=$work/result.json" "--report=markdown=$work/summary.md")
[ -z "$sarif" ] || arguments+=("--report=sarif=$sarif")
[ -z "${LOSSAUDIT_JUNIT_FILE:-}" ] || arguments+=("--report=junit=$LOSSAUDIT_JUNIT_FILE")
[ -z "${LOSSAUDIT_JSON_FILE:-}" ] || arguments+=("--report=json=$LOSSAUDIT_JSON_FILE")

logs=()
while IFS= read -r log; do [ -z "$log" ] || logs+=("$log"); done <<<"${LOSSAUDIT_LOGS:-}"

lossaudit "${arguments[@]}" -- "${logs[@]}"
code=$?

verdict=
if [ -f "$work/result.json" ]; then
  verdict=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["verdict"])' "$work/result.json")
  cat "$work/summary.md" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
else
  sarif=
  # the reason is on standard error, which no pull request shows
  echo "::error title=lossaudit could not audit::exit code $code; the step's log says why"
fi
{
  echo "verdict=$verdict"
  echo "exit-code=$code"
  echo "sarif-file=$sarif"
} >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
