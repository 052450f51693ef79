#!/bin/sh
# SPDX-License-Identifier: MIT
# The browser tests (tests/browser/run.mjs), where there is a node to run them.
set -u
if [ -z "${NODE:-}" ]; then
  echo '1..0 # SKIP browser tests: node is not installed'
  exit 0
fi
exec "$NODE" "$top_srcdir/tests/browser/run.mjs"
