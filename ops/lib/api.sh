# The API's process, and speaking to it as the operator.
# shellcheck shell=bash

live() { curl -q -s --noproxy '*' --max-time 5 -o /dev/null -f "http://127.0.0.1:$API_PORT/health/live"; }

# Who listens there? In words for a person; empty when nobody does.
port_holder() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 0
  local pid="" other=""
  if have ss; then pid=$(ss -Hltnp "sport = :$1" 2>/dev/null | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1); fi
  if [ -z "$pid" ]; then echo "another program"; return; fi
  other=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^CVAULT_STATE_DIR=//p' | head -n 1 || true)
  printf '%s (pid %s)%s\n' "$(cat "/proc/$pid/comm" 2>/dev/null)" "$pid" "${other:+, the stack of $other (CVAULT_STATE_DIR=$other ops/down stops it)}"
}

require_free_port() { # PORT VARIABLE
  local holder
  holder=$(port_holder "$1")
  if [ -z "$holder" ]; then return; fi
  die "port $1 is taken by $holder." "Stop that, or choose another port: $2=$(($1 + 10)) ops/up"
}

# A running stack keeps its port when `up` is called again without the variable; `down` forgets it.
remembered_port() { # VARIABLE DEFAULT
  local file=$STATE/run/$1
  printf '%s\n' "${!1:-$(cat "$file" 2>/dev/null || echo "$2")}"
}
remember_port() { printf '%s\n' "$2" >"$STATE/run/$1"; }

# All that the API is told; a difference to what the running one was told means a restart.
api_environment() {
  CVAULT_DATABASE_URL=$(cat "$STATE/secrets/database-url")
  export CVAULT_DATABASE_URL
  export CVAULT_API_PORT=$API_PORT CVAULT_METRICS_PORT=$METRICS_PORT CVAULT_LAB=$LAB_MODE
  export CVAULT_OPERATOR_TOKEN_FILE=$STATE/secrets/operator-token
  export CVAULT_MASTER_KEY_FILE=$STATE/secrets/master-key
  if [ -s "$STATE/secrets/master-key-previous" ]; then export CVAULT_MASTER_KEY_PREVIOUS_FILE=$STATE/secrets/master-key-previous; fi
  export CVAULT_SSH_KEY_FILE=$STATE/secrets/ssh-key
  # Whoever can speak to this stack is on this machine: tests speak for other addresses (X-Forwarded-For).
  export CVAULT_TRUSTED_PROXIES=${CVAULT_TRUSTED_PROXIES-127.0.0.1}
  export CVAULT_PUBLIC_URL=${CVAULT_PUBLIC_URL:-http://127.0.0.1:$API_PORT}
  export CVAULT_PORTAL_URL=http://127.0.0.1:$PORTAL_PORT CVAULT_SMTP_URL=smtp://127.0.0.1:$MAIL_PORT
  export ASPNETCORE_ENVIRONMENT=${ASPNETCORE_ENVIRONMENT:-Development}
}

api_settings() {
  printf '%s\n' "$APP_FOLDER" "$CVAULT_DATABASE_URL" "$CVAULT_API_PORT" "$CVAULT_METRICS_PORT" "$CVAULT_LAB" "$CVAULT_PUBLIC_URL" "$CVAULT_PORTAL_URL" "$CVAULT_SMTP_URL" "$ASPNETCORE_ENVIRONMENT" \
    "$CVAULT_TRUSTED_PROXIES" "${CVAULT_METER_INTERVAL-}" "${CVAULT_BILLING_CLOSE_AFTER-}" "${CVAULT_BILLING_GRACE_DAYS-}" "${CVAULT_SELLER_NAME-}${CVAULT_SELLER_ADDRESS-}${CVAULT_SELLER_TAX_ID-}" "$(cat "$STATE"/secrets/master-key* | digest)" \
    "${CVAULT_STRIPE_SECRET_KEY-}${CVAULT_STRIPE_SECRET_KEY_FILE-}" "${CVAULT_STRIPE_WEBHOOK_SECRET-}${CVAULT_STRIPE_WEBHOOK_SECRET_FILE-}" \
    "${CVAULT_STRIPE_METER_EVENT-}" "${CVAULT_STRIPE_TIMEOUT-}" "${CVAULT_STRIPE_API_BASE-}" | digest
}

# as_the_api TOOL: what the API's program does as a tool, with the environment that the API has.
as_the_api() (
  [ -s "$STATE/secrets/master-key" ] || die "there is no stack in $STATE." "ops/up makes one; CVAULT_STATE_DIR says which is meant."
  API_PORT=$(remembered_port CVAULT_API_PORT 8080)
  PORTAL_PORT=$(remembered_port CVAULT_PORTAL_PORT 8081)
  MAIL_PORT=$(remembered_port CVAULT_MAIL_PORT 0)
  METRICS_PORT=$(remembered_port CVAULT_METRICS_PORT 8082)
  LAB_MODE=$(sed -n 's/^CVAULT_LAB=//p' "$STATE/demo.env" 2>/dev/null || true)
  APP_FOLDER=$(cat "$STATE/run/api.app" 2>/dev/null || true)
  [ -d "$APP_FOLDER" ] || die "the API's program is not there." "ops/up --detach builds it."
  require_dotnet
  api_environment
  cd "$APP_FOLDER" || exit
  dotnet "$APP_FOLDER/CVault.Api.dll" "$@"
)

# In a subshell: these variables are the API's, not those of every later command.
start_api() (
  api_environment
  settings=$(api_settings)
  if pid=$(running api); then
    if [ "$settings" = "$(cat "$STATE/run/api.settings" 2>/dev/null)" ]; then say "API: already running (pid $pid)"; exit; fi
    say "API: its program or settings changed, restarting it"
    stop_process api TERM 40
  fi
  require_free_port "$API_PORT" CVAULT_API_PORT
  say "API: starting on http://127.0.0.1:$API_PORT (log: $STATE/logs/api.log)"
  cd "$APP_FOLDER" || exit   # its appsettings.json is read from where it works
  start_process api dotnet "$APP_FOLDER/CVault.Api.dll"
  printf '%s\n' "$settings" >"$STATE/run/api.settings"
  printf '%s\n' "$APP_FOLDER" >"$STATE/run/api.app"
  remember_port CVAULT_API_PORT "$API_PORT"
  remember_port CVAULT_METRICS_PORT "$METRICS_PORT"
)

api_failed() {
  last_words api 40 >&2
  die "the API $1" "Its last words are above, all of them in $STATE/logs/api.log. Mend that and run this again." \
    "The rest of the stack still runs; ops/down stops it."
}

wait_live() {
  for _ in $(seq 600); do
    if ! running api >/dev/null; then api_failed "ended while starting."; fi
    if live; then return; fi
    sleep 0.2
  done
  api_failed "did not answer /health/live within 120 s."
}

wait_healthy() {
  local answer=""
  for _ in $(seq 240); do
    if ! running api >/dev/null; then api_failed "ended."; fi
    answer=$(curl -q -s --noproxy '*' --max-time 10 "http://127.0.0.1:$API_PORT/health" || true)
    if [ "$(jq -r '.status? // empty' 2>/dev/null <<<"$answer")" = healthy ]; then return; fi
    sleep 0.5
  done
  api_failed "is not healthy after 120 s. /health says: ${answer:-nothing}"
}

# admin METHOD PATH [JSON]: a call as the operator, repeated while the API is still warming up or busy.
# Sets ADMIN_STATUS and ADMIN_ANSWER. The token goes by a pipe: arguments can be read by every user.
# ADMIN_KEY, when set, is the Idempotency-Key; otherwise one is made for this call and its repetitions.
admin() {
  local method=$1 path=$2 body=${3-} key out
  key=${ADMIN_KEY:-$(openssl rand -hex 16)}
  for _ in $(seq 30); do
    out=$(curl -q -sS --noproxy '*' --max-time 60 -X "$method" \
      -H @<(printf 'Authorization: Bearer %s\n' "$(cat "$STATE/secrets/operator-token")") \
      -H 'Content-Type: application/json' -H "Idempotency-Key: $key" \
      ${body:+--data-binary @-} -w '\n%{http_code}' "http://127.0.0.1:$API_PORT$path" 2>>"$STATE/logs/up.log" <<<"$body") || true
    ADMIN_STATUS=${out##*$'\n'} ADMIN_ANSWER=${out%$'\n'*}
    case $ADMIN_STATUS in ""|000|429|502|503|504) sleep 1 ;; *) return ;; esac
    running api >/dev/null || api_failed "ended."
  done
}

# admin_failed WHAT: the problem's own words, which by contract hold no secret.
admin_failed() {
  die "$1: the API answered $ADMIN_STATUS" \
    "$(jq -r '[.code, .title, .detail, (.errors // empty | tojson)] | map(select(. != null)) | join("; ")' 2>/dev/null <<<"$ADMIN_ANSWER" || true)" \
    "Its log: $STATE/logs/api.log. Mend that and run this again."
}
