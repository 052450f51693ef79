#!/bin/sh
# SPDX-License-Identifier: MIT
# The ONNX project's backend cases, where they lie beside this tree.
set -u
. "$top_srcdir/tests/suites/judge.sh"
list=$top_srcdir/tests/suites/onnx.known-failures
if [ ! -d "$shared/onnx-backend" ]; then
  echo '1..0 # SKIP no onnx-backend in ../shared'
  exit 0
fi
judge "$list" "$top_builddir/tests/onnx-suite" \
  onnx-backend/light onnx-backend/node onnx-backend/simple \
  onnx-backend/pytorch-converted onnx-backend/pytorch-operator
judged "$list"
