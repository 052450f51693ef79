#!/bin/sh
# SPDX-License-Identifier: MIT
# The judge of the suites: a regression fails, a known failure does not, a crash is not silence.
set -u
. "$top_srcdir/tests/conventions/tap.sh"

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/shared/area/node"
printf '# head\nnode/old\nnode/better\nother/case\n' >"$tmp/list"

# verdict SAID: runs the judge over a tool that says SAID
verdict() {
  printf '%b' "$1" >"$tmp/said"
  printf '#!/bin/sh\ncat "%s"\n' "$tmp/said" >"$tmp/tool"
  chmod +x "$tmp/tool"
  LARDER_SHARED=$tmp/shared LIST=$tmp/list TOOL=$tmp/tool sh -c '
    . "$top_srcdir/tests/suites/judge.sh"
    judge "$LIST" "$TOOL" area/node
    judged "$LIST"' >"$tmp/out" 2>&1
  status=$?
}

verdict 'FAIL old: no such op\n2 passed, 1 failed, 0 skipped\n'
is 'a known failure is not a failure' $status 0
is 'it is marked' "$(grep -c '^not ok 3 - node/old: no such op # TODO known$' "$tmp/out")" 1
is 'the plan counts all' "$(tail -n 1 "$tmp/out")" 1..3
is 'what passes now is named' "$(grep -c 'passes now.*node/better$' "$tmp/out")" 1
is 'what did not run is not' "$(grep -c 'passes now.*other/case$' "$tmp/out")" 0
verdict 'FAIL new: wrong\n2 passed, 1 failed, 0 skipped\n'
is 'a new failure fails' $status 1
verdict 'FAIL old: x\n'
is 'a tool that does not finish fails' $status 1
UPDATE=yes
export UPDATE
verdict 'FAIL fresh: wrong\n2 passed, 1 failed, 0 skipped\n'
is 'the list is written anew' "$(tr '\n' ' ' <"$tmp/list")" '# head node/fresh other/case '
done_testing
