#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Completion in bash and zsh knows every command, every option and the models that are stored; and
# what larderctl understands is what its --help says.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
PATH=$top_builddir:$PATH
folder=$top_srcdir/daemon/completion

# ---- what there is, from the tables ----
commands=$(sed -n 's/^COMMAND( *"\([a-z]*\)".*/\1/p' "$top_srcdir/daemon/commands.def")
options() { sed -n "s/^COMMAND( *\"$1\",//p" "$top_srcdir/daemon/commands.def" | grep -oE -e '--[a-z-]+'; }
keys=$(sed -n 's/^OPTION( *\([a-z_0-9]*\),.*/--\1/p' "$top_srcdir/daemon/options.def" | tr _ -)
[ "$(printf '%s\n' "$commands" | wc -l)" -ge 15 ] && [ "$(printf '%s\n' "$keys" | wc -l)" -ge 30 ]
ok 'there are commands and keys' $?
none 'every option that larderctl understands is in commands.def' "$(
  sed -n 's/.*"\(--[a-z][a-z-]*\)=*".*/\1/p' "$top_srcdir"/daemon/ctl_*.c | sort -u |
    while read -r option; do
      grep -qE -e "$option[] |]" "$top_srcdir/daemon/commands.def" || echo "$option"
    done
)"

larderd_start --sample
ok 'larderd starts' $?
mkdir "$larderd_dir/here"
: >"$larderd_dir/here/file.onnx"
cd "$larderd_dir/here" || exit 99

# ---- the same of both shells: complete WORD…, the last one as far as it is typed ----
in_bash() {
  bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    "_$1" && printf "%s\n" "${COMPREPLY[@]}"' - "$folder/larderctl.bash" "$@"
}
in_zsh() {
  zsh -f -c 'file=$1; shift; words=("$@"); CURRENT=$#; service=$1
    compadd() { shift; print -l -- $@; }
    _files() { ls; }
    complete_it() { source $file; }
    complete_it' - "$folder/_larderctl" "$@" | awk -v word="$(eval "printf %s \"\${$#}\"")" 'index($0, word) == 1'
}
for shell in bash zsh; do
  if ! command -v $shell >/dev/null; then
    skip "completion in $shell" "$shell is not installed"
    continue
  fi
  # lacks NAME WORD… -- LINE…: which of the lines the completion of these words does not have
  lacks() {
    said=$("in_$shell" "$@")
    while read -r line; do
      [ -z "$line" ] || printf '%s\n' "$said" | grep -qxF -e "$line" || echo "$line"
    done
  }
  none "$shell: every command" "$(printf '%s\n' "$commands" | lacks larderctl '')"
  none "$shell: global options" "$(printf '%s\n' --admin-socket --json --help --version | lacks larderctl --)"
  none "$shell: every option of every command" "$(
    for command in $commands; do
      { options "$command"; echo --json; } | lacks larderctl "$command" -- | sed "s/^/$command /"
    done
  )"
  none "$shell: every option of larderd" "$(printf '%s\n' "$keys" --config --check-config --help | lacks larderd --)"
  is "$shell: a beginning" "$("in_$shell" larderctl wa)" warm
  is "$shell: an unknown option" "$("in_$shell" larderctl warm --none)" ''
  is "$shell: a model" "$("in_$shell" larderctl show dig)" digits
  is "$shell: by another socket" \
    "$(LARDER_ADMIN_SOCKET=/none "in_$shell" larderctl --admin-socket "$LARDER_ADMIN_SOCKET" pin dig)" digits
  is "$shell: that socket, a file" "$("in_$shell" larderctl --admin-socket fi)" file.onnx
  is "$shell: a file" "$("in_$shell" larderctl import fi)" file.onnx
  is "$shell: the file of an option" "$("in_$shell" larderctl warm --manifest fi)" file.onnx
  is "$shell: a value that nobody knows" "$("in_$shell" larderctl warm --upstream fi)" ''
  is "$shell: behind an option without a value" "$("in_$shell" larderctl warm --pin dig)" digits
  is "$shell: no files where there are none" "$("in_$shell" larderctl show fi)" ''
  is "$shell: a browser" "$("in_$shell" larderctl policies fire)" firefox
  is "$shell: rights" "$("in_$shell" larderctl origins add https://a.example --rights se | head -1)" serve
done
larderd_stop
is 'larderd stops in order' $? 0
done_testing
