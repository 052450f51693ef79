#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The quota and old snapshots, as an operator sees them: larderd with max_size and keep_snapshots,
# larderctl gc, the figures of stats and /metrics, 507 for what cannot fit, limits that were lowered.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
larderd=$top_builddir/larderd
dir=$(mktemp -d) || exit 99
pid=
unset LARDER_ADMIN_SOCKET RUNTIME_DIRECTORY

stop() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid"; }
  pid=
}
trap 'stop; rm -rf "$dir"' EXIT
ctl() { "$top_builddir/larderctl" --admin-socket "$dir/s" "$@" 2>&1; }
start() {
  "$larderd" --state-dir "$dir/state" --listen 127.0.0.1:0 --admin-socket "$dir/s" "$@" \
    >>"$dir/log" 2>&1 &
  pid=$!
  tries=0
  until ctl status >/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { sed 's/^/# /' "$dir/log"; echo 'Bail out! larderd does not answer'; exit 99; }
    sleep 0.1
  done
}
models() { ctl list | sed 's/ .*//' | tr '\n' ' '; }
stat_of() { ctl stats | sed -n "s/^$1 *//p"; }
stored() { find "$dir/state/blobs" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }
# model NAME BYTES: import one file of random bytes
model() {
  head -c "$2" /dev/urandom >"$dir/file"
  ctl import --name "$1" "$dir/file"
}

start --max-size 100K --keep-snapshots 1
model a 40000 >/dev/null
sleep 1.1
model b 40000 >/dev/null
sleep 1.1
is 'both fit' "$(models)" 'a b '
model c 40000 >/dev/null
is 'the one not used for longest goes' "$(models)" 'b c '
is 'and its bytes' "$(stored)" 80000
is 'the log says so' "$(grep -c 'evicted model="a"' "$dir/log")" 1
ctl pin b >/dev/null
sleep 1.1
model d 40000 >/dev/null
is 'what is pinned stays' "$(models)" 'b d '
case $(model e 70000) in *'do not fit'*) ok 'what cannot fit is refused' 0 ;; *) ok 'what cannot fit is refused' 1 ;; esac
is 'and takes nothing with it' "$(models)" 'b d '
is 'gc has nothing to do' "$(ctl gc | head -n 1)" 'freed 0 B: 0 models, 0 old snapshots, 0 derived blobs'
case $(ctl gc --room 60K) in 'd
freed 39.1 KiB: 1 models'*) ok 'gc makes room, and says what went' 0 ;; *) ok 'gc makes room, and says what went' 1 ;; esac
is 'b is left' "$(models)" 'b '
ctl gc --room 90K >/dev/null
is 'gc for what cannot fit: exit 1' $? 1
is 'and nothing went' "$(models)" 'b '
for word in x 1X -1 '' 99999999999999999999; do
  ctl gc --room "$word" >/dev/null
  is "not a size: '$word'" $? 2
done
is 'stats have the quota' "$(stat_of quota.max_bytes)" 102400
is 'and what is used of it' "$(stat_of quota.used_bytes)" 40000
is 'and what was evicted' "$(stat_of quota.evicted_models)" 3
is 'nothing is promised' "$(stat_of quota.reserved_bytes)" 0

if command -v curl >/dev/null; then
  curl -sS --unix-socket "$dir/s" http://localhost/metrics >"$dir/metrics"
  is 'metrics have it too' "$(grep -c -e '^larder_store_max_bytes 102400$' \
    -e '^larder_store_bytes 40000$' -e '^larder_evicted_models_total 3$' "$dir/metrics")" 3
  head -c 70000 /dev/urandom >"$dir/file"
  is 'an upload that cannot fit is 507' "$(curl -sS -o "$dir/answer" -w '%{http_code}' \
    --unix-socket "$dir/s" -H 'Content-Type: application/octet-stream' --data-binary @"$dir/file" \
    http://localhost/admin/v1/blobs)" 507
  is 'with the reason' "$(grep -c 'do not fit' "$dir/answer")" 1
  is 'also when its size is not known before' "$(curl -sS -o "$dir/answer" -w '%{http_code}' \
    --unix-socket "$dir/s" -H 'Content-Type: application/octet-stream' \
    -H 'Transfer-Encoding: chunked' --data-binary @"$dir/file" http://localhost/admin/v1/blobs)" 507
  is 'nothing stays of it' "$(ls "$dir/state/tmp") $(stored) $(stat_of quota.reserved_bytes)" ' 40000 0'
  is 'room that is no number is 400' "$(curl -sS -o /dev/null -w '%{http_code}' -X POST \
    --unix-socket "$dir/s" 'http://localhost/admin/v1/gc?room=1k')" 400
else
  skip 'metrics, uploads' 'curl is not installed'
fi

# ---- an import of several files fits as a whole, or nothing goes for it
mkdir "$dir/folder"
for i in 1 2 3; do head -c 30000 /dev/urandom >"$dir/folder/$i"; done
case $(ctl import "$dir/folder") in *'do not fit'*) ok 'a folder that cannot fit is refused' 0 ;;
  *) ok 'a folder that cannot fit is refused' 1 ;; esac
is 'before any of it is sent' "$(models)$(stored)" 'b 40000'
rm "$dir/folder/3"
cp "$dir/folder/1" "$dir/folder/same"
ctl import "$dir/folder" >/dev/null
is 'what is there twice counts once' "$(models)" 'b folder '
head -c 1000 /dev/urandom >"$dir/folder/4"
rm "$dir/folder/2"
ctl pin folder >/dev/null
ctl import --name other "$dir/folder" >/dev/null
is 'what is stored already does not count' "$(models)$(stored)" 'b folder other 101000'
ctl unpin folder >/dev/null
ctl rm folder >/dev/null
ctl rm other >/dev/null

# ---- old snapshots
for i in 1 2 3 4; do
  echo $i >"$dir/v"
  ctl import --name v "$dir/v" >"$dir/out"
  eval "commit$i=\$(sed 's/.*, //' "$dir/out" | tail -n 1)"
done
ctl show "v@$commit4" >/dev/null
is 'the newest snapshot is there' $? 0
ctl show "v@$commit3" >/dev/null
is 'and one old one' $? 0
ctl show "v@$commit2" >/dev/null
is 'and no older one' $? 1

is 'show lists both, with their names' \
  "$(ctl show v | sed -n 's/^snapshot *\([0-9a-f]*\) .*Z */\1 /p' | tr '\n' ,)" "$commit4 main,$commit3 ,"
printf 'shared bytes' >"$dir/w1"
printf 'bytes of its own' >"$dir/w2"
ctl import --name w "$dir/w1" "$dir/w2" >/dev/null
ctl import --name x "$dir/w1" >/dev/null
is 'show says what is shared' "$(ctl show w | sed -n 's/^stored *//p')" \
  '28 B in all snapshots, 12 B of it shared with other models, 0 B derived'
ctl rm x >/dev/null
is 'and what is not any more' "$(ctl show w | sed -n 's/^stored *//p')" \
  '28 B in all snapshots, 0 B of it shared with other models, 0 B derived'
ctl rm w >/dev/null

# ---- limits that were lowered
stop
start --max-size 60K --keep-snapshots 0
ctl unpin b >/dev/null
model f 20000 >/dev/null
is 'b and f' "$(models)" 'b f v '
stop
start --max-size 30000 --keep-snapshots 0
tries=0
until [ "$(models)" = 'f v ' ] || [ $tries -gt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
is 'a start brings the store down to them' "$(models)" 'f v '
ctl show "v@$commit3" >/dev/null
is 'old snapshots, too' $? 1
ctl verify >/dev/null
is 'all is well' $? 0
done_testing
