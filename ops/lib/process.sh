# Long-lived processes by recorded id. A pid file holds "PID START": the start time tells a recycled pid apart.
# shellcheck shell=bash

# When a process started, in the kernel's own words; fails if it is gone or only a zombie waits to be reaped.
started_at() {
  if [ -d /proc/self ]; then
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }                      # the name before it may hold spaces and brackets
    # shellcheck disable=SC2086
    set -- $stat
    [ "$1" != Z ] && printf '%s\n' "${20}" # field 22 of the whole line: proc(5)
  else
    local start
    start=$(ps -o lstart= -p "$1" 2>/dev/null) && [ -n "$start" ] && printf '%s\n' "$start"
  fi
}

record_process() { # NAME PID
  printf '%s %s\n' "$2" "$(started_at "$2" || echo gone)" >"$STATE/run/$1.pid.new"
  mv "$STATE/run/$1.pid.new" "$STATE/run/$1.pid"
}

# Prints the pid if what was recorded under NAME still runs.
running() {
  local pid start
  read -r pid start 2>/dev/null <"$STATE/run/$1.pid" || return 1
  [ "$(started_at "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# A session of its own, so that Ctrl-C in the terminal reaches `up` alone, and without forking, so that $! stays true.
if have setsid; then own_session() { exec setsid "$@"; }
else own_session() { exec perl -e 'use POSIX; POSIX::setsid(); exec @ARGV or exit 127' "$@"; }; fi

# start_process NAME CMD...: output goes to logs/NAME.log. The state lock is not handed on.
start_process() {
  local name=$1 log=$STATE/logs/$1.log; shift
  if [ -n "$(find "$log" -size +20480k 2>/dev/null)" ]; then mv "$log" "$log.1"; fi
  printf '=== %s started %s\n' "$name" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$log"
  own_session "$@" </dev/null >>"$log" 2>&1 9<&- &
  record_process "$name" $!
}

# last_words NAME LINES: the end of its log, of the latest start only.
last_words() { awk -v most="$2" '/^=== .* started / { n = 0; next } { line[n++] = $0 }
    END { for (i = (n > most ? n - most : 0); i < n; i++) print line[i] }' "$STATE/logs/$1.log"
}

wait_gone() { # PID SECONDS
  local tries=$(($2 * 10))
  while started_at "$1" >/dev/null; do
    [ "$tries" -gt 0 ] || return 1
    tries=$((tries - 1)); sleep 0.1
  done
}

# stop_process NAME SIGNAL SECONDS [group]: asks first, kills after SECONDS; quiet when there is nothing to stop.
stop_process() {
  local pid target
  if pid=$(running "$1"); then
    target=$pid; [ "${4:-}" = group ] && target=-$pid
    kill -"$2" -- "$target" 2>/dev/null || true
    wait_gone "$pid" "$3" || { warn "$1 (pid $pid) did not stop in $3 s: killing it"; kill -KILL -- "$target" 2>/dev/null || true; wait_gone "$pid" 10 || true; }
    note "stopped $1 (pid $pid)"
  fi
  rm -f "$STATE/run/$1.pid"
}
