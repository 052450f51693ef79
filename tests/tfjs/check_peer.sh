#!/bin/sh
# SPDX-License-Identifier: MIT
# Small TensorFlow.js models, made here and run by the real TensorFlow.js, then by build/tests/golden.
set -u
if [ -z "${NODE:-}" ]; then
  echo '1..0 # SKIP TensorFlow.js cases: node is not installed'
  exit 0
fi
if [ ! -d "$top_srcdir/tests/node_modules/@tensorflow/tfjs" ]; then
  echo '1..0 # SKIP TensorFlow.js cases: @tensorflow/tfjs is not installed (cd tests && npm ci --ignore-scripts)'
  exit 0
fi
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
count=0 bad=0
for kind in graphs layers; do
  if "$NODE" "$top_srcdir/tests/tfjs/$kind.cjs" "$dir" >"$dir/said" 2>&1; then
    continue
  fi
  count=$((count + 1)) bad=1
  echo "not ok $count - TensorFlow.js makes the $kind"
  sed 's/^/# /' "$dir/said" | tail -n 12
done
"$top_builddir/tests/golden" "$dir" >"$dir/out" 2>&1
while read -r word rest; do
  case $word in
    pass) count=$((count + 1)); echo "ok $count - $(basename "${rest%%/golden/*}")" ;;
    FAIL) count=$((count + 1)) bad=1; echo "not ok $count - $(basename "${rest%%/golden/*}")"; echo "# $rest" ;;
    *) echo "# $word $rest" ;;
  esac
done <"$dir/out"
echo "1..$count"
[ $count -gt 50 ] && exit $bad
echo '# not all cases were made'
exit 1
