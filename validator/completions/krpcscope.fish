# fish completion for krpcscope
#
# SPDX-License-Identifier: GPL-2.0-or-later
set -l commands check ports nodes decode compare encode explain rules
set -l reads "__fish_seen_subcommand_from check ports nodes decode; or not __fish_seen_subcommand_from $commands"
set -l checks "__fish_seen_subcommand_from check; or not __fish_seen_subcommand_from $commands"
set -l selects "__fish_seen_subcommand_from ports nodes decode compare"

complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a check -d 'findings, then a summary'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a ports -d 'every port that somebody advertised'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a nodes -d 'every node, and what a NAT does to its port'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a decode -d 'every message, typed'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a compare -d 'the two sides of one NAT'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a encode -d 'what decode prints, back to messages'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a explain -d 'one rule at length, or one packet'
complete -c krpcscope -n "not __fish_seen_subcommand_from $commands" -a rules -d 'the list of all rules'

complete -c krpcscope -s o -l output -r -d 'Write to a file'
complete -c krpcscope -s q -l quiet -d 'No progress; check: nothing but the exit status'
complete -c krpcscope -l color -x -a 'auto always never' -d 'Colour'
complete -c krpcscope -s h -l help -d 'Show help'
complete -c krpcscope -l version -d 'Show versions'

complete -c krpcscope -n "$checks" -s f -l format -x -a 'text ndjson sarif junit html eve' -d 'Format'
complete -c krpcscope -n "__fish_seen_subcommand_from ports nodes decode compare explain rules" -s f -l format -x -a 'text ndjson' -d 'Format'
complete -c krpcscope -n "$reads" -l merge -d 'Take all captures as one, by time'
complete -c krpcscope -n "$reads" -l anonymize -x -d 'Replace addresses and ids, by a key'
complete -c krpcscope -n "$reads; or __fish_seen_subcommand_from compare" -l threads -x -a '1 2' -d 'Threads'
complete -c krpcscope -n "$reads; or __fish_seen_subcommand_from compare" -s v -l verbose -d 'Show more of each'
complete -c krpcscope -n "$reads; or __fish_seen_subcommand_from compare explain" -l filter -x -d 'BPF expression'
complete -c krpcscope -n "$reads; or __fish_seen_subcommand_from compare explain" -s d -l decode-as -x -a 'udp.port== tcp.port==' -d 'Take a port as KRPC'
complete -c krpcscope -n "$reads; or __fish_seen_subcommand_from compare explain" -l max-nodes -x -d 'Remember at most that many endpoints'

complete -c krpcscope -n "$checks" -l fail-on -x -a 'note warn error' -d 'Exit with 1 from this severity on'
complete -c krpcscope -n "$checks" -l each -d 'One line a finding'
complete -c krpcscope -n "$checks" -s w -l write -r -d 'Write the packets with findings to a pcapng file'

complete -c krpcscope -n "$selects" -l node -x -d 'Only this address, address:port or node id'
complete -c krpcscope -n "$selects" -l info-hash -x -d 'Only what names this info-hash'
complete -c krpcscope -n "$selects" -l port -x -d 'Only this port'
complete -c krpcscope -n "$selects" -l client -x -d 'Only clients of this name'

complete -c krpcscope -n "__fish_seen_subcommand_from decode" -l hex -x -d 'One message, as hex digits'
complete -c krpcscope -n "__fish_seen_subcommand_from encode" -l raw -d 'Bytes instead of hex'
complete -c krpcscope -n "__fish_seen_subcommand_from compare" -l inside -r -d 'Capture taken inside'
complete -c krpcscope -n "__fish_seen_subcommand_from compare" -l outside -r -d 'Capture taken outside'
complete -c krpcscope -n "__fish_seen_subcommand_from explain" -a "(krpcscope rules --color never 2>/dev/null | awk 'NR > 1 { print \$1 }')"
