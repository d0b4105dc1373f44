# bash completion for weftctl: weftctl itself knows its words and asks weftd for names.
# shellcheck shell=bash

_weftctl() {
  local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" --complete "${words[@]}" 2>/dev/null)
  # Addresses hold colons, at which bash breaks words.
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "${COMP_WORDS[COMP_CWORD]}"
  fi
}

complete -F _weftctl weftctl
