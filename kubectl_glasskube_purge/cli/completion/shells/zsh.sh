#compdef kubectl-glasskube_purge kubectl-glasskube-purge
# Completion for zsh. Load it with: source <(kubectl glasskube purge completion zsh)

_kubectl_glasskube_purge() {
    local directive line value
    local -a answer described
    answer=("${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${answer[-1]#:}
    answer=("${(@)answer[1,-2]}")
    [[ ${words[CURRENT]} == --*=* ]] && compset -P '*='
    if (( directive & 8 )); then
        _files -g "*.(${(j:|:)answer})"
        return
    fi
    for line in "${answer[@]}"; do
        [[ -n $line ]] || continue
        value=${line%%$'\t'*}
        described+=("${value//:/\\:}${${line#$value}/$'\t'/:}")
    done
    (( $#described )) && _describe -t values value described
    (( directive & 4 )) || _files
}

if [[ ${funcstack[1]} == _kubectl_glasskube_purge || ${funcstack[1]} == _kubectl-glasskube_purge ]]; then
    _kubectl_glasskube_purge "$@"
else
    compdef _kubectl_glasskube_purge kubectl-glasskube_purge kubectl-glasskube-purge
fi
