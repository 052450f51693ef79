#!/bin/sh
# SPDX-License-Identifier: MIT
# Small TensorFlow Lite models, made here and run by the real TensorFlow Lite, then by build/tests/golden; those whose
# names begin with "exact" to the bit.
set -u
if [ -z "${NODE:-}" ]; then
  echo '1..0 # SKIP TensorFlow Lite cases: node is not installed'
  exit 0
fi
if [ ! -d "$top_srcdir/tests/node_modules/@tensorflow/tfjs-tflite" ]; then
  echo '1..0 # SKIP TensorFlow Lite cases: @tensorflow/tfjs-tflite is not installed (cd tests && npm ci --ignore-scripts)'
  exit 0
fi
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
count=0 bad=0
if ! "$NODE" "$top_srcdir/tests/tflite/cases.cjs" "$dir" >"$dir/said" 2>&1; then
  count=1 bad=1
  echo 'not ok 1 - TensorFlow Lite runs the cases'
  grep -v '^INFO' "$dir/said" | sed 's/^/# /' | tail -n 12
fi
"$top_builddir/tests/golden" "$dir" >"$dir/out" 2>&1
while read -r word rest; do
  name=$(basename "${rest%%/golden/*}")
  case "$word $name $rest" in
    'pass exact'*'largest error 0' | 'pass '[!e]*) count=$((count + 1)); echo "ok $count - $name" ;;
    'pass '* | 'FAIL '*) count=$((count + 1)) bad=1; echo "not ok $count - $name"; echo "# $rest" ;;
    *) echo "# $word $rest" ;;
  esac
done <"$dir/out"
echo "1..$count"
[ $count -gt 150 ] && exit $bad
echo '# not all cases were made'
exit 1
