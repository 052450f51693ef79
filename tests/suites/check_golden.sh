#!/bin/sh
# SPDX-License-Identifier: MIT
# Real models on stored inputs against stored outputs, where they lie beside this tree.
set -u
. "$top_srcdir/tests/suites/judge.sh"
list=$top_srcdir/tests/suites/golden.known-failures
if [ ! -d "$shared/models" ]; then
  echo '1..0 # SKIP no models in ../shared'
  exit 0
fi
judge "$list" "$top_builddir/tests/golden" models
judged "$list"
