# The lab's network, its router, its internet and its clients. Sourced by ops/lab.
#
#   198.51.100.0/24  the outside: router .1, internet .2, vpn1 .11, vpn2 .12, and so on
#   192.0.2.0/24     the clients, behind the router: .1, then from .10 on
#   198.18.N.0/24    management: a link from this machine to each server, N claimed for each lab
#
# The first two lie inside the namespaces and are the same in every lab.
# shellcheck shell=bash disable=SC2154

clients() {
    local path
    for path in "$lab"/hosts/*/client-address; do [[ -e $path ]] && basename "$(dirname "$path")"; done
    return 0
}
address_of() {
    case $1 in
        router) echo 198.51.100.1 ;;
        internet) echo 198.51.100.2 ;;
        vpn*) echo "198.51.100.1${1#vpn}" ;;
        *) cat "$lab/hosts/$1/client-address" 2>/dev/null ;;
    esac
}

router_up() {
    local bridge
    host_up router plain
    for bridge in outside clients; do
        ip -n "$id-router" link show $bridge >/dev/null 2>&1 || ip -n "$id-router" link add $bridge type bridge
        ip -n "$id-router" link set $bridge up
    done
    ip -n "$id-router" address replace 198.51.100.1/24 dev outside
    ip -n "$id-router" address replace 192.0.2.1/24 dev clients
    enter router sysctl -q -w net.ipv4.ip_forward=1
    # Frames inside a bridge are none of the forward chain's business, where br_netfilter says they are.
    enter router sysctl -q -e -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
    # Not loaded again while it stands: a test may have put its faults beside it.
    enter router nft list table ip lab >/dev/null 2>&1 || enter router nft -f - <<'NFT'
table ip lab {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "clients" ip daddr 198.51.100.11-198.51.100.19 udp dport 51820 accept
		iifname "clients" ip daddr 198.51.100.11-198.51.100.19 icmp type echo-request accept
	}
}
NFT
}

cable() { # HOST PORT BRIDGE ADDRESS GATEWAY: its eth0, plugged into the router
    local name=$1 port=$2 bridge=$3
    if ! ip -n "$id-$name" link show eth0 >/dev/null 2>&1; then
        ip -n "$id-router" link delete "$port" 2>/dev/null || true
        # One address for ever: its neighbours need not notice that the cable was replaced.
        # shellcheck disable=SC2046,SC2086
        ip link add eth0 address "$(printf '02:cf:%02x:%02x:%02x:%02x' ${4//./ })" netns "$id-$name" \
            type veth peer name "$port" netns "$id-router"
    fi
    ip -n "$id-router" link set "$port" master "$bridge" up
    # Clients meet nobody but the router.
    [[ $bridge != clients ]] || ip -n "$id-router" link set "$port" type bridge_slave isolated on
    ip -n "$id-$name" address replace "$4/24" dev eth0
    ip -n "$id-$name" link set eth0 up
    ip -n "$id-$name" route replace default via "$5"
}

internet_up() {
    host_up internet plain
    cable internet internet outside 198.51.100.2 198.51.100.1
    spawn internet http perl "$ops/lib/lab/internet" 198.51.100.2 80
    spawn internet dns dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root \
        --no-resolv --no-hosts --no-poll --bind-interfaces --listen-address=198.51.100.2 \
        --local=/lab/ --host-record=whoami.lab,198.51.100.2 '--txt-record=whoami.lab,the CVault lab'
}

client_up() {
    local name=$1 home=$lab/hosts/$1 last
    mkdir -p "$home/sbin"
    if [[ ! -e $home/client-address ]]; then
        for last in {10..254}; do
            grep -qsxF "192.0.2.$last" "$lab"/hosts/*/client-address || break
        done
        echo "192.0.2.$last" >"$home/client-address"
    fi
    last=$(address_of "$name"); last=${last##*.}
    host_exists "$name" || say "client $name: 192.0.2.$last"
    install -m 0755 "$ops/lib/lab/resolvconf" "$home/sbin/resolvconf"
    host_up "$name" client
    cable "$name" "client$last" clients "192.0.2.$last" 192.0.2.1
}

# ---- management -----------------------------------------------------------

# A claim is a link named after the network, to the state folder: made by one lab only.
claim_management_network() {
    local try n claim start=$((0x${id:2:4} % 512))
    if [[ -s $lab/management ]]; then
        claim=$runtime/networks/$(<"$lab/management")
        [[ $(readlink "$claim") == "$CVAULT_STATE_DIR" ]] && return 0
    fi
    mkdir -p "$runtime/networks"
    for try in {0..511}; do
        n=$(((start + try) % 512))
        n=198.$((18 + n / 256)).$((n % 256))
        claim=$runtime/networks/$n
        # Left by a lab whose state folder was deleted while it was off.
        if [[ -L $claim && ! -d $(readlink "$claim")/lab ]]; then rm -f "$claim"; fi
        [[ -z $(ip -4 route show root "$n.0/24") ]] || continue
        if ln -s "$CVAULT_STATE_DIR" "$claim" 2>/dev/null; then
            echo "$n" >"$lab/management"
            return 0
        fi
    done
    die "no free management network in 198.18.0.0/15"
}
release_management_network() {
    [[ -s $lab/management ]] || return 0
    local claim
    claim=$runtime/networks/$(<"$lab/management")
    if [[ $(readlink "$claim") == "$CVAULT_STATE_DIR" ]]; then rm -f "$claim"; fi
    rm -f "$lab/management"
}

management_of() { # HOST machine|host: the two ends of its /30
    echo "$(<"$lab/management").$((${1#vpn} * 4 + ($([[ $2 == host ]] && echo 2 || echo 1))))"
}
management_unplug() { ip link delete "$id-m${1#vpn}" 2>/dev/null || true; }    # a namespace takes its links with it, but not at once
management_cable() {
    local name=$1 link=$id-m${1#vpn}
    if ! ip -n "$id-$name" link show mgmt0 >/dev/null 2>&1; then
        ip link delete "$link" 2>/dev/null || true
        ip link add "$link" address "02:cf:${id:2:2}:${id:4:2}:0${name#vpn}:01" type veth \
            peer name mgmt0 address "02:cf:${id:2:2}:${id:4:2}:0${name#vpn}:02" netns "$id-$name"
    fi
    ip address replace "$(management_of "$name" machine)/30" dev "$link"
    ip link set "$link" up
    ip -n "$id-$name" address replace "$(management_of "$name" host)/30" dev mgmt0
    ip -n "$id-$name" link set mgmt0 up
}
