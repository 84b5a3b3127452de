# The lab's VPN servers: built by ops/server/bootstrap as any real one. Sourced by ops/lab.
# shellcheck shell=bash disable=SC2154

# Two that are always there, and those that were added.
servers() {
    local path
    printf '%s\n' vpn1 vpn2
    for path in "$lab"/hosts/vpn[3-9]; do [[ -e $path/region ]] && basename "$path"; done
    return 0
}
region_of() { case $1 in vpn1) echo us-east ;; vpn2) echo eu-west ;; *) cat "$lab/hosts/$1/region" ;; esac; }

# The control plane's key to the servers: its own when it has one already.
control_key() {
    local key=$CVAULT_STATE_DIR/secrets/ssh-key
    install -d -m 0700 "$CVAULT_STATE_DIR/secrets"
    [[ -s $key ]] || ssh-keygen -q -t ed25519 -N '' -C cvault-control -f "$key"
    chmod 0600 "$key"
    control_public=$(ssh-keygen -y -f "$key" | cut -d' ' -f1,2)
}

server_up() {
    local name=$1 home=$lab/hosts/$1
    mkdir -p "$home"
    [[ -s $home/boot_id ]] || cat /proc/sys/kernel/random/uuid >"$home/boot_id"
    host_up "$name" server
    cable "$name" "$name" outside "$(address_of "$name")" 198.51.100.1
    management_cable "$name"
    server_bootstrap "$name"
    server_boot "$name"
}

server_bootstrap() {
    local name=$1 home=$lab/hosts/$1 n=${1#vpn} fingerprint
    local arguments=(--uplink eth0 --address 10.8.0.1/16 --address6 "fd8c:7a11:$n::1/64" --port 51820
        --control-key "$control_public" --control-from "$(management_of "$name" machine)/32"
        --root-login no --no-services)
    # On the host's own /usr/local, and so gone with what bootstrap installed there.
    fingerprint=$(cat "$ops"/server/* <(printf '%s\n' "${arguments[@]}") | sha256sum)
    [[ $(enter "$name" cat /usr/local/.bootstrapped 2>/dev/null) != "$fingerprint" ]] || return 0
    say "$name: bootstrap"
    # Copied in: the repository may lie where the host has folders of its own.
    tar -C "$ops" -c server | enter "$name" tar -C /usr/local/src -x --no-same-owner 2>/dev/null ||
        { enter "$name" mkdir -p /usr/local/src; tar -C "$ops" -c server | enter "$name" tar -C /usr/local/src -x --no-same-owner; }
    enter "$name" /usr/local/src/server/bootstrap "${arguments[@]}" >"$home/server.json" 2>"$lab/logs/$name.bootstrap" ||
        { tail -5 "$lab/logs/$name.bootstrap" >&2; die "$name: bootstrap failed"; }
    # shellcheck disable=SC2016
    enter "$name" sh -c 'printf "%s\n" "$1" >/usr/local/.bootstrapped' sh "$fingerprint"
    # sshd reads its new configuration, and keeps its connections.
    if running "$name" sshd; then kill -HUP "$(cut -d' ' -f1 "$lab/pids/$name.sshd")"; fi
}

# What systemd does on a real host.
server_boot() {
    local name=$1
    enter "$name" /usr/local/lib/cvault-wg/cvault-wg-boot up >>"$lab/logs/$name.boot" 2>&1 ||
        { tail -5 "$lab/logs/$name.boot" >&2; die "$name: cvault-wg-boot failed"; }
    enter "$name" mkdir -p /run/sshd
    # SetEnv: sshd hands its own environment to no session.
    spawn "$name" sshd /usr/sbin/sshd -D -e -o "ListenAddress=$(management_of "$name" host)" -o Port=22 -o PidFile=none \
        -o "SetEnv=\"CVAULT_STATE_DIR=$CVAULT_STATE_DIR\""
    await_ssh "$name"
}

await_ssh() {
    local address _
    address=$(management_of "$1" host)
    for _ in {1..100}; do
        running "$1" sshd || break
        (exec 3<>"/dev/tcp/$address/22") 2>/dev/null && return 0
        sleep 0.05
    done
    tail -5 "$lab/logs/$1.sshd" >&2
    die "$1: sshd does not answer"
}

# The plug pulled: no process ends in order, memory and counters are gone, the disk is not.
server_reboot() {
    local name=$1
    say "$name: off"
    end_everything_on "$name"
    ip -n "$id-$name" link delete wg0 2>/dev/null || true
    enter "$name" nft flush ruleset
    enter "$name" find /run -mindepth 1 -delete
    # In place: the host has this file mounted as its kernel's.
    cat /proc/sys/kernel/random/uuid >"$lab/hosts/$name/boot_id"
    server_boot "$name"
    say "$name: on"
}

write_servers_json() {
    local name separator='' json=$lab/servers.json
    field() { sed -E "s/.*\"$2\":\"?([^\",}]*).*/\1/" "$lab/hosts/$1/server.json"; }
    {
        echo '['
        for name in $(servers); do
            printf '%s  {"name":"%s","region":"%s","endpoint_host":"%s","endpoint_port":%s,"ssh_host":"%s","ssh_port":22,"ssh_user":"cvault","ssh_host_key":"%s","public_key":"%s","address_pool":"10.8.0.0/16","address_pool6":"fd8c:7a11:%s::/64","dns":["198.51.100.2"],"capacity":60000}' \
                "$separator" "$name" "$(region_of "$name")" "$(address_of "$name")" "$(field "$name" listen_port)" \
                "$(management_of "$name" host)" "$(field "$name" ssh_host_key)" "$(field "$name" public_key)" "${name#vpn}"
            separator=$',\n'
        done
        printf '\n]\n'
    } >"$json.new"
    mv "$json.new" "$json"
}
