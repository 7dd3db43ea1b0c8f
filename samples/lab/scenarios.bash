# scenarios.bash: which hosts are where.
#
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2317,SC2154 # read and called in the other files
#
# A scenario is a function that sets nats, boots (bootstrap nodes), ipv6 and scenario_seconds, and calls
#   host PLACE ROLE [key=value...]
# once for each client.  PLACE is pub or a NAT; ROLE is a function role_ROLE in roles.bash.  Keys: as=NAME (default PLACE-ROLE), ip= and
# no= (the last number of a LAN address), dht= and tcp= (ports), fwd= (the forwarded port, default the DHT port; - for none), leg= (a second NAT,
# in whose LAN the host has another interface), has=1 or has=2 (the torrent that it has from the start), args= (further arguments).
# during SECOND is called once a second while the scenario runs.

nats=() hosts=() ipv6=no boots=12 settle=8 scenario_seconds=150 udp_timeout=30 udp_stream=60 probes=yes
declare -A place role v4 v6 dht tcp fwd has args leg leg4

#    role  LAN  public          DHT    TCP
role_defaults="
lt   11  203.0.113.30    6881   6881
ar   12  203.0.113.50    6881   6881
tr   13  198.51.100.40   51413  51413
rt   14  192.0.2.60      6881   6890
qb   15  198.51.100.70   8999   8999
node 21  192.0.2.80      6881   6881
quiet 31 198.51.100.90   6901   6901
crawl 32 198.51.100.91   6902   6902
swarm 33 192.0.2.160     7000   7000
"

host() { # place role [key=value...]
  local p=$1 r=$2 as="$1-$2" no pub d t f="" ip="" h="" a="" l="" kv; shift 2
  read -r _ no pub d t < <(grep "^$r " <<<"$role_defaults")
  for kv in "$@"; do
    case ${kv%%=*} in
    as) as=$p-${kv#*=} ;; ip) ip=${kv#*=} ;; no) no=${kv#*=} ;; dht) d=${kv#*=} ;; tcp) t=${kv#*=} ;; fwd) f=${kv#*=} ;;
    has) h=${kv#*=} ;; leg) l=${kv#*=} ;; args) a=${kv#*=} ;; *) die "scenario $scenario: $kv" ;;
    esac
  done
  hosts+=("$as"); place[$as]=$p role[$as]=$r dht[$as]=$d tcp[$as]=$t has[$as]=$h args[$as]=$a leg[$as]=$l leg4[$as]=${l:+${lan[$l]}.$no}
  if has_kind "$p" shifted; then fwd[$as]=${f:-$((10000 + d))}; else fwd[$as]=${f:-$d}; fi
  if [[ $p == pub ]]; then
    v4[$as]=${ip:-$pub} v6[$as]=$(printf '2001:db8:0:%x::1' "$((0x20 + ${#hosts[@]}))")
  else
    [[ -n ${lan[$p]:-} ]] || die "scenario $scenario: no NAT $p"
    v4[$as]=${lan[$p]}.$no v6[$as]=$(lan6 "$p")::$no
  fi
}

during() { :; }

# classic: NATs a, b and c with every client behind each, over IPv4
scenario_classic() {
  local n r
  nats=(a b c)
  public_four
  for n in a b c; do for r in lt ar tr rt qb; do behind "$n" "$r"; done; done
}

# full: NATs a to e and cgn, every client, IPv4 and IPv6, and libtorrent's BEP 44 and BEP 51 queries
scenario_full() {
  local n r
  nats=(a b c d cgn e) ipv6=yes
  host pub lt has=1 args=--items
  host pub ar has=1 args=dht6
  host pub tr has=1
  host pub rt
  host pub lt as=ro ip=203.0.113.31 args=--read-only
  for n in a b c e; do
    for r in lt tr rt qb; do behind "$n" "$r"; done
    if [[ $n == c ]]; then host c ar args=dht6; else host "$n" ar; fi   # two are enough: see the storms in README.md
  done
  forwarded_five
}

# forwarded: only NAT d: a rewritten source port and a forwarded one, the situation of the 2007 post
scenario_forwarded() {
  nats=(d)
  public_four
  forwarded_five
}

# carrier: a home's NAT behind a carrier's, over IPv4 and IPv6
scenario_carrier() {
  local r
  nats=(cgn e) ipv6=yes
  public_four
  host e ar args=dht6
  for r in lt tr rt qb; do behind e "$r"; done
}

# token: NAT c forgets its mappings every other second, so that tokens bound to a port (aria2, Transmission) are refused
scenario_token() {
  local i r
  nats=(c) boots=4 scenario_seconds=90
  for i in 1 2 3; do
    host pub ar as=ar$i ip=203.0.113.5$i
    host pub tr as=tr$i ip=198.51.100.4$i
  done
  host pub lt has=1
  for r in lt ar tr rt; do behind c "$r"; done
  during() { (($1 % 2)) || forget_mappings c; }
}

# hairpin: three clients of one LAN find their own public address in the DHT, and the NAT answers them with ICMP
scenario_hairpin() {
  local r
  nats=(a) boots=10 scenario_seconds=90
  host pub lt has=1
  for r in lt ar tr; do behind a "$r"; done
}

# proposal: nodes that say `p` or `contact`, among real clients, behind NATs c, d and f and outside of them
scenario_proposal() {
  nats=(f d c) boots=8 scenario_seconds=200 probes=no
  udp_timeout=5 udp_stream=10   # these nodes meet every few seconds instead of every quarter of an hour
  public_four
  host d lt has=2
  nodes_of "$proposal_table"
}

# nodes: only the nodes of the draft, no other program, in a few seconds
scenario_nodes() {
  nats=(f d c) boots=0 settle=1 scenario_seconds=12 probes=no udp_timeout=5 udp_stream=10
  nodes_of "$nodes_table"
}

nodes_of() { # a table of roles.bash
  local name where no port what
  while read -r name where no port what; do
    [[ -n $name ]] || continue
    case $where in
    pub) host pub node as="$name" ip="$no" dht="$port" tcp="$port" args="$what" ;;
    *) host "$where" node as="$name" no="$no" dht="$port" tcp="$port" args="$what" ;;
    esac
  done <<<"$1"
}

public_four() {
  host pub lt has=1
  host pub ar has=1
  host pub tr has=1
  host pub rt
}

behind() { # nat role: the libtorrents behind a NAT have torrent 2
  if [[ $2 == lt ]]; then host "$1" lt has=2; else host "$1" "$2"; fi
}

forwarded_five() { # where ports are forwarded, each program has its own
  host d lt has=2
  host d ar dht=6882 tcp=6882
  host d tr
  host d rt dht=6884 tcp=6894
  host d qb
}

# pool: four outside addresses at random, the port kept; and a random port besides
scenario_pool() {
  nats=(pool poolr) scenario_seconds=90
  home_of pool lt tr quiet
  home_of poolr lt tr quiet
}

# collision: the port is kept until two hosts choose the same one: two libtorrents, an aria2 and a quiet node with 6881
scenario_collision() {
  nats=(crowd) scenario_seconds=90
  home_of crowd lt ar tr
  host crowd quiet dht=6881 args="--every 2-6"
  host crowd lt as=lt2 no=16 has=1
}

# upnp: a forwarded port that is not the inside port, as UPnP gives, with hairpin; without and with SNAT to that port
scenario_upnp() {
  local n
  nats=(upnp upnps) scenario_seconds=100
  for n in "${nats[@]}"; do
    home_of "$n" lt tr quiet
    host "$n" node dht=6911 args="--contact-port FORWARDED"
  done
}

# same-port: each client's own port is forwarded to it, with hairpin, on a NAT that keeps the source port and on one that does not
scenario_same-port() {
  local n
  nats=(keeps moves) scenario_seconds=100
  for n in "${nats[@]}"; do
    home_of "$n" lt tr quiet
    host "$n" lt as=lt2 no=16 dht=6882 tcp=6882 has=1
  done
}

# vpn: a VPN with random source ports that forwards one port, 55123, to one of three clients
scenario_vpn() {
  nats=(vpn) scenario_seconds=90
  public_four
  host vpn lt dht=55123 tcp=55123 has=2
  host vpn ar fwd=-
  host vpn quiet fwd=- args="--every 2-6"
}

# restart: after 50 seconds the router comes back with another address and no mappings; one keeps source ports, one does not
scenario_restart() {
  nats=(newip newipr) scenario_seconds=110
  home_of newip lt tr quiet
  home_of newipr lt tr quiet
  during() { (($1 != 50)) || { restart newip 203.0.113.128; restart newipr 203.0.113.129; }; }
}

# lifetimes: mappings that live 10 seconds, and 2
scenario_lifetimes() {
  local n
  nats=(ten two) scenario_seconds=100
  for n in "${nats[@]}"; do
    home_of "$n" lt tr
    host "$n" quiet args="--every 3-6"
    host "$n" quiet as=quiet2 no=34 dht=6903 args="--every 8-16"
  done
}

# quiet: a random port for every destination, and nodes that ask one query every 5 to 20 seconds
scenario_quiet() {
  local i
  nats=(hush) scenario_seconds=120
  for i in 1 2 3; do host hush quiet as="quiet$i" no="4$i" dht="692$i" args="--every 5-20"; done
}

# two-interfaces: hosts with an interface in each of two homes, routes by destination; one client bound to both, one to none
scenario_two-interfaces() {
  nats=(left right) scenario_seconds=90
  home_of left lt
  home_of right tr
  host left lt as=both no=16 leg=right has=1
  host left quiet as=multi leg=right args="--every 2-5"
}

# ipv6-nat: NPTv6, which changes the prefix only, and NAT66 with random ports
scenario_ipv6-nat() {
  local n
  nats=(npt nat66) ipv6=yes boots=10 scenario_seconds=90
  public_four
  for n in "${nats[@]}"; do
    host "$n" lt has=2
    host "$n" tr
  done
}

# carrier-pool: a home that keeps ports, behind a carrier with four addresses and random ports
scenario_carrier-pool() {
  nats=(cgnp home) scenario_seconds=90
  home_of home lt ar tr quiet
}

# filtering: any endpoint gets in through a mapping; any port of an address that was sent to; only the endpoint that was sent to
scenario_filtering() {
  local n
  nats=(open addr port) scenario_seconds=100
  public_four
  for n in "${nats[@]}"; do
    host "$n" lt has=2
    host "$n" quiet args="--every 2-6"
  done
}

# crawler: crawlers behind three NATs ask each of 600 nodes
scenario_crawler() {
  local n
  nats=(a b c) boots=6 scenario_seconds=60
  host pub swarm args=7000-7003
  host pub swarm as=swarm2 ip=198.51.100.160 args=7000-7003
  host pub swarm as=swarm3 ip=203.0.113.160 args=7000-7003
  for n in "${nats[@]}"; do
    host "$n" crawl args="--rate 25"
    behind "$n" lt
  done
}

home_of() { # nat role...: these clients behind it, and once the public ones
  local n=$1 r; shift
  [[ -n ${place[pub-lt]:-} ]] || public_four
  for r in "$@"; do
    if [[ $r == quiet ]]; then host "$n" quiet args="--every 2-6"; else behind "$n" "$r"; fi
  done
}

load_scenario() { declare -F "scenario_$1" >/dev/null && "scenario_$1"; }

every_scenario() { sed -n 's/^scenario_\([a-z0-9-]*\)() {.*/\1/p' "$here/scenarios.bash"; }

list_scenarios() { # NAME, seconds, one line
  local name
  for name in $(every_scenario); do
    printf '%s\t%s s\t%s\n' "$name" "$(load_scenario "$name" && echo "$scenario_seconds")" "$(sed -n "s/^# $name: //p" "$here/scenarios.bash")"
  done | column -t -s $'\t'
}
