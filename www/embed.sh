#!/bin/sh
# SPDX-License-Identifier: MIT
#
# embed.sh TOP OUT: writes the C header OUT with every file named in TOP/www/assets.def.
# Called by make. The same files give the same bytes; a missing file or an unreadable row fails.
set -eu
LC_ALL=C
export LC_ALL

top=$1
out=$2
tmp=$out.tmp
rows='^\(ASSET\|SAMPLE\)( *"\([^"]*\)", *"\([^"]*\)", *"\([^"]*\)" *)$'

# hex FILE: its bytes as C numbers, 16 to a line
hex() {
  od -An -v -tx1 "$1" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
}

# row KIND: one initialiser of struct www_asset per row of that kind
row() {
  n=0
  sed -n "s/$rows/\1|\2|\3|\4/p" "$top/www/assets.def" | while IFS='|' read -r kind path type file; do
    if [ "$kind" = "$1" ]; then
      sum=$(sha256sum "$top/$file")
      size=$(wc -c <"$top/$file")
      printf ' \\\n\t{"%s", "%s", asset_%d, %d, "\\"%s\\""},' \
        "$path" "$type" "$n" "$size" "${sum%% *}"
    fi
    n=$((n + 1))
  done
}

if grep -v "$rows" "$top/www/assets.def" | grep -q '^\(ASSET\|SAMPLE\)'; then
  echo "embed.sh: www/assets.def has a row that is not of the form in its legend" >&2
  exit 1
fi

{
  echo '/* Written by www/embed.sh from www/assets.def. */'
  n=0
  sed -n "s/$rows/\4/p" "$top/www/assets.def" | while read -r file; do
    [ -s "$top/$file" ] || {
      echo "embed.sh: $file is missing or empty" >&2
      exit 1
    }
    printf '\n/* %s */\n' "$file"
    echo "static _Alignas(64) const unsigned char asset_$n[] = {"
    hex "$top/$file"
    echo '};'
    n=$((n + 1))
  done
  printf '\n#define WWW_ASSETS_ROWS'
  row ASSET
  printf '\n\n#define WWW_SAMPLE_ROWS'
  row SAMPLE
  echo
} >"$tmp"
mv "$tmp" "$out"
