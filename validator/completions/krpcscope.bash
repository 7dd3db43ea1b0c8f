# bash completion for krpcscope
#
# SPDX-License-Identifier: GPL-2.0-or-later
_krpcscope()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="check ports nodes decode compare encode explain rules"
    local command=check word

    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ " $commands " == *" $word "* ]]; then
            command=$word
            break
        fi
    done
    COMPREPLY=()
    case $prev in
    --format | -f)
        local formats="text ndjson"
        [[ $command == check ]] && formats="text ndjson sarif junit html eve"
        mapfile -t COMPREPLY < <(compgen -W "$formats" -- "$cur")
        return
        ;;
    --fail-on)
        mapfile -t COMPREPLY < <(compgen -W "note warn error" -- "$cur")
        return
        ;;
    --color)
        mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$cur")
        return
        ;;
    --threads)
        mapfile -t COMPREPLY < <(compgen -W "1 2" -- "$cur")
        return
        ;;
    --decode-as | -d)
        mapfile -t COMPREPLY < <(compgen -W "udp.port== tcp.port==" -- "$cur")
        return
        ;;
    --filter | --max-nodes | --anonymize | --node | --info-hash | --port | --client | --hex)
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        local options="--output --quiet --color --help --version"
        local takes="--filter --decode-as --max-nodes"
        local selects="--node --info-hash --port --client"
        local reads="--format --merge --threads --anonymize --verbose"
        case $command in
        check) options+=" $takes $reads --fail-on --each --write" ;;
        ports | nodes) options+=" $takes $reads $selects" ;;
        decode) options+=" $takes $reads $selects --hex" ;;
        compare) options+=" $takes $selects --format --threads --verbose --inside --outside" ;;
        encode) options+=" --raw" ;;
        explain) options+=" $takes --format" ;;
        rules) options+=" --format" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    if [[ $command == explain && $prev == explain ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(krpcscope rules --color never 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$cur")
    elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
    fi
    local file
    while read -r file; do
        COMPREPLY+=("$file")
    done < <(compgen -f -- "$cur")
}
complete -o filenames -F _krpcscope krpcscope
