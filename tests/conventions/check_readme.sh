#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the README and the man pages say is so: routes, options, files; and the commands of every
# block marked ```sh tested run as they stand, with a daemon of our own behind 127.0.0.1:8411.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
cd "$top_srcdir" || exit 99

# ---- options: options.def against the man pages ----
keys=$(sed -n 's/^OPTION( *\([a-z_0-9]*\),.*/\1/p' daemon/options.def)
[ -n "$keys" ]
ok 'options.def has options' $?
none 'every option is in larderd.8' "$(
  for key in $keys; do
    option=$(printf '%s' "--$key" | sed 's/_/-/g; s/-/\\\\-/g')
    grep -qE "^\.B[IR]? $option( |\$)" daemon/larderd.8 || echo "$key"
  done
)"
none 'every key is in larder.conf.5' "$(
  for key in $keys; do
    grep -qxF ".B $key" daemon/larder.conf.5 || echo "$key"
  done
)"
none 'larder.conf.5 has no other keys' "$(
  sed -n '/^\.SH KEYS/,/^\.SH EXAMPLE/s/^\.B \([a-z_]*_[a-z_]*\)$/\1/p' daemon/larder.conf.5 |
    while read -r key; do
      printf '%s\n' "$keys" | grep -qxF "$key" || echo "$key"
    done
)"

# KEY DEFAULT of each option: what the man page says is left out, or says so itself
none 'defaults in larder.conf.5 are those of options.def' "$(
  awk -F, '/^OPTION\(/ { for (i = 1; i <= NF; i++) gsub(/^[ \t]+|[ \t]+$/, "", $i)
    sub(/OPTION\( */, "", $1); gsub(/"/, "", $5); if ($5 != "") print $1, $5 }' daemon/options.def |
    while read -r key default; do
      said=$(sed -n "/^\.B $key\$/,/^\.TP/s/.*Default:\{0,1\} \([0-9a-z]*\)[.;:,].*/\1/p" daemon/larder.conf.5 | head -n 1)
      [ -z "$said" ] || [ "$said" = "$default" ] || echo "$key: $said, not $default"
    done
)"
for table in upstreams:UPSTREAM:'[upstream' origin_keys:ORIGIN_KEY:'[origin'; do
  file=daemon/${table%%:*}.def
  rest=${table#*:}
  keys_of=$(sed -n "s/^${rest%%:*}(\([a-z_]*\),.*/\1/p" "$file")
  [ -n "$keys_of" ]
  ok "$file has keys" $?
  none "every key of $file is in larder.conf.5" "$(
    for key in $keys_of; do
      grep -qE "^\.B[RI]? $key( |\$)" daemon/larder.conf.5 || echo "$key"
    done
  )"
done

# ---- commands: larderctl --help against its man page ----
help=$("$top_builddir/larderctl" --help)
commands=$(printf '%s\n' "$help" |
  awk '/^  [a-z]/ { name = $1 } /^        / && !/not built yet/ { print name }' | sort -u)
[ -n "$commands" ]
ok 'larderctl --help has commands' $?
none 'every command is in larderctl.1' "$(
  for name in $commands; do
    grep -qE "^\.B[IR]? (.*\\\\fB)?$name( |\\\\|\$)" daemon/larderctl.1 || echo "$name"
  done
)"

none 'every option of a command is in larderctl.1' "$(
  sed -n 's/^COMMAND( *"\([a-z]*\)",\(.*\)/\1 \2/p' daemon/commands.def | while read -r name rest; do
    for option in $(printf '%s' "$rest" | grep -oE -e '--[a-z-]+'); do
      sed 's/\\-/-/g' daemon/larderctl.1 | grep -qF -e "$option" || echo "$name $option"
    done
  done
)"
none 'larderctl.1 has no other options' "$(
  sed 's/\\-/-/g' daemon/larderctl.1 | grep -oE -e '--[a-z][a-z-]+' | sort -u | while read -r option; do
    grep -qF -e "$option" daemon/commands.def ||
      "$top_builddir/larderctl" --help | grep -qF -e "$option" ||
      case $option in --help | --version) ;; *) echo "$option" ;; esac
  done
)"

# ---- routes: routes.def against the README ----
routes=$(sed -n 's/^[A-Z_]*ROUTE([^"]*"\([^"]*\)".*/\1/p' daemon/routes.def | sort -u)
[ -n "$routes" ]
ok 'routes.def has routes' $?
named=$(sed -n '/^## Routes/,/^## /s/^| *`\(\/[^`]*\)`.*/\1/p' README.md | sort -u)
none 'every route is in the README' "$(
  for route in $routes; do
    printf '%s\n' "$named" | grep -qxF "$route" || echo "$route"
  done
)"
none 'every route of the README is served' "$(
  for route in $named; do
    printf '%s\n' "$routes" | grep -qxF "$route" || echo "$route"
  done
)"

# ---- files that the README names ----
none 'every file of the README exists' "$(
  grep -oE '`(store|runtime|daemon|www|systemd|tests|\.ci)/[A-Za-z0-9_./-]*`' README.md |
    tr -d '`' | sort -u | while read -r file; do
    [ -e "$file" ] || echo "$file"
  done
)"

# ---- commands ----
. "$top_srcdir/tests/conventions/larderd.sh"
larderd_start --sample
ok 'larderd starts with the sample model' $?
cd "$larderd_dir" || exit 99
ln -s "$top_builddir" build
for folder in www tests; do
  ln -s "$top_srcdir/$folder" $folder
done
awk -v out="$larderd_dir/block" '
  /^```sh tested$/ { n++; file = out "-" n; next }
  /^```/ { file = "" }
  file { print > file }' "$top_srcdir/README.md"
for block in "$larderd_dir"/block-*; do
  [ -f "$block" ] || continue
  sed "s/127\.0\.0\.1:8411/$larderd_addr/g" "$block" >"$block.sh"
  said=$(timeout 60 sh -eu "$block.sh" 2>&1)
  status=$?
  ok "README: $(head -n 1 "$block")" $status
  [ $status -eq 0 ] || printf '%s\n' "$said" | sed 's/^/# /' | head -20
done
larderd_stop
is 'larderd stops in order' $? 0
done_testing
