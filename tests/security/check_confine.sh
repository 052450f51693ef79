#!/bin/sh
# SPDX-License-Identifier: MIT
# A larderd that runs can do what it needs and nothing else: each thing is tried for good, in a
# child that is confined as the daemon is (larderd --check-confinement).
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"

# probe NAME OPTION…: a case for every line
probe() {
  name=$1
  shift
  "$top_builddir/larderd" --state-dir "$larderd_dir/probe" "$@" --check-confinement \
    >"$larderd_dir/said" 2>"$larderd_dir/complained"
  status=$?
  while IFS= read -r line; do
    case $line in
      'ok '*) ok "$name, ${line#ok }" 0 ;;
      'WRONG '*) ok "$name, ${line#WRONG }" 1 ;;
      built=no*) skip "$name" 'not confined in this build' ;;
      built=*) layers=$line ;;
    esac
  done <"$larderd_dir/said"
  is "$name: exit status" $status 0
  none "$name: nothing to complain about" "$(cat "$larderd_dir/complained")"
}

# tried NAME: the case ran and came out right
tried() {
  grep -qxF "ok $1" "$larderd_dir/said"
}

layers=
probe online
case $layers in
  *seccomp=yes*)
    tried 'run a program: refused' && tried 'be traced: refused' && tried 'connect: works'
    ok 'with seccomp the calls were tried' $?
    ;;
  *) skip 'with seccomp the calls were tried' "no seccomp: $layers" ;;
esac
case $layers in
  '' | *landlock=0*) skip 'with Landlock the files were tried' "no Landlock: $layers" ;;
  *)
    tried 'create a file in /tmp: refused' && tried 'write to /etc/passwd: refused'
    ok 'with Landlock the files were tried' $?
    ;;
esac
probe offline --offline
case $layers in
  *seccomp=yes*)
    tried 'offline: open a TCP socket: refused' &&
      tried 'offline: connect a socket from before: refused'
    ok 'offline, connections were tried' $?
    ;;
  *) skip 'offline, connections were tried' "no seccomp: $layers" ;;
esac

# The daemon itself: the kernel's own word for it, and work that still gets done.
confined() {
  sed -n "s/^$1:[[:space:]]*//p" "/proc/$larderd_pid/status"
}
larderd_start --sample
ok 'a confined larderd starts' $?
case $layers in
  *seccomp=yes*)
    is 'the kernel says NoNewPrivs' "$(confined NoNewPrivs)" 1
    is 'the kernel says Seccomp filter' "$(confined Seccomp)" 2
    none 'every thread has the filter' "$(
      for status in /proc/"$larderd_pid"/task/*/status; do
        grep -qx 'Seccomp:[[:space:]]*2' "$status" || echo "$status"
      done
    )"
    ;;
esac
curl -fsS -o /dev/null -H 'Content-Type: application/json' \
  --data-binary "@$top_srcdir/www/sample/digit.json" "http://$larderd_addr/v2/models/digits/infer"
ok 'it runs a model' $?
"$top_builddir/larderctl" import --name a/b "$top_srcdir/www/sample" >/dev/null
ok 'it stores a model' $?
"$top_builddir/larderctl" verify >/dev/null
ok 'it checks the store' $?
larderd_stop
is 'it stops in order' $? 0
[ ! -e "$LARDER_ADMIN_SOCKET" ]
ok 'it takes its socket away' $?

larderd_start --sample --confine=no
ok 'confine = no is obeyed' $?
is 'and then there is no filter' "$(confined Seccomp)" 0
larderd_stop
is 'that one stops in order as well' $? 0
done_testing
