#!/bin/sh
# SPDX-License-Identifier: MIT
#
# larderctl against a larderd of its own, as a person would use the two. Digests are compared with
# sha256sum's, answers of the sample model with those that its training script got from numpy.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
larderd=$top_builddir/larderd
ctl=$top_builddir/larderctl
dir=$(mktemp -d) || exit 99
pid=
unset LARDER_ADMIN_SOCKET RUNTIME_DIRECTORY

stop() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid"; }
  pid=
}
trap 'stop; rm -rf "$dir"' EXIT
start() {
  "$larderd" --state-dir "$dir/state" --listen 127.0.0.1:0 --admin-socket "$dir/s" \
    >>"$dir/log" 2>&1 &
  pid=$!
  tries=0
  until run status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { sed 's/^/# /' "$dir/log"; echo 'Bail out! larderd does not answer'; exit 99; }
    sleep 0.1
  done
}
# run ARG…: larderctl; its output is in $out, its messages in $err, its exit status in $rc
run() {
  out=$("$ctl" --admin-socket "$dir/s" "$@" 2>"$dir/err")
  rc=$?
  err=$(cat "$dir/err")
  printf '%s' "$out"
  return $rc
}
# says NAME RC PART ARG…: larderctl ARG… exits with RC and its output or message has PART
says() {
  name=$1 want=$2 part=$3
  shift 3
  run "$@" >/dev/null
  case "$rc $out $err" in
    "$want "*"$part"*) ok "$name" 0 ;;
    *) ok "$name" 1; printf '%s\n' "exit $rc" "$out" "$err" | sed 's/^/# /' ;;
  esac
}

# ---- without a daemon
says 'no daemon: exit 1, and where it was looked for' 1 "$dir/s" status
says 'an unknown command is a usage error' 2 'unknown command' frobnicate
says 'a missing argument is a usage error' 2 'usage: larderctl show' show
says 'two arguments where one is meant' 2 'usage: larderctl rm' rm a b
says 'an unknown option is a usage error' 2 'unknown option --frob' load --frob x
says 'warm needs a daemon too' 1 "$dir/s" warm org/model
says 'help of a command' 0 'usage: larderctl infer MODEL' infer --help
is 'no command: exit 2' "$("$ctl" >/dev/null 2>&1; echo $?)" 2
is 'help: exit 0' "$("$ctl" --help >/dev/null 2>&1; echo $?)" 0
is 'LARDER_ADMIN_SOCKET is used' \
  "$(LARDER_ADMIN_SOCKET=/nowhere/a "$ctl" status 2>&1 | grep -c /nowhere/a:)" 1
is 'RUNTIME_DIRECTORY is used, its first' \
  "$(RUNTIME_DIRECTORY=/nowhere/r:/x "$ctl" status 2>&1 | grep -c /nowhere/r/admin.sock:)" 1

# ---- import
start
m=$dir/my-model
mkdir -p "$m/onnx/deep er" "$m/.git"
printf 'weights' >"$m/onnx/deep er/w 100%.bin"
printf '{}' >"$m/config.json"
printf 'weights' >"$m/日本語 ü ?#&=+\".txt"
: >"$m/empty"
head -c 3000000 /dev/urandom >"$m/large.bin"
echo secret >"$m/.git/config"
echo '*.bin filter=lfs' >"$m/.gitattributes"
printf dots >"$m/..."
ln -s config.json "$m/link.json"
says 'a folder' 0 'imported my-model@main: 8 files' import "$m"
case $err in *'left out 1 folders of tools'*) ok '.git is left out, and said so' 0 ;;
  *) ok '.git is left out, and said so' 1 ;; esac
(cd "$m" && find -L . -name .git -prune -o -type f -print0 | xargs -0 sha256sum) |
  sed 's/^\\//; s|  \./| |; s/\\\\/\\/g' | sort >"$dir/want"
run show my-model | sed -n 's/^\([0-9a-f]\{64\}\) *[0-9]*  \(.*\)$/\1 \2/p' | sort >"$dir/got"
is 'every file with its digest' "$(cat "$dir/got")" "$(cat "$dir/want")"
commit=$(run show my-model | sed -n 's/^commit *//p')
says 'the same again' 0 imported import "$m"
is 'is the same snapshot' "$(run show my-model | sed -n 's/^commit *//p')" "$commit"
says 'a name and a revision' 0 'imported org/other@v1: 8 files' \
  import --name org/other --revision=v1 "$m"
says 'are listed' 0 'org/other@v1' list
says 'are shown' 0 "$commit" show org/other@v1
says 'not under another revision' 1 main show org/other
says 'a model without a file that runs says so' 0 'runs      no: ' show org/other@v1
says 'files' 0 'imported config@main: 2 files' import "$m/config.json" "$m/large.bin"
says 'two files of one name' 1 'config.json' import "$m/config.json" "$m/link.json" "$m/config.json"
says 'a folder and a file' 2 'one DIR, or FILEs' import "$m" "$m/empty"
says 'nothing' 2 'no DIR or FILE' import
says 'what is not there' 1 "$dir/absent" import "$dir/absent"
for name in ../x a/b/c a//b . '' 'a\b' /a; do
  says "not a name: $name" 1 'not a legal model name' import --name "$name" "$m"
done
says 'a name that could not be told from a revision' 1 '@' import --name x@y "$m"
mkdir "$dir/out" "$dir/void"
ln -s ../my-model/config.json "$dir/out/escape.json"
says 'a link that leads out of the folder' 1 'escape.json: the link leads out' import "$dir/out"
says 'leaves no model behind' 1 "'out'" show out
says 'an empty folder' 1 'no files' import "$dir/void"
mkfifo "$dir/void/pipe"
says 'a folder with a fifo in it' 1 'no files' import "$dir/void"

# ---- an import that is killed
mkdir "$dir/big"
head -c 200000000 /dev/zero >"$dir/big/zeros"
"$ctl" --admin-socket "$dir/s" import "$dir/big" >/dev/null 2>&1 &
importer=$!
sleep 0.1
kill -9 $importer 2>/dev/null
wait $importer 2>/dev/null
says 'a killed import is not there' 1 "'big'" show big
tries=0
while [ -n "$(ls "$dir/state/tmp")" ] && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
is 'and leaves nothing behind' "$(ls "$dir/state/tmp")" ''
rm -rf "$dir/big"

# ---- pins, removal, verify
says 'pin' 0 'pinned my-model' pin my-model
says 'is listed' 0 '  pinned' list
says 'unpin' 0 unpinned unpin my-model
is 'is not listed any more' "$(run list | grep -c pinned)" 0
says 'pin what is not there' 1 nothing pin nothing
says 'rm of a revision that is not there' 1 v9 rm org/other@v9
says 'rm' 0 removed rm org/other@v1
says 'rm again' 1 org/other rm org/other@v1
says 'verify' 0 ' 0 damaged, 0 missing' verify
blob=$(sed -n 's/ large.bin$//p' "$dir/want")
file=$(find "$dir/state/blobs" -name "$blob")
chmod u+w "$file" 2>/dev/null
printf '0123456789abcdef' | dd of="$file" bs=1 seek=1000000 conv=notrunc 2>/dev/null
says 'verify of a damaged store' 1 "$blob" verify
says 'import heals it' 0 imported import "$m"
says 'verify is content' 0 ' 0 damaged, 0 missing' verify

# ---- running models
says 'import the sample' 0 'imported digits@main' \
  import --name digits "$top_srcdir/www/sample/model.onnx" "$top_srcdir/www/sample/weights-1.bin" \
  "$top_srcdir/www/sample/weights-2.bin"
says 'load' 0 'loaded digits: model.onnx' load digits
says 'stats show it' 0 'loaded digits model.onnx' stats
says 'unload' 0 'unloaded digits' unload digits
is 'stats do not show it' "$(run stats | grep -c '^loaded')" 0
says 'load what cannot run' 1 'no .onnx file' load my-model
says 'load a file that is not one' 1 'not an .onnx file' load my-model --file large.bin
{
  printf "\\223NUMPY\\001\\000\\166\\000{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }"
  printf '%50s\n' ''
  head -c 3136 /dev/zero
} >"$dir/blank.npy"
says 'infer' 0 'probabilities FP32 [1,10]:' infer digits --input "image=$dir/blank.npy"
says 'infer into files' 0 "$dir/answers/probabilities.npy" \
  infer digits --input="image=$dir/blank.npy" --output "$dir/answers"
is 'of the right size' "$(wc -c <"$dir/answers/probabilities.npy")" 168
says 'infer: unknown input' 1 'no input "picture"; the model has "image"' \
  infer digits --input "picture=$dir/blank.npy"
says 'infer: missing input' 1 'input "image" (FP32 [?,1,28,28]) is missing' infer digits
says 'infer: not a .npy' 1 'not a .npy file' infer digits --input "image=$m/large.bin"
says 'infer: unknown model' 1 nothing infer nothing --input "image=$dir/blank.npy"
says 'infer: no such file' 1 'absent.npy' infer digits --input "image=$dir/absent.npy"
says 'infer: not NAME=FILE' 2 'NAME=FILE.npy' infer digits --input blank.npy
if [ -n "${NODE:-}" ] && command -v "$NODE" >/dev/null; then
  "$NODE" "$top_srcdir/tests/ctl/digits.mjs" "$top_srcdir/www/sample/reference.json" "$dir" \
    "$ctl" --admin-socket "$dir/s" >"$dir/digits" 2>&1
  ok "the sample model answers as numpy does: $(tail -n 1 "$dir/digits")" $?
  bad=
  for command in list 'show my-model' stats status origins verify 'load digits' 'unload digits' \
    "infer digits --input image=$dir/blank.npy" "import $m" 'pin my-model' 'rm config'; do
    # shellcheck disable=SC2086
    run --json $command 2>/dev/null |
      "$NODE" -e 'JSON.parse(require("fs").readFileSync(0, "utf8"))' 2>/dev/null ||
      bad="$bad$command
"
  done
  none '--json prints JSON and nothing else' "$bad"
else
  skip 'the sample model answers as numpy does' 'node is not installed'
fi

# ---- origins
says 'allow an origin' 0 'https://example.com' origins add https://example.com
says 'what is no origin' 1 'origin' origins add example.com/x
stop
start
says 'is kept over a restart' 0 'https://example.com' origins
run origins add https://example.com:8443 >/dev/null
is 'a policy for chromium' "$(run policies chromium | tr -d ' \n')" \
  '{"LoopbackNetworkAllowedForUrls":["https://example.com","https://example.com:8443"],"LocalNetworkAccessAllowedForUrls":["https://example.com","https://example.com:8443"]}'
is 'a policy for firefox' "$(run policies firefox | tr -d ' \n')" \
  '{"policies":{"LocalNetworkAccess":{"SkipDomains":["example.com"]}}}'
says 'no policy for lynx' 2 'unknown browser lynx' policies lynx
run origins rm https://example.com:8443 >/dev/null
says 'disallow it' 0 '' origins rm https://example.com
is 'is gone' "$(run origins | grep -c example.com)" 0
says 'disallow it again' 1 'example.com' origins rm https://example.com
says 'models are kept over a restart' 0 my-model list

# ---- a file cut short under a model that is loaded: the run fails, the daemon goes on
says 'a model that is whole' 0 'probabilities' infer digits --input "image=$dir/blank.npy"
blob=$(sha256sum <"$top_srcdir/www/sample/weights-1.bin" | cut -d' ' -f1)
file=$(find "$dir/state/blobs" -name "$blob")
chmod u+w "$file" 2>/dev/null
: >"$file"
says 'its run fails' 1 'input/output error' infer digits --input "image=$dir/blank.npy"
says 'and fails again' 1 'input/output error' infer digits --input "image=$dir/blank.npy"
says 'larderd goes on' 0 '' status
done_testing
