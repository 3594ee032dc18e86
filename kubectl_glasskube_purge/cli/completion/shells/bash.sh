# Completion for bash. Load it with: source <(kubectl glasskube purge completion bash)

__kubectl_glasskube_purge() {
    local line=${COMP_LINE:0:COMP_POINT} directive word typed known
    local -a words answer
    # Not COMP_WORDS: bash cuts words at = and at the : that contexts' names have.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    mapfile -t answer < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    ((${#answer[@]})) || return
    directive=${answer[-1]#:}
    unset 'answer[-1]'
    word=${words[-1]}
    typed=$word
    [[ $word == --*=* ]] && typed=${word#*=}
    if ((directive & 8)); then
        for known in "${answer[@]}"; do
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -X "!*.$known" -- "$typed")
        done
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$typed")
        compopt -o filenames 2>/dev/null
    else
        COMPREPLY=("${answer[@]%%$'\t'*}")
        ((directive & 4)) || compopt -o default 2>/dev/null
    fi
    ((directive & 2)) && compopt -o nospace 2>/dev/null
    # bash replaces only what stands behind the last of its own word breaks.
    if [[ $word == --*=* && $COMP_WORDBREAKS != *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]/#/${word%%=*}=}")
    fi
    if [[ $typed == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${typed%:*}:"}")
    fi
}

complete -F __kubectl_glasskube_purge kubectl-glasskube_purge kubectl-glasskube-purge
