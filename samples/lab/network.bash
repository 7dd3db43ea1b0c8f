# network.bash: the public segment, the NATs and the hosts, out of network namespaces.
#
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # the scenario's variables
#
# All public hosts and NATs hang on one bridge, br0 in the namespace `inet`.  Their IPv4 addresses are from the three
# documentation networks and on-link for each other; so are their IPv6 addresses, each in its own /64 out of
# 2001:db8::/48, since DHT implementations allow few nodes of one /64 in their tables.  A NAT is a namespace with out0
# (public, or the carrier's network) and the bridge in0 (its LAN); IPv6 goes through it by routing and past a firewall.

# name   uplink  outside address  LAN's first 24 bits  number  kind, words joined by +:
#   what becomes of the source port
#     preserve    kept, until two hosts of the LAN have the same one
#     stable      another one of 40000-50000, the same for every destination
#     block       the same with 20000-20999, a carrier's block for a home
#     random      another random one for every destination
#   and more
#     pool        four outside addresses, one of them for every destination
#     forward     each client's own port is forwarded to it
#     shifted     so is that port plus 10000, as UPnP does when another port is asked for
#     same        and its own queries leave from that forwarded port
#     hairpin     a forwarded port can be used from the LAN, where the sender is then the router's LAN address
#     open        any endpoint gets in through a mapping (endpoint-independent filtering)
#     by-address  any port of an address that was sent to gets in (address-dependent filtering)
#     lifetimeN   a mapping lives N seconds
#     npt, nat66  IPv6 is translated: the prefix only; or to one address, with random ports
nat_table="
a      inet  203.0.113.101   192.168.1   1   preserve
b      inet  198.51.100.102  10.0.0      2   random
c      inet  192.0.2.103     172.16.0    3   stable
d      inet  203.0.113.104   192.168.4   4   stable+forward
cgn    inet  198.51.100.106  100.64.7    6   block
e      cgn   100.64.7.2      192.168.5   5   preserve
f      inet  192.0.2.107     192.168.7   7   random+forward
pool   inet  203.0.113.121   192.168.11  11  preserve+pool
poolr  inet  198.51.100.131  192.168.12  12  random+pool
crowd  inet  198.51.100.115  192.168.15  15  preserve
upnp   inet  192.0.2.116     192.168.16  16  preserve+shifted+hairpin
upnps  inet  192.0.2.117     192.168.17  17  preserve+shifted+same+hairpin
keeps  inet  203.0.113.142   192.168.18  18  preserve+forward+hairpin
moves  inet  203.0.113.141   192.168.19  19  stable+forward+hairpin
vpn    inet  203.0.113.135   10.8.0      20  random+forward
newip  inet  203.0.113.118   192.168.21  21  preserve
newipr inet  203.0.113.119   192.168.22  22  stable
ten    inet  192.0.2.113     192.168.23  23  stable+lifetime10
two    inet  192.0.2.114     192.168.24  24  stable+lifetime2
hush   inet  203.0.113.114   192.168.25  25  random
left   inet  192.0.2.133     192.168.31  31  stable
right  inet  203.0.113.132   192.168.32  32  preserve
npt    inet  198.51.100.143  192.168.33  33  preserve+npt
nat66  inet  198.51.100.144  192.168.34  34  stable+nat66
cgnp   inet  198.51.100.151  100.64.9    35  random+pool
home   cgnp  100.64.9.2      192.168.36  36  preserve
open   inet  192.0.2.137     192.168.37  37  preserve+open
addr   inet  198.51.100.138  192.168.38  38  preserve+by-address
port   inet  203.0.113.139   192.168.39  39  preserve
"
boot_v4=(192.0.2.10 198.51.100.10 203.0.113.10 192.0.2.11 198.51.100.11 203.0.113.11
  192.0.2.12 198.51.100.12 203.0.113.12 192.0.2.13 198.51.100.13 203.0.113.13)

probe_v4=(198.18.1. 198.18.129. 198.19.65.) probe_v6=(2001:db8:f001:: 2001:db8:f002:: 2001:db8:f003::) # as in query.py

declare -A uplink outside lan number kind
while read -r n u o l i k; do
  [[ -z $n ]] || { uplink[$n]=$u outside[$n]=$o lan[$n]=$l number[$n]=$i kind[$n]=$k; }
done <<<"$nat_table"

has_kind() { [[ +${kind[$1]:-}+ == *+$2+* ]]; }            # NAT, word of its kind
lan6() { # a NAT's LAN: out of the /48 that its home or carrier has, or a private one
  if has_kind "$1" npt || has_kind "$1" nat66; then printf 'fd00:0:0:%s' "${number[$1]}"; else printf '2001:db8:10%s:1' "${number[$1]}"; fi
}
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
  [[ $ipv6 == yes ]] && ip -n "$ns" -6 route add default dev eth0   # nothing is there, but programs use it to find their own address
  routes6 "$ns"
}

pool() { local i last=${outside[$1]##*.}; for i in 0 1 2 3; do echo "${outside[$1]%.*}.$((last + i))"; done; } # its four addresses

forwards() { # NAT: its DNAT rules, from the hosts behind it
  local h from="iifname \"out0\""
  ! has_kind "$1" hairpin || from="ip daddr ${outside[$1]}"
  for h in "${hosts[@]}"; do
    [[ ${place[$h]} == "$1" && ${fwd[$h]} != - ]] || continue
    printf '    %s udp dport %s dnat to %s:%s\n' "$from" "${fwd[$h]}" "${v4[$h]}" "${dht[$h]}"
    printf '    %s tcp dport %s dnat to %s:%s\n' "$from" "$((fwd[$h] - dht[$h] + tcp[$h]))" "${v4[$h]}" "${tcp[$h]}"
  done
}

spoken_to() { # NAT: which strangers get in through a mapping; its hosts have different ports, which it keeps
  local h key=inet_service in="udp dport" out="udp sport" ports=""
  if has_kind "$1" by-address; then
    key="ipv4_addr . inet_service" in="ip saddr . udp dport" out="ip daddr . udp sport"
  elif ! has_kind "$1" open; then
    return
  fi
  for h in "${hosts[@]}"; do [[ ${place[$h]} != "$1" ]] || ports+="${ports:+, }${dht[$h]} : ${v4[$h]}"; done
  cat <<R
table ip nat {
  set spoken { type $key; flags dynamic, timeout; timeout ${udp_timeout}s; }
  chain speaking { type filter hook forward priority filter; oifname "out0" meta l4proto udp update @spoken { $out }; }
  chain strangers { type nat hook prerouting priority dstnat + 1; iifname "out0" $in @spoken dnat to udp dport map { $ports }; }
}
R
}

source_rules() { # NAT: its SNAT rules
  local h to=${outside[$1]} ports="" all="" i=0
  if has_kind "$1" same; then
    for h in "${hosts[@]}"; do
      [[ ${place[$h]} != "$1" ]] || echo "    oifname \"out0\" ip saddr ${v4[$h]} udp sport ${dht[$h]} snat to $to:${fwd[$h]}"
    done
  fi
  ! has_kind "$1" stable || ports=:40000-50000
  ! has_kind "$1" block || ports=:20000-20999
  if has_kind "$1" pool; then
    for to in $(pool "$1"); do all+="${all:+, }$((i++)) : $to"; done
    to="numgen random mod 4 map { $all }"
  fi
  if has_kind "$1" random; then ports=" fully-random"; fi
  if [[ -n $ports || -n $all ]]; then echo "    oifname \"out0\" meta l4proto { tcp, udp } snat to $to$ports"; fi
  echo '    oifname "out0" masquerade'
  ! has_kind "$1" hairpin || echo '    iifname "in0" oifname "in0" ct status dnat masquerade'
}

nat_rules() { # name
  cat <<R
flush ruleset
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat;
$(source_rules "$1")
  }
  chain pre {
    type nat hook prerouting priority dstnat;
$(! has_kind "$1" forward && ! has_kind "$1" shifted || forwards "$1")
  }
}
$(spoken_to "$1")
table inet firewall {
  chain through {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "in0" accept
    ct status dnat accept
    $(! has_carried "$1" || echo 'meta nfproto ipv6 accept')
  }
  chain to_itself {
    type filter hook input priority filter; policy accept;
    iifname "out0" ct state established,related accept
    iifname "out0" meta l4proto { tcp, udp } drop
  }
}
$(nat6_rules "$1")
R
}

has_carried() { local n; for n in "${nats[@]}"; do [[ ${uplink[$n]} != "$1" ]] || return 0; done; return 1; } # a carrier's NAT

nat6_rules() { # NAT
  local how=""
  ! has_kind "$1" npt || how="snat ip6 prefix to ip6 saddr map { $(lan6 "$1")::/64 : 2001:db8:10${number[$1]}:1::/64 }"
  ! has_kind "$1" nat66 || how="masquerade fully-random"
  [[ -z $how ]] || echo "table ip6 nat6 { chain post { type nat hook postrouting priority srcnat; oifname \"out0\" $how; }; }"
}

build_nat() { # name
  local n=$1 ns=nat$1 up=${uplink[$1]} carrier to word udp=$udp_timeout stream=$udp_stream
  if [[ $up == inet ]]; then
    namespace "$ns" && wire "$ns" out0 inet "v-$n" br0 || return 1
  else
    carrier=nat$up
    namespace "$ns" && wire "$ns" out0 "$carrier" "v-$n" in0 || return 1
  fi
  make_bridge "$ns" in0
  ip -n "$ns" addr add "${outside[$n]}/24" dev out0
  if has_kind "$n" pool; then pool "$n" | sed 1d | while read -r to; do ip -n "$ns" addr add "$to/24" dev out0; done; fi
  ip -n "$ns" addr add "${lan[$n]}.1/24" dev in0
  if [[ $up == inet ]]; then
    ip -n "$ns" route add default dev out0 src "${outside[$n]}"
  else
    ip -n "$ns" route add default via "${lan[$up]}.1"
  fi
  [[ $ipv6 == yes ]] && build_nat6 "$n"
  for word in ${kind[$n]//+/ }; do [[ $word != lifetime* ]] || { udp=${word#lifetime}; stream=$udp; }; done
  ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_udp_timeout="$udp" \
    net.netfilter.nf_conntrack_udp_timeout_stream="$stream"
  nat_rules "$n" | ip netns exec "$ns" nft -f -
}

build_nat6() { # name: routed, not translated; a home behind a carrier has its prefix routed through the carrier's network
  local n=$1 ns=nat$1 up=${uplink[$1]}
  ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.forwarding=1
  ip -n "$ns" addr add "$(lan6 "$n")::1/64" dev in0 nodad
  if [[ $up == inet ]]; then
    ip -n "$ns" addr add "$(outside6 "$n")/48" dev out0 nodad
    ip -n "$ns" -6 route add default dev out0
    routes6 "$ns"
  else
    ip -n "$ns" addr add "$(lan6 "$up")::2/64" dev out0 nodad
    ip -n "$ns" -6 route add default via "$(lan6 "$up")::1"
    ip -n "nat$up" -6 route add "2001:db8:10${number[$n]}::/48" via "$(lan6 "$up")::2"
  fi
}

lan_host() { # name
  local h=$1 n=${place[$1]} to
  namespace "$h" && wire "$h" eth0 "nat$n" "v-$h" in0 || return 1
  ip -n "$h" addr add "${v4[$h]}/24" dev eth0
  ip -n "$h" route add default via "${lan[$n]}.1"
  if [[ -n ${leg[$h]} ]]; then # a second interface in another LAN: two of the public networks are reached by it
    wire "$h" eth1 "nat${leg[$h]}" "w-$h" in0 || return 1
    ip -n "$h" addr add "${leg4[$h]}/24" dev eth1
    for to in 198.51.100.0/24 203.0.113.0/24; do ip -n "$h" route add "$to" via "${lan[${leg[$h]}]}.1"; done
    ip -n "$h" route add default via "${lan[$n]}.1" table 101 && ip -n "$h" rule add from "${v4[$h]}" table 101
    ip -n "$h" route add default via "${lan[${leg[$h]}]}.1" table 102 && ip -n "$h" rule add from "${leg4[$h]}" table 102
  fi
  [[ $ipv6 == yes ]] || return 0
  ip -n "$h" addr add "${v6[$h]}/64" dev eth0 nodad
  ip -n "$h" -6 route add default via "$(lan6 "$n")::1"
}

probe_host() { # for each round of probes an address in each of its three networks
  local i round pairs=()
  for ((round = 1; round <= 20; round++)); do
    for i in 0 1 2; do pairs+=("${probe_v4[i]}$round" "${probe_v6[i]}$round"); done
  done
  public_host probe "${pairs[@]}"
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
  [[ $probes == no ]] || probe_host || return 1
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

restart() { # NAT, its new outside address: its mappings are gone, and the next ones are made from there
  local ns=nat$1 old=${outside[$1]}
  printf '%s\t%s\trestart\t%s\t%s\n' "$EPOCHREALTIME" "$1" "$old" "$2" >>"$out/events.tsv"
  outside[$1]=$2
  ip -n "$ns" addr add "$2/32" dev out0
  ip -n "$ns" route replace default dev out0 src "$2"
  nat_rules "$1" | ip netns exec "$ns" nft -f -
  ip -n "$ns" addr del "$old/24" dev out0
  forget_mappings "$1"
}

probe_round() { # NUMBER: asks every outside endpoint of the homes, in the background
  local IFS=,
  (($1 <= 20)) || return 0
  start probe "$python" "$here/query.py" probe "$out" --round "$1" --nats "${nats[*]}"
  unset 'client_pids[-1]'   # it ends by itself
}
