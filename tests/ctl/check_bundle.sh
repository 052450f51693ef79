#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Offline bundles: a model leaves one larderd as a folder and comes to another. What is in the
# folder is compared with sha256sum's figures; every way of damaging it must be refused, whole, with
# the file named.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
dir=$(mktemp -d) || exit 99
pid1= pid2=
unset LARDER_ADMIN_SOCKET RUNTIME_DIRECTORY

stop() {
  for p in $pid1 $pid2; do kill "$p" 2>/dev/null; wait "$p"; done
  pid1= pid2=
}
trap 'stop; rm -rf "$dir"' EXIT
top=$(cd "$top_builddir" && pwd)
wait_for() {
  tries=0
  until "$top/larderctl" --admin-socket "$1" status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo 'Bail out! larderd does not answer'; exit 99; }
    sleep 0.1
  done
}
"$top/larderd" --state-dir "$dir/one" --listen 127.0.0.1:0 --admin-socket "$dir/s1" \
  >"$dir/log1" 2>&1 &
pid1=$!
# a state folder with a relative name is not read by larderctl: all bytes come through the daemon
(cd "$dir" && exec "$top/larderd" --state-dir two --listen 127.0.0.1:0 --admin-socket "$dir/s2" \
  --max-size 30M) >"$dir/log2" 2>&1 &
pid2=$!
wait_for "$dir/s1"
wait_for "$dir/s2"

# says NAME RC PART SOCKET ARG…: larderctl ARG… exits with RC and its output or message has PART
says() {
  name=$1 want=$2 part=$3 socket=$4
  shift 4
  out=$("$top/larderctl" --admin-socket "$dir/$socket" "$@" 2>&1)
  rc=$?
  case "$rc $out" in
    "$want "*"$part"*) ok "$name" 0 ;;
    *) ok "$name" 1; printf '%s\n' "exit $rc" "$out" | sed 's/^/# /' ;;
  esac
}
models() {
  "$top/larderctl" --admin-socket "$dir/$1" list | sed 's/ .*//' | tr '\n' ' '
}

m=$dir/model
mkdir -p "$m/onnx"
head -c 20000000 /dev/urandom >"$m/onnx/model.onnx"
printf '{}' >"$m/config.json"
printf '{}' >"$m/ü #?.json"
: >"$m/empty"
says 'a model' 0 'imported org/m@v1' s1 import --name org/m --revision v1 "$m"
says 'is exported' 0 'exported org/m@v1 to' s1 export org/m@v1 "$dir/b"
b=$dir/b
is 'each content is there once, under its digest' \
  "$(cd "$b/blobs/sha256" && sha256sum -- * | awk '$1 != $2' | wc -l) $(ls "$b/blobs/sha256" | wc -l)" '0 3'
list() {
  (cd "$m" && find . -type f | sed 's|^\./||' | LC_ALL=C sort | while read -r f; do
    printf '%s\0%s\0%s\n' "$f" "$(sha256sum <"$f" | cut -d' ' -f1)" "$(wc -c <"$f")"
  done)
}
commit=$(list | sha256sum | cut -c1-40)
is 'the manifest has the commit of these files' \
  "$(grep -c "\"commit\": \"$commit\"" "$b/larder-bundle.json")" 1
is 'nothing is left of its making' "$(ls "$b" | tr '\n' ' ')" 'blobs larder-bundle.json '
is 'a copy is nobody else'\''s file' "$(find "$b" "$dir/one/blobs" -type f -links +1)" ''

says 'it is imported elsewhere' 0 'imported org/m@v1: 4 files' s2 import "$b"
says 'under the same commit' 0 "$commit" s2 show org/m@v1
says 'again: nothing is sent' 0 'stored already' s2 import "$b"
says 'under another name' 0 'imported other@main' s2 import --name other --revision main "$b"
says 'exported through the daemon' 0 'exported org/m@v1' s2 export org/m@v1 "$dir/b2"
diff -r "$b" "$dir/b2" >/dev/null
ok 'it is the same bundle' $?
says 'not into a folder that has something' 1 'not empty' s2 export org/m@v1 "$dir/b2"
says 'not what is not there' 1 "'absent'" s1 export absent "$dir/b4"
[ ! -e "$dir/b4" ]
ok 'and no folder is made for it' $?
says 'a usage error' 2 'usage: larderctl export' s1 export org/m

# ---- damage
"$top/larderctl" --admin-socket "$dir/s2" rm org/m >/dev/null
"$top/larderctl" --admin-socket "$dir/s2" rm other >/dev/null
big=$(sha256sum <"$m/onnx/model.onnx" | cut -d' ' -f1)
small=$(sha256sum <"$m/config.json" | cut -d' ' -f1)
# broken NAME PART COMMAND…: a copy of the bundle, damaged by COMMAND, is refused with PART
broken() {
  name=$1 part=$2
  shift 2
  rm -rf "$dir/c"
  cp -r "$b" "$dir/c"
  (cd "$dir/c" && "$@")
  says "$name" 1 "$part" s2 import "$dir/c"
}
flip() { printf X | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
edit() { sed "$1" larder-bundle.json >m && mv m larder-bundle.json; }
broken 'a content cut short' 'onnx/model.onnx: damaged: blobs/sha256/' truncate -s 19999999 "blobs/sha256/$big"
broken 'a content that grew' 'onnx/model.onnx: damaged' truncate -s 20000001 "blobs/sha256/$big"
broken 'a flipped byte' 'onnx/model.onnx: damaged: its content' flip "blobs/sha256/$big" 12345678
broken 'a small one' 'config.json: damaged' flip "blobs/sha256/$small" 1
broken 'a content that is missing' 'onnx/model.onnx: blobs/' rm "blobs/sha256/$big"
broken 'a content that is a link' 'config.json: blobs/' ln -sf /etc/passwd "blobs/sha256/$small"
broken 'a manifest cut short' 'larder-bundle.json: line' truncate -s 300 larder-bundle.json
broken 'an empty manifest' 'larder-bundle.json: line' truncate -s 0 larder-bundle.json
broken 'another size in the manifest' 'damaged: its file list' edit 's/20000000/20000001/'
broken 'another path in the manifest' 'damaged: its file list' edit 's/config.json/conf.json/'
broken 'a file less in the manifest' 'damaged: its file list' \
  edit '/^  {$/{N;/"empty"/{N;N;N;d}}'
broken 'another format' 'not the manifest of a bundle' edit 's/larder-bundle"/else"/'
broken 'a version of later' 'a bundle of version 2' edit 's/"version": 1/"version": 2/'
broken 'a digest that is a path' 'no legal size or sha256' edit "s|$small|../../config.json|"
broken 'a negative size' 'no legal size' edit 's/20000000/-1/'
broken 'an export that was not completed' 'not completed' touch larder-bundle.part
is 'nothing of all that was named' "$(models s2)" ''
is 'nor sent' "$(find "$dir/two/blobs" -type f | wc -l)" 0

# ---- what does not fit
head -c 40000000 /dev/zero >"$m/onnx/model.onnx"
"$top/larderctl" --admin-socket "$dir/s1" import --name big "$m" >/dev/null
"$top/larderctl" --admin-socket "$dir/s1" export big "$dir/b5" >/dev/null
"$top/larderctl" --admin-socket "$dir/s2" import "$b" >/dev/null
says 'a bundle beyond the quota' 1 'do not fit' s2 import "$dir/b5"
is 'takes nothing with it' "$(models s2)" 'org/m@v1 '

# ---- a file in tmp/ of the state folder is taken over: what import does where it can reflink
if command -v curl >/dev/null; then
  take() {
    curl -sS -o "$dir/answer" -w '%{http_code}' -X PUT --unix-socket "$dir/s2" \
      "http://localhost/admin/v1/blobs/$1"
  }
  printf 'taken over' >"$dir/two/tmp/file"
  taken=$(sha256sum <"$dir/two/tmp/file" | cut -d' ' -f1)
  cp "$dir/two/tmp/file" "$dir/two/tmp/$small"
  mv "$dir/two/tmp/file" "$dir/two/tmp/$taken"
  is 'a file in tmp/ becomes a blob' "$(take "$taken")" 201
  is 'with its bytes' "$(cat "$dir/two/blobs/"*"/$taken")" 'taken over'
  is 'not one with other bytes than its name says' "$(take "$small")" 422
  is 'which does not stay' "$(ls "$dir/two/tmp")" ''
  is 'not one that is not there' "$(take "$taken")" 404
  is 'not another path' "$(take ..%2findex.sqlite)" 400
else
  skip 'a file in tmp/ is taken over' 'curl is not installed'
fi

# ---- an export that is killed is no bundle, and no model
"$top/larderctl" --admin-socket "$dir/s1" export big "$dir/k" >/dev/null 2>&1 &
exporter=$!
tries=0
until [ -e "$dir/k/larder-bundle.part" ] || [ $tries -gt 1000 ]; do tries=$((tries + 1)); done
kill -9 $exporter 2>/dev/null
wait $exporter 2>/dev/null
if [ -e "$dir/k/larder-bundle.part" ]; then
  says 'a killed export is refused' 1 'not completed' s2 import "$dir/k"
else
  skip 'a killed export is refused' 'it was too fast'
fi
done_testing
