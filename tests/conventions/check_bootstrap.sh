#!/bin/sh
# SPDX-License-Identifier: MIT
# ./bootstrap asks apt-get for what is missing, through sudo when not root, after saying so, and
# not at all when nothing is. Played in an empty folder with stand-ins for the system's tools.
set -u
. "$top_srcdir/tests/conventions/tap.sh"

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/bin" "$tmp/tree/build" "$tmp/tree/tests"
cp "$top_srcdir/bootstrap" "$tmp/tree/bootstrap"
: >"$tmp/tree/Makefile.in"
: >"$tmp/tree/config.h.in"
: >"$tmp/tree/build/Makefile"
: >"$tmp/tree/tests/package-lock.json"
printf '#!/bin/sh\n' >"$tmp/tree/configure"
chmod +x "$tmp/tree/configure" "$tmp/tree/bootstrap"

# stand_in NAME BODY: a command of that name that comes first on the path and logs its call
stand_in() {
  printf '#!/bin/sh\necho "%s $*" >>"%s/calls"\n%s\n' "$1" "$tmp" "$2" >"$tmp/bin/$1"
  chmod +x "$tmp/bin/$1"
}
stand_in make 'exit ${MAKE_STATUS:-0}'
stand_in apt-get ''
stand_in npm ''
stand_in sudo 'exec "$@"'
stand_in id 'echo 1000'
for name in clang-format curl python3 chromium node; do
  stand_in $name ''
done
stand_in config.status ''
cp "$tmp/bin/config.status" "$tmp/tree/build/config.status"

# bootstrap PACKAGES VERB: runs it where only PACKAGES are installed
bootstrap() {
  stand_in dpkg-query "printf '%s ii \n' $1"
  : >"$tmp/calls"
  PATH=$tmp/bin:$PATH "$tmp/tree/bootstrap" "$2" >"$tmp/said" 2>&1
  status=$?
}
called() { grep -c "$1" "$tmp/calls"; }

all='libc6-dev zlib1g-dev libzstd-dev libmicrohttpd-dev libuv1-dev libsqlite3-dev libssl-dev libcurl4-openssl-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libopenjp2-7-dev libseccomp-dev libjansson-dev'
bootstrap "$all" build
is 'nothing is missing: succeeds' $status 0
is 'nothing is missing: apt-get is not called' "$(called '^apt-get')" 0
is 'it makes' "$(called '^make .*-C build')" 1

bootstrap "${all% *}" build
is 'a package is missing: succeeds' $status 0
is 'apt-get installs just that' "$(called '^apt-get -q install .* libjansson-dev$')" 1
is 'through sudo' "$(called '^sudo env .*apt-get -q install')" 1
is 'the reason comes first' "$(sed -n 1p "$tmp/said")" \
  'bootstrap: HTTP, event loop, index, digests, JSON: libjansson-dev'
is 'configure looks again' "$(called '^config.status .*--recheck')" 1

stand_in id 'echo 0'
bootstrap "${all% *}" build
is 'root needs no sudo' "$(called '^sudo')" 0

everything="$all check ca-certificates"
bootstrap "$everything" check
is 'check: npm packages by the lock file' "$(called '^npm ci --ignore-scripts')" 1
is 'check: the tests, then the sum' "$(sed -n 's/^make -s -C build \(check\|sum\)$/\1/p' "$tmp/calls" | tr '\n' ' ')" \
  'check sum '
: >"$tmp/tree/tests/package-lock.json"
mkdir -p "$tmp/tree/tests/node_modules"
touch -d '+1 minute' "$tmp/tree/tests/node_modules/.package-lock.json"
bootstrap "$everything" check
is 'check: not again when they are there' "$(called '^npm')" 0
touch -d '+2 minutes' "$tmp/tree/tests/package-lock.json"
bootstrap "$everything" check
is 'check: again when the lock file is newer' "$(called '^npm')" 1

MAKE_STATUS=2
export MAKE_STATUS
bootstrap "$all" build
is 'a build that fails is a failure' $status 2
bootstrap "$all" fly
is 'an unknown verb is wrong usage' $status 2
done_testing
