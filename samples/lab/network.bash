# network.bash: the public segment, the NATs and the hosts, out of network namespaces.
#
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # the scenario's variables
#
# All public hosts and NATs hang on one bridge, br0 in the namespace `inet`.  Their IPv4 addresses are from the three
# documentation networks and on-link for each other; so are their IPv6 addresses, each in a /64 of its own out of
# 2001:db8::/48, since DHT implementations allow few nodes of one /64 in their tables.  A NAT is a namespace with out0
# (public, or the carrier's network) and the bridge in0 (its LAN); IPv6 goes through it by routing and past a firewall.

# name  uplink  outside address  LAN's first 24 bits  number  what it does to the port
nat_table="
a    inet  203.0.113.101   192.168.1  1  preserve
b    inet  198.51.100.102  10.0.0     2  random
c    inet  192.0.2.103     172.16.0   3  stable
d    inet  203.0.113.104   192.168.4  4  forward
cgn  inet  198.51.100.106  100.64.7   6  block
e    cgn   100.64.7.2      192.168.5  5  preserve
f    inet  192.0.2.107     192.168.7  7  random-forward
"
boot_v4=(192.0.2.10 198.51.100.10 203.0.113.10 192.0.2.11 198.51.100.11 203.0.113.11
  192.0.2.12 198.51.100.12 203.0.113.12 192.0.2.13 198.51.100.13 203.0.113.13)

declare -A uplink outside lan number kind
while read -r n u o l i k; do
  [[ -z $n ]] || { uplink[$n]=$u outside[$n]=$o lan[$n]=$l number[$n]=$i kind[$n]=$k; }
done <<<"$nat_table"

lan6() { printf '2001:db8:10%s:1' "${number[$1]}"; }      # a NAT's LAN, out of the /48 that its home or carrier has
outside6() { printf '2001:db8:0:10%s::1' "${number[$1]}"; } # a NAT on the public segment
boot_v6() { printf '2001:db8:0:%x::1' "$((0x10 + $1))"; }

namespace() { # name
  ip netns add "$1" || return 1
  local key
  for key in bridge-nf-call-iptables bridge-nf-call-ip6tables; do
    ip netns exec "$1" sysctl -qw "net.bridge.$key=0" 2>/dev/null   # a bridge here is a wire, not a firewall
  done
  if [[ $ipv6 == yes ]]; then
    ip netns exec "$1" sysctl -qw net.ipv6.conf.{all,default}.accept_dad=0 net.ipv6.conf.{all,default}.accept_ra=0
  else
    ip netns exec "$1" sysctl -qw net.ipv6.conf.{all,default}.disable_ipv6=1
  fi
  ip -n "$1" link set lo up
}

wire() { # namespace interface far-namespace far-interface bridge: offload off, so that captures show what a wire carries
  ip link add name "$2" netns "$1" type veth peer name "$4" netns "$3" &&
    ip -n "$3" link set "$4" master "$5" up && ip -n "$1" link set "$2" up || return 1
  ip netns exec "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null 2>&1
  ip netns exec "$3" ethtool -K "$4" tx off tso off gso off gro off >/dev/null 2>&1
}

make_bridge() { ip -n "$1" link add name "$2" type bridge forward_delay 0 stp_state 0 mcast_snooping 0 && ip -n "$1" link set "$2" up; }

routes6() { # namespace: where the homes' IPv6 networks are, from the public segment
  local n via
  [[ $ipv6 == yes ]] || return 0
  for n in "${nats[@]}"; do
    via=$n; [[ ${uplink[$n]} == inet ]] || via=${uplink[$n]}
    [[ nat$via == "$1" ]] || ip -n "$1" -6 route add "2001:db8:10${number[$n]}::/48" via "$(outside6 "$via")"
  done
}

public_host() { # namespace, then pairs of an IPv4 and an IPv6 address
  local ns=$1 first=$2; shift
  namespace "$ns" && wire "$ns" eth0 inet "v-$ns" br0 || return 1
  while (($# > 1)); do
    ip -n "$ns" addr add "$1/24" dev eth0
    [[ $ipv6 == yes ]] && ip -n "$ns" addr add "$2/48" dev eth0 nodad
    shift 2
  done
  ip -n "$ns" route add default dev eth0 src "$first"
  [[ $ipv6 == yes ]] && ip -n "$ns" -6 route add default dev eth0   # nothing is there, but programs ask it for their own address
  routes6 "$ns"
}

forwards() { # the DNAT rules of NAT $1, from the hosts behind it
  local h
  for h in "${hosts[@]}"; do
    [[ ${place[$h]} == "$1" ]] || continue
    printf '    iifname "out0" udp dport %s dnat to %s:%s\n' "${fwd[$h]}" "${v4[$h]}" "${dht[$h]}"
    printf '    iifname "out0" tcp dport %s dnat to %s:%s\n' "${tcp[$h]}" "${v4[$h]}" "${tcp[$h]}"
  done
}

nat_rules() { # name
  local to=${outside[$1]} how dnat=""
  case ${kind[$1]} in
  preserve) how="masquerade" ;;
  random) how="masquerade fully-random" ;;
  stable) how="meta l4proto { tcp, udp } snat to $to:40000-50000" ;;
  forward) how="meta l4proto { tcp, udp } snat to $to:40000-50000" dnat=$(forwards "$1") ;;
  random-forward) how="masquerade fully-random" dnat=$(forwards "$1") ;;
  block) how="meta l4proto { tcp, udp } snat to $to:20000-20999" ;;
  esac
  cat <<R
flush ruleset
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "out0" $how
    oifname "out0" masquerade
  }
  chain pre {
    type nat hook prerouting priority dstnat;
$dnat
  }
}
table inet firewall {
  chain through {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "in0" accept
    ct status dnat accept
    $([[ $1 == cgn ]] && echo 'meta nfproto ipv6 accept')
  }
  chain to_itself {
    type filter hook input priority filter; policy accept;
    iifname "out0" ct state established,related accept
    iifname "out0" meta l4proto { tcp, udp } drop
  }
}
R
}

build_nat() { # name
  local n=$1 ns=nat$1 up=${uplink[$1]} carrier
  if [[ $up == inet ]]; then
    namespace "$ns" && wire "$ns" out0 inet "v-$n" br0 || return 1
  else
    carrier=nat$up
    namespace "$ns" && wire "$ns" out0 "$carrier" "v-$n" in0 || return 1
  fi
  make_bridge "$ns" in0
  ip -n "$ns" addr add "${outside[$n]}/24" dev out0
  ip -n "$ns" addr add "${lan[$n]}.1/24" dev in0
  if [[ $up == inet ]]; then
    ip -n "$ns" route add default dev out0 src "${outside[$n]}"
  else
    ip -n "$ns" route add default via "${lan[$up]}.1"
  fi
  [[ $ipv6 == yes ]] && build_nat6 "$n"
  ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_udp_timeout="$udp_timeout" \
    net.netfilter.nf_conntrack_udp_timeout_stream="$udp_stream"
  nat_rules "$n" | ip netns exec "$ns" nft -f -
}

build_nat6() { # name: routed, not translated; a home behind a carrier has its prefix routed through the carrier's network
  local n=$1 ns=nat$1 up=${uplink[$1]}
  ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.forwarding=1
  ip -n "$ns" addr add "$(lan6 "$n")::1/64" dev in0 nodad
  if [[ $up == inet ]]; then
    ip -n "$ns" addr add "$(outside6 "$n")/48" dev out0 nodad
    routes6 "$ns"
  else
    ip -n "$ns" addr add "$(lan6 "$up")::2/64" dev out0 nodad
    ip -n "$ns" -6 route add default via "$(lan6 "$up")::1"
    ip -n "nat$up" -6 route add "2001:db8:10${number[$n]}::/48" via "$(lan6 "$up")::2"
  fi
}

lan_host() { # name
  local h=$1 n=${place[$1]}
  namespace "$h" && wire "$h" eth0 "nat$n" "v-$h" in0 || return 1
  ip -n "$h" addr add "${v4[$h]}/24" dev eth0
  ip -n "$h" route add default via "${lan[$n]}.1"
  [[ $ipv6 == yes ]] || return 0
  ip -n "$h" addr add "${v6[$h]}/64" dev eth0 nodad
  ip -n "$h" -6 route add default via "$(lan6 "$n")::1"
}

nat_list() { # for nats.tsv
  local n out6 lan6
  printf 'nat\tkind\toutside\toutside6\tlan\tlan6\tuplink\n'
  for n in "${nats[@]}"; do
    out6=- lan6=-
    if [[ $ipv6 == yes ]]; then
      lan6=$(lan6 "$n")::/64 out6=$(outside6 "$n")
      [[ ${uplink[$n]} == inet ]] || out6=$(lan6 "${uplink[$n]}")::2
    fi
    printf '%s\t%s\t%s\t%s\t%s.0/24\t%s\t%s\n' "$n" "${kind[$n]}" "${outside[$n]}" "$out6" "${lan[$n]}" "$lan6" "${uplink[$n]}"
  done
}

build_network() {
  local n h i pairs=()
  namespace inet && make_bridge inet br0 || return 1
  for ((i = 0; i < boots; i++)); do pairs+=("${boot_v4[i]}" "$(boot_v6 "$i")"); done
  ((boots == 0)) || public_host boot "${pairs[@]}" || return 1
  for n in "${nats[@]}"; do going || return 1; build_nat "$n" || { say "NAT $n could not be built"; return 1; }; done
  for h in "${hosts[@]}"; do
    going || return 1
    if [[ ${place[$h]} == pub ]]; then public_host "$h" "${v4[$h]}" "${v6[$h]}"; else lan_host "$h"; fi || return 1
  done
  ((loss == 0)) || ip netns exec inet nft -f - <<R
table bridge loss {
  chain forward {
    type filter hook forward priority filter;
    meta l4proto { tcp, udp } numgen random mod 100 < $loss drop
  }
}
R
}

# ------------------------------------------------------------------------------------------------ while it runs

forget_mappings() { # NAT: as a router does that restarts, or moves its subscriber: the next datagram gets a new mapping
  ip netns exec "nat$1" conntrack -D -p udp >/dev/null 2>&1
}
