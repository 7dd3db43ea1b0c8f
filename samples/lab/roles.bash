# roles.bash: how each client is started, and what it needs.
#
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154,SC2034 # the scenario's variables
#
# role_NAME HOST starts one client with `start HOST COMMAND...`.  Every client is unmodified and has its home in $work/HOST.

python=/usr/bin/python3               # the distribution's, which finds python3-libtorrent
torrents=(1 2)                        # no tracker, not private: peers come only from the DHT

# The nodes of the proposal: name, place, address (on a LAN its last number), port, and what it is told besides its address and the
# bootstrap nodes.  FORWARDED is the port that the NAT forwards to it.
proposal_table="
silent   f    21  6901
tells    f    22  6902  --contact-port FORWARDED --no-contact --after 45
asks     f    23  6903  --contact-port FORWARDED --no-p --silence 130
quiet    d    21  6901
says     d    22  6902  --contact-port FORWARDED --no-contact --after 60
mistaken c    21  6901  --contact-port FORWARDED
reader   pub  192.0.2.81  6881
reader2  pub  192.0.2.82  6881
deaf     pub  192.0.2.83  6881  --ignore
"

# The same in a few seconds.  The bootstrap nodes are two of them; three networks must see a port before a node says p.
nodes_table="
boot     pub  192.0.2.10     6881
reader   pub  198.51.100.10  6881
reader2  pub  203.0.113.82   6881
deaf     pub  192.0.2.83     6881  --ignore
silent   f    21  6901
tells    f    22  6902  --contact-port FORWARDED --no-contact --after 4
asks     d    21  6901  --contact-port FORWARDED --no-p --silence 4
mistaken c    21  6901  --contact-port FORWARDED
"

role_node() {
  # shellcheck disable=SC2086 # the table's arguments are words
  start "$1" "$node" --bind "${v4[$1]}:${dht[$1]}" --boot "${boot_v4[0]}:6881" --boot "${boot_v4[1]}:6881" ${args[$1]//FORWARDED/${fwd[$1]}}
}

role_quiet() { # args: --every FROM-TO seconds; with a second interface the kernel chooses the source address
  # shellcheck disable=SC2086
  start "$1" "$python" "$here/query.py" quiet "$([[ -z ${leg[$1]} ]] && echo "${v4[$1]}" || echo 0.0.0.0)" "${dht[$1]}" \
    --ask "$(v4_endpoints)" ${args[$1]}
}

role_crawl() { # args: --rate N
  # shellcheck disable=SC2086
  start "$1" "$python" "$here/query.py" crawl "${v4[$1]}" "${dht[$1]}" --ask "${v4[pub-swarm]}:7000,$(v4_endpoints)" ${args[$1]}
}

role_swarm() { # args: the ports, FROM-TO; a node on each of them at 50 addresses from the host's own on
  local i last=${v4[$1]##*.} all=()
  for ((i = 0; i < 50; i++)); do all+=("${v4[$1]%.*}.$((last + i))"); done
  for i in "${all[@]:1}"; do ip -n "$1" addr add "$i/24" dev eth0; done
  start "$1" "$python" "$here/query.py" swarm "${args[$1]}" "${all[@]}"
}

v4_endpoints() { local i s=""; for ((i = 0; i < boots; i++)); do s+=${s:+,}${boot_v4[i]}:6881; done; printf '%s' "$s"; }

# ------------------------------------------------------------------------------------------------ what is needed

missing_programs() { # one line: the commands that this scenario needs and this machine does not have, with their packages
  local m=() h p libtorrent="" need="ip:iproute2 nft:nftables tcpdump:tcpdump conntrack:conntrack ethtool:ethtool unshare:util-linux sysctl:procps"
  for h in "${hosts[@]}"; do
    case ${role[$h]} in
    lt) libtorrent=yes ;;
    ar) need+=" aria2c:aria2" ;;
    tr) need+=" transmission-daemon:transmission-daemon" ;;
    rt) need+=" rtorrent:rtorrent" ;;
    qb) need+=" qbittorrent-nox:qbittorrent-nox" ;;
    esac
  done
  # shellcheck disable=SC2086 # a list of words
  for p in $(printf '%s\n' $need | sort -u); do
    command -v "${p%:*}" >/dev/null || m+=("${p%:*} (${p#*:})")
  done
  [[ -x $python ]] || m+=("$python (python3)")
  [[ -z $libtorrent && $boots == 0 ]] || "$python" -c 'import libtorrent' 2>/dev/null || m+=("libtorrent for $python (python3-libtorrent)")
  for h in "${hosts[@]}"; do
    [[ ${role[$h]} != node || -x $node ]] || { m+=("the node (--node FILE)"); break; }
  done
  local IFS=,; printf '%s' "${m[*]}" | sed 's/,/, /g'
}

versions() {
  local r
  for r in $(printf '%s\n' "${role[@]}" | sort -u); do
    case $r in
    lt) printf 'lt\tlibtorrent %s\n' "$("$python" -c 'import libtorrent; print(libtorrent.__version__)')" ;;
    ar) printf 'ar\t%s\n' "$(aria2c --version | sed 1q)" ;;
    tr) printf 'tr\t%s\n' "$(transmission-daemon --version 2>&1)" ;;
    rt) printf 'rt\t%s\n' "$(rtorrent -h | sed -n '1s/.*client version \(.*\)\./rTorrent \1/p')" ;;
    qb) printf 'qb\t%s\n' "$(QT_QPA_PLATFORM=offscreen qbittorrent-nox --version)" ;;
    esac
  done
  uname -sr
}

has_forward() { has_kind "$1" forward || has_kind "$1" shifted; } # NAT

host_list() { # for hosts.tsv
  local h
  printf 'host\tplace\trole\tipv4\tipv6\tdht_port\ttcp_port\tforwarded\n'
  for h in "${hosts[@]}"; do
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$h" "${place[$h]}" "${role[$h]}" "${v4[$h]}" \
      "$([[ $ipv6 == yes ]] && echo "${v6[$h]}" || echo -)" "${dht[$h]}" "${tcp[$h]}" "$(has_forward "${place[$h]}" && echo "${fwd[$h]}" || echo -)"
    [[ -z ${leg[$h]} ]] || printf '%s\t%s\t%s\t%s\t-\t%s\t%s\t-\n' "$h" "${leg[$h]}" "${role[$h]}" "${leg4[$h]}" "${dht[$h]}" "${tcp[$h]}"
  done
}

# ------------------------------------------------------------------------------------------------ content and names

make_content() {
  local t i=0 name
  for t in "${torrents[@]}"; do "$python" "$here/peer.py" make "$work" "lab-t$t" 131072 || return 1; done
  # the names that clients ask for bootstrap nodes lead to the lab's
  { echo "127.0.0.1 localhost"
    for name in dht.transmissionbt.com router.bittorrent.com router.utorrent.com dht.libtorrent.org dht.aelitis.com router.bitcomet.com; do
      ((boots > 0)) || break
      echo "${boot_v4[i]} $name"
      [[ $ipv6 == yes ]] && echo "$(boot_v6 "$i") $name"
      i=$(((i + 1) % boots))
    done; } >"$work/hosts"
  echo "nameserver 127.0.0.1" >"$work/resolv.conf"     # nothing answers there, and no capture shows this machine's own
  mount --bind "$work/hosts" /etc/hosts && { [[ ! -e /etc/resolv.conf ]] || mount --bind "$work/resolv.conf" /etc/resolv.conf; }
}

downloaded() { # host: which torrents it has at the end
  local t s="" d=$work/$1/dl
  [[ ${role[$1]} != node ]] || return 0
  for t in "${torrents[@]}"; do cmp -s "$d/lab-t$t" "$work/lab-t$t" && s+=" $t"; done
  printf '%-9s has torrents:%s\n' "$1" "${s:- none}"
}

# ------------------------------------------------------------------------------------------------ starting

start() { # host command...
  local h=$1; shift
  (cd "$work/$h" && exec ip netns exec "$h" env -i PATH="$PATH" HOME="$work/$h" LANG=C.UTF-8 TERM=dumb "$@") >"$work/logs/$h.out" 2>&1 </dev/null &
  client_pids+=($!)
}

start_hosts() { # pub or lan
  local h t where
  for h in "${hosts[@]}"; do
    [[ ${place[$h]} == pub ]] && where=pub || where=lan
    [[ $where == "$1" ]] || continue
    mkdir -p "$work/$h/dl"
    for t in ${has[$h]}; do cp "$work/lab-t$t" "$work/$h/dl/"; done
    "role_${role[$h]}" "$h"
  done
}

endpoints() { # how-many separator: the bootstrap nodes, and over IPv6 too
  local i s=""
  for ((i = 0; i < $1; i++)); do
    s+=${s:+$2}${boot_v4[i]}:6881
    [[ $ipv6 == yes ]] && s+="$2[$(boot_v6 "$i")]:6881"
  done
  printf '%s' "$s"
}

listen() { printf '%s:%s' "${v4[$1]}" "${dht[$1]}"; [[ -z ${leg[$1]} ]] || printf ',%s:%s' "${leg4[$1]}" "${dht[$1]}"; [[ $ipv6 != yes ]] || printf ',[%s]:%s' "${v6[$1]}" "${dht[$1]}"; }

start_herd() { # the bootstrap nodes: one process, a DHT node for each address
  ((boots > 0)) || return 0
  local i groups=()
  for ((i = 0; i < boots; i++)); do
    groups+=("${boot_v4[i]}:6881$([[ $ipv6 == yes ]] && echo ",[$(boot_v6 "$i")]:6881")")
  done
  mkdir -p "$work/boot"
  start boot "$python" "$here/peer.py" herd --log "$work/logs/boot.log" --boot "$(endpoints 2 ,)" "${groups[@]}"
}

torrent_files() { local t; for t in "${torrents[@]}"; do printf '%s\n' "$work/lab-t$t.torrent"; done; }

role_lt() {
  # shellcheck disable=SC2086,SC2046
  start "$1" "$python" "$here/peer.py" client --log "$work/logs/$1.log" --listen "$(listen "$1")" --boot "$(endpoints 2 ,)" \
    --save "$work/$1/dl" ${args[$1]} $(torrent_files)
}

role_ar() { # args=dht6: in the IPv6 DHT too
  local six=(--disable-ipv6)
  if [[ $ipv6 == yes ]]; then
    six=()
    [[ ${args[$1]} != dht6 ]] || six=(--enable-dht6=true --dht-listen-addr6="${v6[$1]}" --dht-entry-point6="[$(boot_v6 0)]:6881"
      --dht-file-path6="$work/$1/dht6")
  fi
  # shellcheck disable=SC2046
  start "$1" aria2c --no-conf --enable-dht=true --dht-listen-port="${dht[$1]}" --listen-port="${tcp[$1]}" \
    --dht-entry-point="${boot_v4[0]}:6881" --dht-file-path="$work/$1/dht" "${six[@]}" \
    --bt-min-crypto-level=plain --bt-require-crypto=false --bt-enable-lpd=false --enable-peer-exchange=true --check-integrity=true \
    --seed-ratio=0.0 --file-allocation=none --dir="$work/$1/dl" --console-log-level=warn --summary-interval=0 \
    --log="$work/logs/$1.log" --log-level=info $(torrent_files)
}

role_tr() {
  local d=$work/$1
  mkdir -p "$d/conf" "$d/watch"
  # shellcheck disable=SC2046
  cp $(torrent_files) "$d/watch/"
  cat >"$d/conf/settings.json" <<J
{ "peer-port": ${tcp[$1]}, "port-forwarding-enabled": false, "rpc-enabled": false, "encryption": 0, "message-level": 2,
  "dht-enabled": true, "utp-enabled": true, "pex-enabled": true, "lpd-enabled": false, "ratio-limit-enabled": false,
  "download-dir": "$d/dl", "watch-dir": "$d/watch", "watch-dir-enabled": true, "trash-original-torrent-files": false,
  "start-added-torrents": true }
J
  endpoints "$boots" $'\n' | sed 's/[][]//g; s/:6881$/ 6881/' >"$d/conf/dht.bootstrap"
  start "$1" transmission-daemon --foreground --config-dir "$d/conf" --logfile "$work/logs/$1.log" --log-debug
}

role_rt() { # 0.9.8 has no DHT over IPv6
  local d=$work/$1 t
  mkdir -p "$d/session"
  cat >"$d/rtorrent.rc" <<R
system.daemon.set = true
directory.default.set = $d/dl
session.path.set = $d/session
network.port_range.set = ${tcp[$1]}-${tcp[$1]}
network.port_random.set = no
protocol.encryption.set = none
protocol.pex.set = yes
dht.port.set = ${dht[$1]}
dht.mode.set = on
log.open_file = "file", "$work/logs/$1.log"
log.add_output = "dht_all", "file"
schedule2 = boot0, 2, 0, "dht.add_node=${boot_v4[0]}:6881"
schedule2 = boot1, 2, 0, "dht.add_node=${boot_v4[1]}:6881"
R
  for t in "${torrents[@]}"; do echo "schedule2 = load$t, $((20 + t)), 0, \"load.start=$work/lab-t$t.torrent\""; done >>"$d/rtorrent.rc"
  start "$1" rtorrent -n -o import="$d/rtorrent.rc"
}

role_qb() {
  local d=$work/$1
  mkdir -p "$d/qBittorrent/config"
  cat >"$d/qBittorrent/config/qBittorrent.conf" <<Q
[LegalNotice]
Accepted=true
[BitTorrent]
Session\\DefaultSavePath=$d/dl
Session\\Port=${tcp[$1]}
Session\\Encryption=2
Session\\DHTEnabled=true
Session\\LSDEnabled=false
Session\\MultiConnectionsPerIp=true
Session\\AddTorrentPaused=false
[Network]
PortForwardingEnabled=false
[Preferences]
Connection\\ResolvePeerCountries=false
Q
  # shellcheck disable=SC2046
  start "$1" qbittorrent-nox --profile="$d" $(torrent_files)
}
