# SPDX-License-Identifier: MIT
# bash completion of larderctl: its own --help is the list.
_larderctl() {
  local word=${COMP_WORDS[COMP_CWORD]} i command=
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --admin-socket) i=$((i + 1)) ;;
      -*) ;;
      *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command in
    '') COMPREPLY=($(compgen -W "--admin-socket --json --help --version $(
      larderctl --help 2>/dev/null | sed -n 's/^  \([a-z]*\).*/\1/p')" -- "$word")) ;;
    show | rm | pin | unpin | load | unload | export | infer)
      COMPREPLY=($(compgen -W "$(larderctl list 2>/dev/null | cut -d' ' -f1)" -- "$word")) ;;
    origins) COMPREPLY=($(compgen -W 'add rm --rights --models --rate --requests --token-file' -- "$word")) ;;
    policies) COMPREPLY=($(compgen -W 'chrome chromium edge firefox' -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -F _larderctl larderctl
