# Every piece of the stack, for the commands that handle all of it.
# shellcheck shell=bash
# shellcheck source=ops/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for piece in process packages secrets postgres-find postgres publish api mail servers demo; do
  # shellcheck source=/dev/null
  . "$ROOT/ops/lib/$piece.sh"
done

# In the order in which nothing loses what it stands on.
stop_stack() {
  stop_process build TERM 10 group
  stop_process api TERM 40
  stop_process mail-sink TERM 5
  stop_lab
  stop_database
  rm -f "$STATE"/run/*.settings "$STATE"/run/CVAULT_*_PORT
}
