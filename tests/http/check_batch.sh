#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Requests that come within batch_window are run in one batch, and each gets the answer that it gets
# alone; bulk ones come after the others; a model's way into memory can be watched. The work is the
# sample model.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
. "$top_srcdir/tests/conventions/larderd.sh"
dir=$larderd_dir
command -v curl >/dev/null || skip_all 'curl is missing'

# begin ARG…: a daemon with these; $url
begin() {
  larderd_start --config /dev/null --sample=yes --threads 1 "$@" || {
    echo 'Bail out! larderd does not start'
    exit 99
  }
  url=http://$larderd_addr
}
metric() { curl -s "$url/metrics" | sed -n "s/^larder_$1 //p"; }
# infer NAME FILE ARG…
infer() {
  name=$1 file=$2
  shift 2
  curl -s -m 60 -o "$dir/$name.out" -w '%{http_code}' "$@" -H 'Content-Type: application/octet-stream' \
    -H 'Inference-Header-Content-Length: 0' --data-binary @"$file" "$url/v2/models/digits/infer" \
    >"$dir/$name.status"
}
# together N PREFIX: N different pictures at once, by one curl
together() {
  i=1
  set -- "$1" "$2" -s -m 60 -Z --parallel-immediate --parallel-max 64
  while [ $i -le "$1" ]; do
    [ $i -eq 1 ] || set -- "$@" --next -s
    set -- "$@" -o "$dir/$2$i.out" -H 'Content-Type: application/octet-stream' \
      -H 'Inference-Header-Content-Length: 0' --data-binary @"$dir/in$i" "$url/v2/models/digits/infer"
    i=$((i + 1))
  done
  shift 2
  curl "$@" 2>/dev/null # a meter
}
i=1
while [ $i -le 12 ]; do # float32 [1,1,28,28] of this and that
  head -c $((i * 40)) /dev/zero >"$dir/in$i"
  while [ "$(wc -c <"$dir/in$i")" -lt 3136 ]; do printf '\000\000\200\077\000\000\000\000' >>"$dir/in$i"; done
  head -c 3136 "$dir/in$i" >"$dir/cut" && mv "$dir/cut" "$dir/in$i"
  i=$((i + 1))
done

# ---- without a window: the answers that are right
begin
i=1
while [ $i -le 12 ]; do infer "alone$i" "$dir/in$i"; i=$((i + 1)); done
is 'alone: each is answered' "$(cat "$dir"/alone*.status | sed 's/200//g')" ''
is 'they differ' "$(for f in "$dir"/alone?.out; do cksum <"$f"; done | sort -u | wc -l)" 9
# quick ones share turns, and are run one after the other: whoever is wrong leaves the others alone
for round in 1 2 3 4 5 6; do
  [ $round -lt 6 ] || { mv "$dir/in5" "$dir/kept" && head -c 100 "$dir/in1" >"$dir/in5"; }
  together 12 apart
  wrong=
  for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    cmp -s "$dir/apart$i.out" "$dir/alone$i.out" || wrong="$wrong $i"
  done
  is "at once, round $round: each gets the answer that it gets alone" "$wrong" "$([ $round -lt 6 ] || echo ' 5')"
done
is 'the wrong one is told so' "$(grep -c error "$dir/apart5.out")" 1
mv "$dir/kept" "$dir/in5"
is 'without batch_window there are no batches' "$(metric batches_total)" 0
larderd_stop

# ---- with one
begin --batch-window 16 --batch-max 6
infer first "$dir/in1" # so that the model is known
for round in 1 2 3 4 5 6; do
  together 12 "r$round-"
done
ok "batches were run ($(metric batches_total))" "$([ "$(metric batches_total)" -ge 1 ] && echo 0 || echo 1)"
ok "of several each ($(metric batched_inferences_total))" \
  "$([ "$(metric batched_inferences_total)" -ge $((2 * $(metric batches_total))) ] && echo 0 || echo 1)"
stats=$(curl -s "$url/v2/models/digits/stats")
is 'every inference is counted' \
  "$(echo "$stats" | sed 's/.*"inference_count":\([0-9]*\).*"success":{"count":\([0-9]*\).*/\1 \2/')" '73 73'
is 'no batch is larger than batch_max' \
  "$(echo "$stats" | grep -o '"batch_size":[0-9]*' | sed 's/.*://' | awk '$1 > 6' | wc -l)" 0
# the floats are the last 40 bytes of an answer: 10 float32, each near the one that came alone
off=0
for round in 1 2 3 4 5 6; do
  i=1
  while [ $i -le 12 ]; do
    for which in alone "r$round-"; do
      tail -c 40 "$dir/$which$i.out" | od -An -v -t f4 | tr -s ' \n' '\n\n' | sed '/^$/d' >"$dir/$which.floats"
    done
    paste "$dir/alone.floats" "$dir/r$round-.floats" | awk '
      { d = $1 - $2; if (d < 0) d = -d; if (!(d <= 1e-5)) bad = 1; n++ }
      END { exit bad || n != 10 }' || off=$((off + 1))
    i=$((i + 1))
  done
done
is 'each got its own answer' "$off" 0
# one that is wrong does not hurt the others
head -c 100 "$dir/in1" >"$dir/wrong"
mv "$dir/in2" "$dir/kept" && cp "$dir/wrong" "$dir/in2"
together 6 mixed
mv "$dir/kept" "$dir/in2"
is 'a wrong one is told so' "$(grep -c error "$dir/mixed2.out")" 1
for i in 1 3 4 5 6; do
  is "its neighbour $i gets its answer" "$(head -c 60 "$dir/mixed$i.out")" "$(head -c 60 "$dir/alone$i.out")"
done
larderd_stop

# ---- models that are not listed
begin --batch-window 16 --batch-models other
infer first "$dir/in1"
together 12 listed
is 'batch_models: others are not run in batches' "$(metric batches_total)" 0
larderd_stop
begin --batch-window 16 --batch-models digits
infer first "$dir/in1"
together 12 listed
together 12 listed
together 12 listed
ok 'batch_models: those are' "$([ "$(metric batches_total)" -ge 1 ] && echo 0 || echo 1)"
larderd_stop

# ---- bulk
begin
head -c $((4000 * 784 * 4)) /dev/zero >"$dir/large"
infer warm "$dir/large"
jobs=
for i in 1 2 3 4 5 6; do
  infer "bulk$i" "$dir/large" -H 'X-Larder-Priority: bulk' &
  jobs="$jobs $!"
done
tries=0
until [ "$(metric inferences_waiting)" -ge 4 ] || [ $tries -ge 200 ]; do tries=$((tries + 1)); done
infer quick "$dir/in1"
is 'an interactive one is answered' "$(cat "$dir/quick.status")" 200
ok "while bulk ones wait ($(metric inferences_waiting))" \
  "$([ "$(metric inferences_waiting)" -ge 3 ] && echo 0 || echo 1)"
for job in $jobs; do wait "$job"; done
is 'and those are answered, too' "$(cat "$dir"/bulk?.status | sed 's/200//g')" ''
larderd_stop

# ---- a model on its way into memory
begin
curl -s -N -m 20 -D "$dir/head" -o "$dir/events" -H 'Accept: text/event-stream' "$url/v2/models/digits/ready"
ok 'events' "$(grep -qi '^content-type: text/event-stream' "$dir/head"; echo $?)"
size=$(cat "$top_srcdir"/www/sample/model.onnx "$top_srcdir"/www/sample/weights-?.bin | wc -c)
is 'the last one says that it is there' "$(grep '^data' "$dir/events" | tail -n 1)" \
  "data: {\"name\":\"digits\",\"ready\":true,\"state\":\"READY\",\"bytes_done\":$size,\"bytes_total\":$size}"
is 'none but the last does' "$(grep -c '"ready":true' "$dir/events")" 1
larderd_stop
done_testing
