# A private PostgreSQL of this state folder: Unix socket only, no client program needed to set it up.
# shellcheck shell=bash

PG_SOCKET=$RUNTIME/socket

# Sets PG_VIEW: the state folder as the database's user reaches it (see as-database-user). As root that is always
# another path, if only the machine allows it: then nobody's chmod, of a checkout in /root or later, shuts the data away.
choose_view() {
  PG_VIEW=$STATE
  is_root || return 0
  if unshare --mount --propagation slave true 2>/dev/null; then
    PG_VIEW=$RUNTIME/state
    note "$PG_USER sees its folders under $PG_VIEW, in a mount namespace of its own"
  elif ! setpriv --reuid="$PG_USER" --regid="$(id -g "$PG_USER")" --clear-groups test -x "$STATE/."; then
    die "the user $PG_USER, whom PostgreSQL runs as, cannot enter $STATE, and mount namespaces are not allowed here." \
      "Set CVAULT_STATE_DIR to a folder that every user may walk to, such as /var/lib/cvault, and run this again."
  fi
}

# Sets DB_COMMAND: a PostgreSQL program with its arguments, run as the database's user in a clean environment.
database_command() {
  local bin=$PG_BIN/$1; shift
  case $bin in "$STATE"/*) bin=$PG_VIEW${bin#"$STATE"} ;; esac
  if is_root; then DB_COMMAND=("$ROOT/ops/lib/as-database-user" "$PG_USER" "$STATE" "$PG_VIEW" "$bin" "$@")
  else DB_COMMAND=(env -i PATH="$PATH" TZ=UTC CVAULT_STATE_DIR="$STATE" "$bin" "$@"); fi
}

# /tmp is everyone's: a folder of this name that someone else made is not to be trusted.
make_runtime_folder() {
  mkdir -m 711 "$RUNTIME" 2>/dev/null || { [ -d "$RUNTIME" ] && [ ! -L "$RUNTIME" ] && [ -O "$RUNTIME" ]; } ||
    die "$RUNTIME exists and belongs to someone else." "Have its owner remove it, or use another CVAULT_STATE_DIR."
  mkdir -p "$PG_SOCKET" "$RUNTIME/state/pg" "$RUNTIME/state/pg.new" "$RUNTIME/state/pgbin"
  chmod 700 "$PG_SOCKET"
  if is_root; then chown "$PG_USER:$(id -g "$PG_USER")" "$PG_SOCKET"; fi
}

# Written before every start, so that a moved state folder and a newer script take effect.
write_configuration() { # DATA-FOLDER
  cat >"$1/cvault.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$PG_SOCKET'
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = '256MB'
# Durable: what CVault acknowledged survives a crash.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = '1GB'
checkpoint_completion_target = 0.9
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
# Statements, parameters and the values in a constraint's message may be secrets or personal data.
log_statement = 'none'
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
CONF
  grep -q "^include 'cvault.conf'" "$1/postgresql.conf" || printf "include 'cvault.conf'\n" >>"$1/postgresql.conf"
  # The application by its password, and whoever runs ops/ as the superuser by the kernel's word for who he is.
  printf '%s\n' 'local cvault cvault scram-sha-256' 'local all postgres peer map=ops' >"$1/pg_hba.conf"
  printf 'ops %s postgres\n' "$(id -un)" >"$1/pg_ident.conf"
}

# initdb, then role and database through PostgreSQL's single-user mode; renamed to pg/ only when all is there.
create_cluster() {
  local locale=C answer
  if [ -f "$STATE/pg/PG_VERSION" ]; then return; fi
  if locale -a 2>/dev/null | grep -qi '^C\.utf-\?8$'; then locale=C.UTF-8; fi
  rm -rf "$STATE/pg.new"; mkdir -m 700 "$STATE/pg.new"
  if is_root; then chown "$PG_USER:$(id -g "$PG_USER")" "$STATE/pg.new"; fi
  database_command initdb -D "$PG_VIEW/pg.new" -U postgres -A reject -E UTF8 --locale="$locale" --data-checksums
  "${DB_COMMAND[@]}" >>"$STATE/logs/postgres.log" 2>&1 9<&- || database_failed "initdb failed."
  write_configuration "$STATE/pg.new"
  # Not a superuser: row level security would not bind one. The password goes in by standard input.
  database_command postgres --single -D "$PG_VIEW/pg.new" postgres
  answer=$("${DB_COMMAND[@]}" 2>>"$STATE/logs/postgres.log" 9<&- <<SQL
CREATE ROLE cvault LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '$(cat "$STATE/secrets/database-password")'
CREATE DATABASE cvault OWNER cvault
REVOKE ALL ON DATABASE cvault FROM PUBLIC
SELECT 'made ' || datname FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE rolname = 'cvault' AND NOT rolsuper
SQL
  ) || database_failed "making the role and the database failed."
  case $answer in *"made cvault"*) ;; *) database_failed "the role or the database was not made." ;; esac
  mv "$STATE/pg.new" "$STATE/pg"
}

database_failed() {
  last_words postgres 20 >&2
  die "PostgreSQL: $1" "Its last words are above, all of them in $STATE/logs/postgres.log." \
    "Mend that and run this again, or try another PostgreSQL: CVAULT_POSTGRES=system, apt or npm."
}

# Processes of this cluster, by the folder that each works in. (Without /proc: none; PostgreSQL then says what it finds.)
cluster_processes() {
  local cwd
  for cwd in /proc/[0-9]*/cwd; do
    if [ "$cwd" -ef "$STATE/pg" ]; then cwd=${cwd%/cwd}; printf '%s\n' "${cwd#/proc/}"; fi
  done
}

# After a kill -9 of the server its children may live a moment, or long in a slow query, and hold the shared memory.
clear_remains() {
  local pid try
  for try in $(seq 100); do
    # shellcheck disable=SC2046
    set -- $(cluster_processes)
    [ $# -gt 0 ] || break
    if [ "$try" = 30 ]; then kill -QUIT "$@" 2>/dev/null || true; fi
    if [ "$try" = 60 ]; then kill -KILL "$@" 2>/dev/null || true; fi
    sleep 0.1
  done
  # PostgreSQL will not start while *any* process has the number in its lock files: another program's by now,
  # or its own as a zombie that no init reaps (containers). Nothing of this cluster lives, so they are only in the way.
  rm -f "$PG_SOCKET"/.s.PGSQL.*
  pid=$(head -n 1 "$STATE/pg/postmaster.pid" 2>/dev/null) || return 0
  if [ -d /proc/self ] && [ -d "/proc/$pid" ]; then rm -f "$STATE/pg/postmaster.pid"; fi
}

database_ready() { # PID: the server itself writes "ready" into its pid file
  [ "$(sed -n 1p "$STATE/pg/postmaster.pid" 2>/dev/null)" = "$1" ] &&
    [ "$(sed -n 8p "$STATE/pg/postmaster.pid" | tr -d ' ')" = ready ]
}

start_database() {
  if [ -n "${CVAULT_DATABASE_URL:-}" ]; then
    say "PostgreSQL: the one in CVAULT_DATABASE_URL; none is started here"
    printf %s "$CVAULT_DATABASE_URL" | put_secret database-url
    return
  fi
  local pid try
  printf 'postgresql://cvault:%s@/cvault?host=%s' "$(cat "$STATE/secrets/database-password")" "$PG_SOCKET" | put_secret database-url
  if pid=$(running postgres) && database_ready "$pid"; then say "PostgreSQL: already running (pid $pid)"; return; fi
  # A server that lost its record (run/ deleted) is taken back rather than fought.
  pid=$(head -n 1 "$STATE/pg/postmaster.pid" 2>/dev/null || true)
  if [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$STATE/pg" ] && database_ready "$pid"; then
    record_process postgres "$pid"; say "PostgreSQL: already running (pid $pid)"; return
  fi

  find_postgres
  say "PostgreSQL $PG_MAJOR ($PG_BIN) as $PG_USER, data in $STATE/pg, socket in $PG_SOCKET"
  choose_view
  make_runtime_folder
  create_cluster
  clear_remains
  write_configuration "$STATE/pg"
  database_command postgres -D "$PG_VIEW/pg"
  start_process postgres "${DB_COMMAND[@]}"
  pid=$(running postgres) || true
  for try in $(seq 1200); do   # a long recovery after a crash is still a start
    if ! running postgres >/dev/null; then database_failed "it ended while starting."; fi
    if database_ready "$pid"; then note "ready (pid $pid)"; return; fi
    sleep 0.1
  done
  database_failed "it was not ready after 120 s."
}

stop_database() {
  stop_process postgres INT 60   # INT: fast shutdown, open transactions are rolled back
  rm -rf "$PG_SOCKET"
  rmdir "$RUNTIME"/state/* "$RUNTIME/state" "$RUNTIME" 2>/dev/null || true   # never rm -r: mounts could be below
}
