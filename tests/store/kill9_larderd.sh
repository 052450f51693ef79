#!/bin/sh
# SPDX-License-Identifier: MIT
# The same as tests/store/kill9, from outside: larderd is killed at random instants while larderctl
# imports into it. KILL9_ROUNDS=200 is the long run; KILL9_SEED repeats one.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
command -v curl >/dev/null || skip_all 'curl is not installed'

ctl=$top_builddir/larderctl
rounds=${KILL9_ROUNDS:-10}
seed=${KILL9_SEED:-$$}
in=$larderd_dir/in acks=$larderd_dir/acks
mkdir "$in"
: >"$acks"
echo "# KILL9_SEED=$seed KILL9_ROUNDS=$rounds"

# dice LIMIT: sets `roll` to 0 … LIMIT-1
dice() {
  seed=$(((seed * 1103515245 + 12345) % 2147483648))
  roll=$((seed / 65536 % $1))
}

# folder N: the files of import N, known by their number
folder() {
  mkdir -p "$in/$1/sub"
  echo "$1" >"$in/$1/number.txt"
  seq $(($1 * 7)) $(($1 * 7 + 9000)) >"$in/$1/sub/weights.bin"
  seq $(($1 % 3)) 500 >"$in/$1/shared.bin"
}

# import_from N: one import after another until the daemon is gone; a line for each acknowledged
import_from() {
  n=$1
  while :; do
    echo "$n" >"$larderd_dir/begun"
    folder "$n"
    "$ctl" --json import --name "org/m$((n % 3))" "$in/$n" >"$larderd_dir/said" 2>/dev/null || return
    commit=$(sed -n 's/.*"commit": *"\([0-9a-f]\{40\}\)".*/\1/p' "$larderd_dir/said")
    echo "$n $commit" >>"$acks"
    n=$((n + 1))
  done
}

# same MODEL REVISION N: are the files there those of import N?
same() {
  for path in number.txt sub/weights.bin shared.bin; do
    curl -fsS "http://$larderd_addr/$1/resolve/$2/$path" 2>/dev/null | cmp -s - "$in/$3/$path" ||
      return 1
  done
}

lost= half= litter= unsound= started=
round=1
while [ "$round" -le "$rounds" ]; do
  larderd_start --offline --keep-snapshots 1000000 || started="$started $round"
  import_from $(($(cat "$larderd_dir/begun" 2>/dev/null || echo 0) + 1)) &
  importer=$!
  dice 700
  sleep "$(printf '0.%03d' $((roll + 20)))"
  kill -9 "$larderd_pid"
  wait "$larderd_pid" 2>/dev/null
  wait $importer
  larderd_start --offline --keep-snapshots 1000000 || started="$started $round"
  [ -z "$(ls "$larderd_dir/state/tmp")" ] || litter="$litter $round"
  # the latest each time, all of them after the last kill
  tail -n "$([ "$round" -lt "$rounds" ] && echo 6 || echo +1)" "$acks" >"$larderd_dir/look"
  while read -r n commit; do
    same "org/m$((n % 3))" "$commit" "$n" || lost="$lost $n"
  done <"$larderd_dir/look"
  for model in org/m0 org/m1 org/m2; do
    n=$(curl -fsS "http://$larderd_addr/$model/resolve/main/number.txt" 2>/dev/null) || continue
    last=$(awk -v m="${model#org/m}" '$1 % 3 == m { n = $1 } END { print n + 0 }' "$acks")
    same "$model" main "$n" && [ "$n" -ge "$last" ] || half="$half $model@$n"
  done
  "$ctl" verify >/dev/null 2>&1 || unsound="$unsound $round"
  kill -9 "$larderd_pid"
  wait "$larderd_pid" 2>/dev/null
  round=$((round + 1))
done
echo "# $(wc -l <"$acks") imports acknowledged, $(cat "$larderd_dir/begun") begun, in $((2 * rounds)) kills"
none 'the daemon starts after every kill' "$started"
none 'acknowledged imports are there, byte for byte' "$lost"
none 'main means a whole import, never an older one' "$half"
none 'tmp is empty after a start' "$litter"
none 'verify finds nothing' "$unsound"
[ -s "$acks" ]
ok 'something was acknowledged' $?
done_testing
