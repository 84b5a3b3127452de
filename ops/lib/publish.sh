# Builds a program of this checkout into app/<hash of its sources>/ of the state folder: unchanged sources are not
# built again, and what another stack builds never changes the files of a running one.
# shellcheck shell=bash

# app_folder NAME SOURCE...: where the program made from these sources belongs.
app_folder() {
  local name=$1 path; shift
  local paths=()
  for path in "$@" global.json Directory.Build.props Directory.Build.targets Directory.Packages.props NuGet.config .editorconfig; do
    if [ -e "$ROOT/$path" ]; then paths+=("$path"); fi
  done
  printf '%s/app/%s\n' "$STATE" "$( (cd "$ROOT" && printf '%s\n' "$name" &&
    find "${paths[@]}" \( -name bin -o -name obj -o -name node_modules \) -prune -o -type f -print |
    LC_ALL=C sort | tr '\n' '\0' | xargs -0 "${SHA256[@]}") | digest 16)"
}

# publish_start NAME SOURCE...: in the background; the project is the first source. Sets APP_FOLDER.
publish_start() {
  APP_FOLDER=$(app_folder "$@")
  if [ -d "$APP_FOLDER" ]; then say "$1: sources unchanged, nothing to build"; return; fi
  stop_process build TERM 10 group   # of an `up` that was killed
  say "$1: building (log: $STATE/logs/build.log)"
  : >"$STATE/logs/build.log"
  start_process build "$ROOT/ops/lib/publish-app" "$2" "$APP_FOLDER"
}

publish_wait() {
  local pid
  if pid=$(running build); then say "waiting for the build"; wait_gone "$pid" 1800 || true; fi
  stop_process build TERM 10 group
  if [ -d "$APP_FOLDER" ]; then return; fi
  { grep -E '(error|warning) ' "$STATE/logs/build.log" | sort -u | head -n 20 || tail -n 20 "$STATE/logs/build.log"; } >&2
  die "the build failed." "All of it: $STATE/logs/build.log. Mend that and run this again."
}

# Programs of earlier sources, once nothing runs from them. (A process of the stack may outlive a restart of the API.)
remove_old_apps() { # KEEP...
  local folder keep
  for folder in "$STATE"/app/*; do
    for keep in "$@"; do if [ "$folder" = "$keep" ]; then continue 2; fi; done
    if [ -d "$folder" ] && ! grep -qsaF -f <(printf '%s/\n' "$folder") /proc/[0-9]*/cmdline; then rm -rf "$folder"; fi
  done
}
