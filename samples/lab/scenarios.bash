# scenarios.bash: who is where.
#
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2317,SC2154 # read and called in the other files
#
# A scenario is a function that sets nats, boots (bootstrap nodes), ipv6 and scenario_seconds, and calls
#   host PLACE ROLE [key=value...]
# once for each client.  PLACE is pub or a NAT; ROLE is a function role_ROLE in roles.bash.  Keys: as=NAME (default PLACE-ROLE), ip= and
# no= (the last number of a LAN address), dht= and tcp= (ports), fwd= (the forwarded port behind NAT d, default the DHT port),
# has=1 or has=2 (the torrent that it has from the beginning), args= (further arguments).
# during SECOND is called once a second while the scenario runs.

nats=() hosts=() ipv6=no boots=12 settle=8 scenario_seconds=150 udp_timeout=30 udp_stream=60
declare -A place role v4 v6 dht tcp fwd has args

#    role  LAN  public          DHT    TCP
role_defaults="
lt   11  203.0.113.30    6881   6881
ar   12  203.0.113.50    6881   6881
tr   13  198.51.100.40   51413  51413
rt   14  192.0.2.60      6881   6890
qb   15  198.51.100.70   8999   8999
node 21  192.0.2.80      6881   6881
"

host() { # place role [key=value...]
  local p=$1 r=$2 as="$1-$2" no pub d t f="" ip="" h="" a="" kv; shift 2
  read -r _ no pub d t < <(grep "^$r " <<<"$role_defaults")
  for kv in "$@"; do
    case ${kv%%=*} in
    as) as=$p-${kv#*=} ;; ip) ip=${kv#*=} ;; no) no=${kv#*=} ;; dht) d=${kv#*=} ;; tcp) t=${kv#*=} ;; fwd) f=${kv#*=} ;;
    has) h=${kv#*=} ;; args) a=${kv#*=} ;; *) die "scenario $scenario: $kv" ;;
    esac
  done
  hosts+=("$as"); place[$as]=$p role[$as]=$r dht[$as]=$d tcp[$as]=$t has[$as]=$h args[$as]=$a fwd[$as]=${f:-$d}
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

# full: every NAT, every client, IPv4 and IPv6, and libtorrent's BEP 44 and BEP 51 queries
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

# forwarded: NAT d alone: a mangled source port and a forwarded one, the situation of the 2007 post
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

# proposal: nodes that say `p` or `contact`, among real clients, behind NATs c, d and f and before them
scenario_proposal() {
  nats=(f d c) boots=8 scenario_seconds=240
  udp_timeout=5 udp_stream=10   # these nodes meet every few seconds instead of every quarter of an hour
  public_four
  host d lt has=2
  nodes_of "$proposal_table"
}

# nodes: the nodes of the draft alone, no other program, in a few seconds
scenario_nodes() {
  nats=(f d c) boots=0 settle=1 scenario_seconds=12 udp_timeout=5 udp_stream=10
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

forwarded_five() { # whoever forwards ports gives each program its own
  host d lt has=2
  host d ar dht=6882 tcp=6882
  host d tr
  host d rt dht=6884 tcp=6894
  host d qb
}

load_scenario() { declare -F "scenario_$1" >/dev/null && "scenario_$1"; }

list_scenarios() { sed -n 's/^# \([a-z]*\): \(.*\)/\1\t\2/p' "$here/scenarios.bash" | grep -v '^scenarios' | column -t -s $'\t'; }
