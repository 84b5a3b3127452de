# Hosts and processes of the lab. Sourced by ops/lab.
#
# A host is a network namespace and a mount namespace, both kept by a file the
# kernel knows, not by a process: nothing that is killed takes a host with it.
# What a host must keep when it is off (its /etc, its peers, its logs) lies in
# $lab/hosts/NAME; /run and /usr/local are fresh at each start.
# shellcheck shell=bash disable=SC2154

runtime=/run/cvault-labs    # of all labs: claims of networks, mount namespaces

hosts() { # that exist or did
    local path
    for path in "$lab"/hosts/*/; do [[ -d $path ]] && basename "$path"; done
    return 0
}
netns() { echo "/run/netns/$id-$1"; }
mntns() { echo "$runtime/$id/$1"; }
is_namespace() { [[ -e $1 && $(stat -f -c %T "$1" 2>/dev/null) == nsfs ]]; }
host_exists() { [[ $1 =~ ^[a-z][a-z0-9-]*$ ]] && is_namespace "$(netns "$1")" && is_namespace "$(mntns "$1")"; }

enter() { # HOST CMD...: on the host, not holding the lab's lock
    local name=$1; shift
    nsenter --net="$(netns "$name")" --mount="$(mntns "$name")" -- "$@" 8>&-
}
enter_here() { # HOST CMD...: becomes the command, in the caller's folder where the host has it
    local name=$1; shift
    # shellcheck disable=SC2016
    exec nsenter --net="$(netns "$name")" --mount="$(mntns "$name")" -- \
        sh -c 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"' sh "$PWD" "$@"
}

host_up() { # HOST server|client|plain: its namespaces and folders
    local name=$1 kind=$2 home=$lab/hosts/$1
    if ! is_namespace "$(netns "$name")"; then
        ip netns add "$id-$name"
        ip -n "$id-$name" link set lo up
    fi
    is_namespace "$(mntns "$name")" && return 0
    [[ -d $home/etc ]] || private_etc "$home"
    install -d -m 0755 "$home/log"
    install -d "$home/state"
    runtime_up
    : >"$(mntns "$name")"
    # Only a mount point, and left behind: removing one tears the mount out of other labs' hosts.
    [[ $kind != server ]] || mkdir -p /var/lib/cvault-wg
    # The first mount namespace entered from the network namespace's side, so that /sys shows its links.
    # shellcheck disable=SC2016
    nsenter --net="$(netns "$name")" unshare --mount="$(mntns "$name")" --propagation private \
        bash -euc '
            home=$1 kind=$2
            mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
            mount --bind "$home/etc" /etc
            mount --bind "$home/log" /var/log
            case $kind in
                server)
                    mount --bind "$home/state" /var/lib/cvault-wg
                    mount --bind "$home/boot_id" /proc/sys/kernel/random/boot_id
                    mount -t tmpfs -o mode=0755 tmpfs /usr/local
                    mknod /usr/local/tun c 10 200    # its own: cvault-wg-boot opens it to all
                    mount --bind /usr/local/tun /dev/net/tun ;;
                client) mount --bind "$home/sbin" /usr/local/sbin ;;
            esac
            mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
        ' bash "$home" "$kind" 8>&-
}

# A copy of the machine's, without what would let anyone in or name its secrets.
private_etc() {
    local new=$1/etc.new
    rm -rf "$new"
    mkdir -p "$1"
    cp -a /etc "$new"
    rm -rf "$new"/ssh/ssh_host_* "$new"/ssh/sshd_config.d/* "$new"/ssl/private/* "$new"/wireguard/* \
        "$new"/cvault-wg "$new"/shadow- "$new"/gshadow- "$new"/resolv.conf
    sed -i -E 's/^([^:]*):[^:]*:/\1:*:/' "$new/shadow"
    echo '# The lab: nobody to ask outside a tunnel.' >"$new/resolv.conf"
    mkdir -p "$new/wireguard"
    mv "$new" "$1/etc"
}

runtime_up() {
    mkdir -p $runtime
    # A mount namespace can only be kept below a mount that propagates nowhere.
    mountpoint -q $runtime || mount --bind $runtime $runtime
    mount --make-private $runtime
    mkdir -p "$runtime/$id"
}
runtime_down() { rmdir "$runtime/$id" 2>/dev/null || true; }

host_down() {
    local name=$1 file
    end_everything_on "$name"
    relay_down "$name"
    if is_namespace "$(netns "$name")"; then ip netns delete "$id-$name"; fi
    file=$(mntns "$name")
    if is_namespace "$file"; then umount "$file"; fi
    rm -f "$file" "$lab/pids/$name".*
}

# ---- processes ------------------------------------------------------------

start_time() { # of a process id, in clock ticks since boot: with it an id is never another process
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The second field may hold spaces and brackets. A zombie has ended, however long its parent lets it lie.
    awk '$1 ~ /[ZX]/ { exit 1 } { print $20 }' <<<"${stat##*) }"
}
running() { # HOST PROCESS
    local pid began
    read -r pid began 2>/dev/null <"$lab/pids/$1.$2" || return 1
    [[ $(start_time "$pid") == "$began" ]]
}
spawn() { # HOST PROCESS CMD...
    local name=$1 process=$2; shift 2
    running "$name" "$process" && return 0
    setsid nsenter --net="$(netns "$name")" --mount="$(mntns "$name")" -- "$@" \
        </dev/null >>"$lab/logs/$name.$process" 2>&1 8>&- &
    echo "$! $(start_time $!)" >"$lab/pids/$name.$process"
    say "$name: $process"
}

# A way to the API for a client, in a process that is none of its own.
relay_up() {
    local name=$1 port log=$lab/logs/$1.relay
    port=$(cat "$CVAULT_STATE_DIR/run/CVAULT_API_PORT" 2>/dev/null) || die "no API runs in $CVAULT_STATE_DIR"
    running "$name" relay && return 0
    setsid "$ops/lib/lab/relay" "$(netns "$name")" "$port" </dev/null >>"$log" 2>&1 8>&- &
    echo "$! $(start_time $!)" >"$lab/pids/$name.relay"
    for _ in {1..50}; do
        running "$name" relay || die "$(tail -n 1 "$log")"
        ! nsenter --net="$(netns "$name")" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null || { say "$name: the API at 127.0.0.1:$port"; return; }
        sleep 0.1
    done
    die "the relay of $name does not listen; see $log"
}
relay_down() { running "$1" relay && kill "$(cut -d' ' -f1 "$lab/pids/$1.relay")" || true; }

# Whatever runs on a host, a user's own commands too. The ids are the kernel's
# record of who is in this very namespace.
end_everything_on() {
    local name=$1 signal pids
    is_namespace "$(netns "$name")" || return 0
    for signal in TERM KILL KILL KILL KILL; do
        pids=$(ip netns pids "$id-$name")
        [[ -n $pids ]] || return 0
        # shellcheck disable=SC2086
        kill -s $signal $pids 2>/dev/null || true
        for _ in 1 2 3 4 5; do
            [[ -n $(ip netns pids "$id-$name") ]] || return 0
            sleep 0.1
        done
    done
}

host_status() {
    local name=$1 process missing=
    host_exists "$name" || { echo down; return 1; }
    case $name in
        internet) for process in http dns; do running "$name" $process || missing+=" $process"; done ;;
        vpn*)
            running "$name" sshd || missing+=" sshd"
            enter "$name" wg show wg0 listen-port >/dev/null 2>&1 || missing+=" wg0" ;;
    esac
    [[ $name == router ]] || ip -n "$id-$name" link show eth0 >/dev/null 2>&1 || missing+=" eth0"
    [[ -z $missing ]] || { echo "missing:$missing"; return 1; }
    echo up
}
