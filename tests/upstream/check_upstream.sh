#!/bin/sh
# SPDX-License-Identifier: MIT
# larderd in front of a hub that is mistreated (tests/upstream/run.mjs), where there is a node.
set -u
if [ -z "${NODE:-}" ]; then
  echo '1..0 # SKIP upstream tests: node is not installed'
  exit 0
fi
exec "$NODE" "$top_srcdir/tests/upstream/run.mjs"
