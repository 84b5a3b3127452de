# The steps of ops/test, and the sum of their results.
# shellcheck shell=bash disable=SC2154
# shellcheck source=ops/lib/process.sh
. "$ROOT/ops/lib/process.sh"
# shellcheck source=ops/lib/packages.sh
. "$ROOT/ops/lib/packages.sh"
# shellcheck source=ops/lib/build-lock.sh
. "$ROOT/ops/lib/build-lock.sh"

PROJECT=$ROOT/tests/CVault.Tests/CVault.Tests.csproj
PASSED=0 FAILED=0 SKIPPED=0
FAILURES=''   # what they were, said once more at the end: the first lines of a long run are often lost
STEP='' STACK=''

# step CMD...: in a session of its own and waited for, so that a signal to ops/test is heard at once.
step() {
  own_session "$@" </dev/null 7<&- & STEP=$!
  local code=0
  wait "$STEP" || code=$?
  STEP=''
  return $code
}

watch_time() { # SECONDS
  ( trap 'kill "$sleep" 2>/dev/null' TERM
    sleep "$1" & sleep=$!
    wait "$sleep" && kill -TERM $$ ) >/dev/null 2>&1 &
  WATCH=$!
}

# Always: no process and no state of this run stays, and the last line is the sum.
finish() {
  local code=$?
  trap '' INT TERM HUP
  if [ -n "$STEP" ]; then kill -TERM -- "-$STEP" 2>/dev/null || true; wait_gone "$STEP" 20 || kill -KILL -- "-$STEP" 2>/dev/null || true; fi
  if [ -n "$STACK" ]; then end_test_stack; fi
  kill "$WATCH" 2>/dev/null || true
  if [ "$code" -ne 0 ] && [ $FAILED = 0 ]; then FAILED=1; fi   # something broke outside a test
  FAILURES=$(sed '/^$/d' <<<"$FAILURES")
  if [ -n "$FAILURES" ]; then say "what failed"; printf '%s\n' "$FAILURES"; fi
  if [ $((PASSED + FAILED)) = 0 ]; then warn "no test ran${filter:+: nothing matches $filter}"; fi
  if [ "$code" -eq 0 ] && { [ $FAILED -gt 0 ] || [ $PASSED = 0 ]; }; then code=1; fi
  echo
  printf '%s passed, %s failed%s\n' $PASSED $FAILED "$([ $SKIPPED = 0 ] || printf ', %s skipped' $SKIPPED)"
  exit "$code"
}

# failure TEXT: counts one and keeps its words.
failure() { warn "$1"; FAILED=$((FAILED + 1)); FAILURES+="    $1"$'\n'; }

build_solution() {
  require_dotnet
  have jq || { make_state_folder; require_tools; }
  say "building CVault.sln (Release, warnings are errors)"
  (lock_build "$ROOT"; step dotnet build "$ROOT/CVault.sln" --configuration Release -warnaserror "${BUILD_FLAGS[@]}") ||
    die "the build failed." "Its words are above."
}

# Each a program of tests of its own; those of a running API find it by CVAULT_URL.
SDK_PROJECTS=("$ROOT"/sdk-dotnet/tests/{CVault.Sdk.Tests/CVault.Sdk.Tests,CVault.Sdk.Tests.NetStandard/CVault.Sdk.Tests.NetStandard,CVault.Sdk.Tunnel.Tests/CVault.Sdk.Tunnel.Tests,CVault.Client.Tests/CVault.Client.Tests}.csproj)

# any_test FILTER...: is there one to run? (The runner ends with 8 when there is none.)
any_test() {
  step dotnet test --project "$PROJECT" --configuration Release --no-build --list-tests "$@" >"$results/list.log" 2>&1
}

# run_tests NAME PROJECT FILTER...: one run of .NET tests; its report is added to the sum.
run_tests() {
  local name=$1 project=$2 report=$results/$1.ctrf.json code=0 failed=0; shift 2
  say "tests: $name"
  step dotnet test --project "$project" --configuration Release --no-build --no-progress \
    --results-directory "$results" --report-xunit-ctrf --report-xunit-ctrf-filename "$name.ctrf.json" "$@" || code=$?
  if [ -s "$report" ]; then
    # A message with a NUL in it is written as it is, and no JSON any more.
    tr -d '\000' <"$report" >"$report.new" && mv "$report.new" "$report"
    failed=$(jq '.results.summary.failed' "$report")
    PASSED=$((PASSED + $(jq '.results.summary.passed' "$report")))
    FAILED=$((FAILED + failed))
    SKIPPED=$((SKIPPED + $(jq '.results.summary | .skipped + .pending' "$report")))
    FAILURES+=$(jq -r '.results.tests[] | select(.status == "failed") | "    \(.name)\n\(.message // "")"' "$report" | cut -c1-300 | sed -n 1,60p)$'\n'
  fi
  slowest "$report"
  # 8: no test matched. Anything else without a failed test is a runner that broke, or a fixture that threw.
  case $code in 0|8) ;; *) if [ "$failed" = 0 ]; then failure "$name: the runner ended with $code"; fi ;; esac
}

# run_npm_tests FOLDER [SCRIPT]: what a folder's package.json calls its tests, by vitest.
run_npm_tests() {
  local folder=$1 script=${2:-test} report code=0
  report=$results/npm-$(basename "$folder")-$script.json
  say "tests: ${folder#"$ROOT/"} ($script)"
  [ -d "$folder/node_modules" ] || step npm ci --no-audit --no-fund --prefix "$folder" >"$results/npm.log" 2>&1 ||
    { failure "npm ci failed in $folder"; tail -n 20 "$results/npm.log" >&2; return; }
  NO_COLOR=1 step npm run --silent "$script" --prefix "$folder" -- --reporter=dot --reporter=json --outputFile.json="$report" || code=$?
  if [ ! -s "$report" ]; then failure "$folder ($script): it wrote no report ($code)"; return; fi
  PASSED=$((PASSED + $(jq .numPassedTests "$report")))
  FAILED=$((FAILED + $(jq .numFailedTests "$report")))
  SKIPPED=$((SKIPPED + $(jq '.numPendingTests + .numTodoTests' "$report")))
  FAILURES+=$(jq -r '.testResults[].assertionResults[] | select(.status == "failed") | "    \(.fullName)\n\(.failureMessages | join("\n"))"' "$report" | cut -c1-300 | sed -n 1,60p)$'\n'
  # A file that could not be loaded fails no test of its own.
  if [ "$code" != 0 ] && [ "$(jq .numFailedTests "$report")" = 0 ]; then failure "$folder ($script): vitest ended with $code"; fi
}

# slowest REPORT: where the time went, for whoever wants it back.
slowest() {
  [ -s "$1" ] || return 0
  jq -r '[.results.tests[] | select(.duration > 10000)] | sort_by(-.duration) | .[:30][]
    | "    \(.duration / 1000 | floor) s  \(.name | split(".") | .[-2:] | join("."))"' "$1" || true
}

# A fresh one every time. It is in STACK from the first moment, so that a half-started one is ended too.
start_test_stack() {
  STACK=yes
  "$ROOT/ops/down" --purge 7<&-
  make_state_folder
  get_browser
  get_pdf_tools
  export CVAULT_API_PORT CVAULT_PORTAL_PORT CVAULT_METRICS_PORT
  CVAULT_API_PORT=$(free_port) CVAULT_PORTAL_PORT=$(free_port) CVAULT_METRICS_PORT=$(free_port)
  step "$ROOT/ops/up" --detach || die "the stack for the tests did not come up." "Its words are above."
  set -a
  # shellcheck source=/dev/null
  . "$STATE/demo.env"
  set +a
}

# unexpected_lines LOG...: what the API logged at `warn:` and above, or broke with, that ops/lib/expected-lines does not
# have. The time is cut off; a line without one, or of "=== api started", is none of the logger's.
unexpected_lines() {
  cat "$@" 2>/dev/null | sed -nE -e 's/^[0-9]{4}-[^ ]+Z (warn|fail|crit): /\1: /p' -e t -e '/^[0-9]{4}-[^ ]+Z |^===|^ *$/!p' |
    grep -vE -f <(grep -vE '^(#|$)' "$ROOT/ops/lib/expected-lines") || true
}

# The whole run's logs, now that it is over: what the tests sent as passwords and emails is in none of them, and the API
# complained of nothing but what the tests did to it.
look_through_logs() {
  local found
  found=$(grep -rlF -e 'correct horse battery' -e '@example.com' "$STATE/logs" "$STATE/lab/logs" 2>/dev/null) || true
  if [ -z "$found" ]; then PASSED=$((PASSED + 1)); else failure "a test's password or email is in: $found"; fi
  found=$(unexpected_lines "$STATE/logs/api.log.1" "$STATE/logs/api.log")
  if [ -z "$found" ]; then PASSED=$((PASSED + 1)); return; fi
  failure "$(wc -l <<<"$found") lines in the API's log are not among those that ops/lib/expected-lines has, such as:
$(cut -c1-300 <<<"$found" | head -n 20)"
}

end_test_stack() {
  if [ $FAILED -gt 0 ] && [ -s "$STATE/logs/api.log" ]; then
    say "the last of the API's log"; last_words api 40
    cp "$STATE/logs/api.log" "$STATE/logs/postgres.log" "$results/" 2>/dev/null || true
    note "whole logs and reports: $results"
  fi
  if [ -n "${CVAULT_KEEP:-}" ]; then say "kept: CVAULT_STATE_DIR=$STATE ops/down --purge removes it"; return; fi
  "$ROOT/ops/down" --purge 7<&- || warn "the test stack in $STATE was not removed; its words are above"
}
