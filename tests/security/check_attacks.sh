#!/bin/sh
# SPDX-License-Identifier: MIT
# What hostile pages try, in a real browser (attacks.mjs), where there is a node to run it.
set -u
if [ -z "${NODE:-}" ]; then
  echo '1..0 # SKIP attack pages: node is not installed'
  exit 0
fi
exec "$NODE" "$top_srcdir/tests/security/attacks.mjs"
