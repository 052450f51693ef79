# SPDX-License-Identifier: MIT
# The few words that shell tests report in: TAP on stdout, the plan at the end. Sourced.

tap_count=0
tap_failed=0

# ok NAME STATUS: a case that passed if STATUS is 0
ok() {
  tap_count=$((tap_count + 1))
  if [ "$2" -eq 0 ]; then
    echo "ok $tap_count - $1"
  else
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $1"
  fi
}

# is NAME GOT EXPECTED: a case that passed if both are the same text
is() {
  [ "$2" = "$3" ]
  ok "$1" $?
  [ "$2" = "$3" ] || printf '# got      %s\n# expected %s\n' "$2" "$3"
}

# none NAME TEXT: a case that passed if TEXT (the list of offenders) is empty
none() {
  [ -z "$2" ]
  ok "$1" $?
  [ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/#   /'
}

# skip NAME WHY: one case that could not be tried
skip() {
  tap_count=$((tap_count + 1))
  echo "ok $tap_count - $1 # SKIP $2"
}

# bail WHY: what all cases need is not so, and that is a fault; ends the test
bail() {
  echo "Bail out! $1"
  exit 99
}

# skip_all WHY: nothing here can be tried; ends the test
skip_all() {
  echo "1..0 # SKIP $1"
  exit 0
}

# done_testing: the plan; exit status 1 if a case failed
done_testing() {
  echo "1..$tap_count"
  [ $tap_failed -eq 0 ] || exit 1
  exit 0
}

# sources PATTERN…: our files whose names match, relative to the top folder, sorted. Found with
# find, not git, so that a tarball is held to the same rules as a clone.
sources() {
  (
    cd "$top_srcdir" || exit 1
    for pattern; do
      find store runtime daemon www systemd tests \
        \( -name node_modules -o -name build \) -prune -o -type f -name "$pattern" -print
    done | sort
  )
}
