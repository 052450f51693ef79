# SPDX-License-Identifier: MIT
# bash completion of larderctl and larderd: their own --help is the list.

# _larder_has TEXT: whether the usage line of the command holds it
_larder_has() { [[ " $usage " == *$1* ]]; }

_larderctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local i command='' usage='' words='' socket=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --admin-socket)
        [ "${COMP_WORDS[i + 1]}" != = ] || i=$((i + 1))
        socket=(--admin-socket "${COMP_WORDS[++i]}") ;;
      -*) ;;
      *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  if ((i > COMP_CWORD)) || [ "$before" = = ]; then
    COMPREPLY=($(compgen -f -- "${word#=}"))
    return
  fi
  if [ -z "$command" ]; then
    COMPREPLY=($(compgen -W "--admin-socket --json --help --version $(
      larderctl --help 2>/dev/null | sed -n 's/^  \([a-z]*\).*/\1/p')" -- "$word"))
    return
  fi
  usage=$(larderctl "$command" --help 2>/dev/null | head -n 1)
  case $word in
    -*)
      COMPREPLY=($(compgen -W "--json --help $(grep -oE -e '--[a-z-]+' <<<"$usage")" -- "$word"))
      return ;;
  esac
  case $before in
    --rights) COMPREPLY=($(compgen -W 'serve infer serve,infer' -- "$word")); return ;;
    --*) # what has a value: a file, or something that nobody can know
      if _larder_has "$before [A-Z]"; then
        COMPREPLY=()
        ! _larder_has "$before FILE" && ! _larder_has "$before F]" && ! _larder_has "$before DIR" ||
          COMPREPLY=($(compgen -f -- "$word"))
        return
      fi ;;
  esac
  ! _larder_has ' MODEL' || words=$(larderctl "${socket[@]}" list 2>/dev/null | cut -d' ' -f1)
  case $command in
    origins) words='add rm' ;;
    manifests) words='rm' ;;
    policies) words='chrome chromium edge firefox' ;;
    jobs) words=$(larderctl "${socket[@]}" jobs 2>/dev/null | cut -d' ' -f1) ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  ! _larder_has DIR && ! _larder_has FILE... || COMPREPLY+=($(compgen -f -- "$word"))
}

_larderd() {
  local word=${COMP_WORDS[COMP_CWORD]}
  case $word in
    -*) COMPREPLY=($(compgen -W "$(larderd --help 2>/dev/null | grep -oE -e '^  --[a-z-]+')" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "${word#=}")) ;;
  esac
}

complete -F _larderctl larderctl
complete -F _larderd larderd
