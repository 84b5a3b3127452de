# Secrets of a state folder: made once, 0600, never printed and never in a process's arguments.
# shellcheck shell=bash

# put_secret NAME: standard input becomes secrets/NAME, whole or not at all.
put_secret() {
  (umask 077; cat >"$STATE/secrets/.$1.new"; mv "$STATE/secrets/.$1.new" "$STATE/secrets/$1")
}

# make_secret NAME CMD...: does nothing when it exists.
make_secret() {
  local name=$1; shift
  if [ ! -s "$STATE/secrets/$name" ]; then "$@" | put_secret "$name"; fi
}

random_base64()    { openssl rand -base64 32 | tr -d '\n'; }
operator_token()   { printf 'cvo_%s' "$(random_base64 | tr '+/' '-_' | tr -d '=')"; }
database_password() { openssl rand -hex 24 | tr -d '\n'; }   # hex: needs no quoting in a URL

ssh_key() {
  local key=$STATE/secrets/ssh-key
  if [ ! -s "$key" ]; then
    rm -f "$key.new" "$key.new.pub"
    ssh-keygen -q -t ed25519 -N '' -C cvault -f "$key.new"
    mv "$key.new" "$key"; rm -f "$key.new.pub"
  fi
  [ -s "$key.pub" ] || ssh-keygen -y -f "$key" | put_secret ssh-key.pub
}

make_secrets() {
  if [ -e "$STATE/pg/PG_VERSION" ] && { [ ! -s "$STATE/secrets/master-key" ] || [ ! -s "$STATE/secrets/database-password" ]; }; then
    die "the secrets of $STATE are gone, and its database cannot be read without them." \
      "Put $STATE/secrets back, or start afresh: CVAULT_STATE_DIR=$STATE ops/down --purge"
  fi
  make_secret operator-token operator_token
  make_secret master-key random_base64
  make_secret database-password database_password
  ssh_key
}
