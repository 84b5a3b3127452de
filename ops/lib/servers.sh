# The WireGuard servers: the lab's real ones, or simulated ones where the lab cannot be; and telling the API of them.
# shellcheck shell=bash disable=SC2034

# Sets LAB_MODE (real or simulated) and SERVERS_FILE. `ops/lab up` ends with 3 where namespaces cannot be made.
start_lab() {
  local code=0
  if [ "${CVAULT_LAB:-}" = simulated ]; then code=3; say "lab: simulated servers, as CVAULT_LAB asks"
  else
    say "lab: WireGuard hosts in network namespaces"
    if has_apt; then "$ROOT/ops/lab" install </dev/null 9<&- || code=$?; fi
    if [ $code = 0 ]; then "$ROOT/ops/lab" up </dev/null 9<&- || code=$?; fi
  fi
  case $code in
    0) LAB_MODE=real SERVERS_FILE=$STATE/lab/servers.json ;;
    3) LAB_MODE=simulated SERVERS_FILE=$ROOT/ops/lib/simulated-servers.json
       warn "SIMULATED SERVERS: no WireGuard runs here and no traffic can flow."
       warn "Everything else is real. For real servers run this as root on Linux." ;;
    *) die "the lab could not be started (ops/lab ended with $code)." "Its words are above. Mend that and run this again," \
         "or do without real servers: CVAULT_LAB=simulated ops/up" ;;
  esac
}

stop_lab() {
  if [ -x "$ROOT/ops/lab" ] && [ -n "$(ls -A "$STATE/lab" 2>/dev/null)" ]; then
    "$ROOT/ops/lab" down </dev/null 9<&- || warn "ops/lab down ended with $?; its words are above"
  fi
}

# All servers that the API knows, as one JSON array.
known_servers() {
  local cursor="" all="[]"
  while :; do
    admin GET "/admin/servers?limit=200${cursor:+&cursor=$cursor}"
    if [ "$ADMIN_STATUS" != 200 ]; then admin_failed "listing the servers"; fi
    all=$(jq -c --argjson all "$all" '$all + .servers' <<<"$ADMIN_ANSWER")
    cursor=$(jq -r '.next_cursor // empty | @uri' <<<"$ADMIN_ANSWER")
    if [ -z "$cursor" ]; then break; fi
  done
  KNOWN_SERVERS=$all
}

register_servers() {
  local entry name known changes
  known_servers
  while read -r entry; do
    name=$(jq -r .name <<<"$entry")
    known=$(jq -c --arg name "$name" 'map(select(.name == $name))[0] // empty' <<<"$KNOWN_SERVERS")
    if [ -z "$known" ]; then
      admin POST /admin/servers "$entry"
      case $ADMIN_STATUS in
        2??) note "registered server $name" ;;
        409) note "server $name is registered already" ;;
        *) admin_failed "registering server $name" ;;
      esac
      continue
    fi
    # Only what this API shows and a new lab can change.
    changes=$(jq -c --argjson known "$known" \
      '{ssh_host, ssh_port} | with_entries(.key as $key | select(.value != null and ($known | has($key)) and $known[$key] != .value))' <<<"$entry")
    if [ "$changes" != "{}" ]; then
      admin PATCH "/admin/servers/$(jq -r .id <<<"$known")" "$changes"
      case $ADMIN_STATUS in 2??) note "server $name moved: $changes" ;; *) admin_failed "moving server $name" ;; esac
    fi
  done < <(jq -c '.[]' "$SERVERS_FILE")
}
