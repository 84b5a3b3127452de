# Shared by every command in ops/: where things are, how to speak, one command at a time.
# Written for bash 3.2 and up, so that macOS can run it too.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
umask 022   # PostgreSQL's user must be able to walk through the state folder; secrets.sh narrows it

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say()  { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
warn() { printf '!!! %s\n' "$*" >&2; }
# die WHAT [WHAT TO DO...]: an error always says what to do next.
die()  { printf 'error: %s\n' "$1" >&2; shift; [ $# -eq 0 ] || printf '       %s\n' "$@" >&2; exit 1; }

have()    { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

if have sha256sum; then SHA256=(sha256sum); else SHA256=(shasum -a 256); fi
digest() { "${SHA256[@]}" | cut -c1-"${1:-64}"; }   # of standard input

# The same folder must always come out as the same text: its hash names the socket folder and the lab.
absolute() {
  local path=$1
  case $path in /*) ;; *) path=$PWD/$path ;; esac
  if [ -d "$path" ]; then (cd "$path" && pwd -P); return; fi
  if [ -d "$(dirname "$path")" ]; then printf '%s/%s\n' "$(cd "$(dirname "$path")" && pwd -P)" "$(basename "$path")"; return; fi
  printf '%s\n' "${path%/}"
}

STATE=$(absolute "${CVAULT_STATE_DIR:-$ROOT/.cvault}")
export CVAULT_STATE_DIR=$STATE
STATE_ID=$(printf %s "$STATE" | digest 12)
# Socket paths are limited to about 100 bytes, so the socket lives here and not in the state folder.
RUNTIME=/tmp/cvault-$STATE_ID

# Is everything in it ours by name? Sets FOREIGN otherwise. No other folder is filled or deleted.
is_state_folder() {
  local entry
  for entry in "$STATE"/* "$STATE"/.[!.]*; do
    FOREIGN=${entry##*/}
    case $FOREIGN in '*'|'.[!.]*'|pg|pg.new|pgbin|run|logs|secrets|lab|app|mail|fuzz|demo.env|demo.env.new) ;; *) return 1 ;; esac
  done
}

make_state_folder() {
  mkdir -p "$STATE"; STATE=$(absolute "$STATE")
  if [ ! -d "$STATE/secrets" ]; then
    is_state_folder || die "$STATE is no CVault state folder: '$FOREIGN' in it is not CVault's." \
      "Set CVAULT_STATE_DIR to a folder that is new or empty."
  fi
  [ -O "$STATE" ] || die "$STATE belongs to another user." \
    "Run this as that user, or set CVAULT_STATE_DIR to a folder of your own."
  mkdir -p "$STATE/run" "$STATE/logs" "$STATE/secrets" "$STATE/app" "$STATE/lab"
  chmod 755 "$STATE"; chmod 700 "$STATE/secrets" "$STATE/logs"
}

# A port that nobody listens on.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))   # below the range from which the kernel lends ports
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo $port; return; fi
  done
}

# take_lock FD WAITING-FOR: an exclusive flock on an open descriptor, held until the descriptor is closed.
take_lock() {
  if ! have flock; then perl -e 'use Fcntl ":flock"; open(my $f, "<&=", shift) && flock($f, LOCK_EX) or exit 1' "$1"; return; fi
  flock -n "$1" || { note "waiting for $2"; flock "$1"; }
}

# One up or down at a time on a state folder. The folder itself is locked (descriptor 9), so that --purge
# leaves no lock file behind; whoever waited through a purge finds another folder there and takes that one.
lock_state() {
  while make_state_folder; exec 9<"$STATE"; do
    take_lock 9 "another ops command on $STATE to finish"
    if [ ! -e /proc/self/fd/9 ] || [ "$STATE" -ef /proc/self/fd/9 ]; then return; fi
  done
}
unlock_state() { exec 9<&-; }
