#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/onnx/cases.def names every backend case that is run, and each row of runtime/ops.def is
# hit by one of them or by a test of ours (an op_case line whose opset is in the row's range, or
# the operator's name in a test that builds its own model).
#
#   UPDATE=yes make check TESTS=tests/conventions/check_cases.sh    writes cases.def anew
set -u
. "$top_srcdir/tests/conventions/tap.sh"
shared=${LARDER_SHARED:-$top_srcdir/../shared}
list=$top_srcdir/tests/onnx/cases.def
folders='light node simple pytorch-converted pytorch-operator'
own='Scan-8' # rows whose test builds its model without an op_case line (check_ops_control.c)

if [ -d "$shared/onnx-backend" ] && [ -x "$top_builddir/tests/onnx-suite" ]; then
  tmp=$(mktemp) || exit 99
  trap 'rm -f "$tmp"' EXIT
  for folder in $folders; do
    [ ! -d "$shared/onnx-backend/$folder" ] ||
      "$top_builddir/tests/onnx-suite" --ops "$shared/onnx-backend/$folder"
  done >"$tmp"
  if [ "${UPDATE:-no}" = yes ]; then
    sed '/^CASE(/,$d' "$list" >"$tmp.head" && cat "$tmp.head" "$tmp" >"$list"
    rm -f "$tmp.head"
  fi
  is 'the list is what lies beside this tree' "$(grep '^CASE(' "$list" | cksum)" "$(cksum <"$tmp")"
else
  skip 'the list is what lies beside this tree' 'no onnx-backend in ../shared'
fi

none 'every row of ops.def is hit by a case or a test' "$(
  awk -v own="$own" '
    BEGIN { n = split(own, ops, " "); for (i = 1; i <= n; i++) hit[ops[i]] = 1 }
    FILENAME ~ /cases.def$/ && /^CASE\(/ {
      split($0, part, "\"")
      n = split(part[2], ops, ",")
      for (i = 1; i <= n; i++) hit[ops[i]] = 1
      next
    }
    FILENAME ~ /\.c$/ {
      line = $0
      while (match(line, /\{"(ml:|ms:)?[A-Za-z0-9]+", [0-9]+/)) {
        split(substr(line, RSTART + 1, RLENGTH - 1), part, /"|, /)
        name = part[2]
        sub(/^ml:/, "ai.onnx.ml:", name)
        sub(/^ms:/, "com.microsoft:", name)
        hit[name "-" part[4]] = 1
        line = substr(line, RSTART + RLENGTH)
      }
      line = $0
      while (match(line, /"[A-Z][A-Za-z0-9]+"/)) {
        named[substr(line, RSTART + 1, RLENGTH - 2)] = 1
        line = substr(line, RSTART + RLENGTH)
      }
      next
    }
    FILENAME ~ /ops.def$/ && /^OP\(/ {
      gsub(/[(),]/, " ")
      if ($3 == "LARDER") next
      rows++
      op[rows] = $2; domain[rows] = $3; since[rows] = $4; last[rows] = $5 == "LATEST" ? 1000 : $5
      count[$3 " " $2]++
    }
    END {
      prefix["ONNX"] = ""
      prefix["ML"] = "ai.onnx.ml:"
      prefix["MS"] = "com.microsoft:"
      prefix["TRAINING"] = "ai.onnx.preview.training:"
      prefix["PREVIEW"] = "ai.onnx.preview:"
      for (i = 1; i <= rows; i++) {
        seen = count[domain[i] " " op[i]] == 1 && op[i] in named
        for (v = since[i]; v <= last[i] && v <= 40 && !seen; v++)
          seen = (prefix[domain[i]] op[i] "-" v) in hit
        if (!seen) print op[i] " (" domain[i] ", since " since[i] ")"
      }
    }' "$list" "$top_srcdir"/tests/runtime/check_*.c "$top_srcdir/runtime/ops.def"
)"

is 'README says how many operators there are' \
  "$(sed -n 's/^\([0-9]*\) operators of ONNX run.*/\1/p' "$top_srcdir/README.md")" \
  "$(sed -n 's/^OP( *\([A-Za-z0-9]*\), *\([A-Z]*\),.*/\2 \1/p' "$top_srcdir/runtime/ops.def" |
    grep -v '^LARDER' | sort -u | wc -l)"
done_testing
