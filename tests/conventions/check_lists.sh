#!/bin/sh
# SPDX-License-Identifier: MIT
# Every file of ours is named in Makefile.am, so that it is built, tested or at least shipped.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

if git ls-files --error-unmatch configure.ac >/dev/null 2>&1; then
  files=$(git ls-files store runtime daemon www systemd tests | grep -v '^tests/fuzz/corpus/')
else
  files=$(sources '*' | grep -vE '^tests/fuzz/corpus/|/(\.deps|\.libs)/|\.(o|lo|la|log|trs)$')
fi
# one file per word, as make sees it: continued lines joined, remarks dropped
words=$(sed 's/#.*//; s/\\$//' Makefile.am | tr ' \t' '\n\n' | sort -u)
none 'every file is in a list of Makefile.am' "$(
  printf '%s\n' $files | while IFS= read -r file; do
    [ -f "$file" ] || continue
    printf '%s\n' "$words" | grep -qxF -e "$file" -e "\$(srcdir)/$file" || echo "$file"
  done
)"
none 'every file in a list exists' "$(
  printf '%s\n' "$words" | grep -E '^(store|runtime|daemon|www|tests)/.*\.(c|h|def|sh|mjs|js|html|css)$' |
    while IFS= read -r file; do
      case $file in
        www/assets_data.h | tests/cross/config.h) continue ;; # made in the build folder
      esac
      [ -f "$file" ] || echo "$file"
    done
)"
done_testing
