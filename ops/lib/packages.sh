# What the machine must have, and how it gets it: by itself as root on Debian or Ubuntu, otherwise by telling.
# shellcheck shell=bash

has_apt() { is_root && have apt-get; }

try_apt_install() {
  local log=$STATE/logs/install.log apt="apt-get -y --no-install-recommends -o DPkg::Lock::Timeout=300"
  say "installing $* (log: $log)"
  # A machine that never ran `apt-get update` has no lists: update only then, it is slow.
  # shellcheck disable=SC2086
  { DEBIAN_FRONTEND=noninteractive $apt install "$@" ||
    { apt-get update && DEBIAN_FRONTEND=noninteractive $apt install "$@"; }; } >>"$log" 2>&1 9<&-
}

apt_install() {
  try_apt_install "$@" && return
  tail -n 20 "$STATE/logs/install.log" >&2
  die "apt-get could not install: $*" "Its words are above. Mend that and run this again."
}

# The .NET SDK is the one thing not in Debian's packages.
require_dotnet() {
  have dotnet || die "the .NET SDK 10 is not installed (no 'dotnet' in PATH)." \
    "Install it (https://dotnet.microsoft.com/download/dotnet/10.0) and run this again."
  local version
  version=$(cd "$ROOT" && dotnet --version 2>&1) || die "no .NET SDK here fits global.json:" "$version" \
    "Install the .NET SDK 10 (https://dotnet.microsoft.com/download/dotnet/10.0) and run this again."
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
}

# Small tools that the scripts themselves use: "command package" pairs.
require_tools() {
  local missing="" tools="curl:curl jq:jq openssl:openssl ssh-keygen:openssh-client" pair
  if [ "$(uname -s)" = Linux ]; then tools="$tools flock:util-linux setsid:util-linux setpriv:util-linux"; fi
  for pair in $tools; do have "${pair%%:*}" || missing="$missing ${pair#*:}"; done
  if [ -z "$missing" ]; then return; fi
  # shellcheck disable=SC2086
  if has_apt; then apt_install ca-certificates $missing; return; fi
  case $(uname -s) in
    Darwin) die "missing:$missing" "Run: brew install$missing   and then this again." ;;
    *) die "missing:$missing" "As root on Debian or Ubuntu: apt-get install$missing   (or run this as root)." \
           "Elsewhere: install the packages that bring these commands. Then run this again." ;;
  esac
}

# For invoices as PDF: fonts of every script, ICU for their order, and poppler for the tests that read them.
get_pdf_tools() {
  if ! has_apt || [ -d /usr/share/fonts/truetype/noto ] && [ -d /usr/share/fonts/opentype/noto ] && have pdftotext && ls /usr/lib/*/libicuuc.so.* >/dev/null 2>&1; then return; fi
  try_apt_install fonts-noto-core fonts-noto-cjk poppler-utils 'libicu[0-9][0-9]' || warn "apt-get could not install fonts (see $STATE/logs/install.log); tests of PDFs are skipped"
}

# For the tests of pages. Without it they are skipped, and say so: nothing else needs a browser.
get_browser() {
  if have chromium || ! has_apt; then return; fi
  try_apt_install chromium || warn "apt-get could not install chromium (see $STATE/logs/install.log); tests in a browser are skipped"
}
