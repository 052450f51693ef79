#!/bin/sh
# SPDX-License-Identifier: MIT
# Nothing in the tree is true of one machine only: no absolute paths of a developer, no package
# registry, no debts left in comments.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

# The patterns are written so that this file does not match them.
if git ls-files --error-unmatch configure.ac >/dev/null 2>&1; then
  files=$(git ls-files | grep -vE '\.(png|ico|onnx|bin|data|woff2)$')
else
  files="$(sources '*.[ch]' '*.def' '*.sh' '*.js' '*.json' '*.html' '*.py' '*.md') README.md Makefile.am configure.ac bootstrap"
fi
existing=
for file in $files; do
  [ -f "$file" ] && existing="$existing $file"
done

none 'no path of a particular machine' \
  "$(grep -nIE '/(wor[k]|roo[t]|hom[e]/[a-z]+)/|/tm[p]/(b-|m[k]|brie[f])' $existing | cut -c 1-120)"
none 'no package registry' \
  "$(grep -nIE 'npmj[s]\.(org|com)|registr[y]\.(npm|yarn)|pyp[i]\.org|crate[s]\.io|de[b]\.debian\.org' $existing | cut -c 1-120)"
none 'no debts in comments' \
  "$(grep -nIE '\b(TO[D]O|FIX[M]E|HAC[K])\b' $(printf '%s\n' $existing | grep -E '\.([ch]|js|mjs|def|py)$') | cut -c 1-120)"
none 'shell scripts parse' \
  "$(for file in $(sources '*.sh') tests/run; do sh -n "$file" 2>&1; done)"
none 'no broken links' "$(find . -name .git -prune -o -name node_modules -prune -o -type l ! -exec test -e {} \; -print)"
done_testing
