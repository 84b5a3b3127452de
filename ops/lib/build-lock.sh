# Builds of one checkout share its obj/ folders, so there is one at a time; the lock is the folder ops/ itself.
# shellcheck shell=bash disable=SC2034

# No compiler or MSBuild server stays behind: what `up` starts, `down` must be able to end.
BUILD_FLAGS=(--nologo --verbosity quiet -nodeReuse:false -property:UseSharedCompilation=false)

lock_build() { # ROOT; held until this process ends
  exec 8<"$1/ops"
  if command -v flock >/dev/null; then
    flock -n 8 || { echo "waiting for another build of $1"; flock 8; }
  else perl -e 'use Fcntl ":flock"; open(my $f, "<&=8") && flock($f, LOCK_EX) or exit 1'; fi
}
