# SPDX-License-Identifier: MIT
# Models that a peer has made and answered (tests/tfjs, tests/tflite), run by build/tests/golden. Sourced.
#
#   peer_needs NAME PACKAGE    skips all where the peer's npm package is not installed; sets dir
#   peer_makes SCRIPT WHAT     node SCRIPT puts cases into $dir; "not ok" if it fails
#   peer_answers LEAST         runs them and exits; more than LEAST must have been made. Cases whose names
#                              begin with "exact" have to be right to the bit.

count=0 bad=0

peer_needs() {
  if [ -z "${NODE:-}" ]; then
    echo "1..0 # SKIP $1 cases: node is not installed"
    exit 0
  fi
  if [ ! -d "$top_srcdir/tests/node_modules/$2" ]; then
    echo "1..0 # SKIP $1 cases: $2 is not installed (cd tests && npm ci --ignore-scripts)"
    exit 0
  fi
  dir=$(mktemp -d) || exit 99
  trap 'rm -rf "$dir"' EXIT
}

peer_makes() {
  "$NODE" "$top_srcdir/$1" "$dir" >"$dir/said" 2>&1 && return
  count=$((count + 1)) bad=1
  echo "not ok $count - $2"
  grep -v '^INFO' "$dir/said" | sed 's/^/# /' | tail -n 12
}

peer_answers() {
  "$top_builddir/tests/golden" "$dir" >"$dir/out" 2>&1
  while read -r word rest; do
    name=$(basename "${rest%%/golden/*}")
    case "$word $name $rest" in
      'pass exact'*'largest error 0') verdict=ok ;;
      'pass exact'* | 'FAIL '*) verdict='not ok' bad=1 ;;
      'pass '*) verdict=ok ;;
      *)
        echo "# $word $rest"
        continue ;;
    esac
    count=$((count + 1))
    echo "$verdict $count - $name"
    [ "$verdict" = ok ] || echo "# $rest"
  done <"$dir/out"
  echo "1..$count"
  [ $count -gt "$1" ] && exit $bad
  echo '# not all cases were made'
  exit 1
}
