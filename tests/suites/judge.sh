# SPDX-License-Identifier: MIT
# Runs a test tool over stored cases and judges what fails by a list of known failures. Sourced.
#
# The list holds one `FOLDER/CASE` per line. A case that fails and is on it is `# TODO` (counted
# as skipped, a known failure); one that fails and is not on it is a regression. Cases that are
# on the list and pass are named, so that the list shrinks. With UPDATE=yes the list is written
# anew from what was seen: read the difference before it is committed.
#
#   UPDATE=yes make check TESTS=tests/suites/check_onnx.sh

shared=${LARDER_SHARED:-$top_srcdir/../shared}
judge_tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$judge_tmp"' EXIT
judge_count=0
judge_bad=0
: >"$judge_tmp/failed"
: >"$judge_tmp/ran"

# judge LIST TOOL FOLDER…: TOOL with its options (words) over each FOLDER below $shared
judge() {
  list=$1 tool=$2
  shift 2
  for folder; do
    if [ ! -d "$shared/$folder" ]; then
      judge_count=$((judge_count + 1))
      echo "ok $judge_count - $folder # SKIP it is not beside this tree"
      continue
    fi
    name=${folder##*/}
    # shellcheck disable=SC2086 # options are words
    $tool "$shared/$folder" >"$judge_tmp/said" 2>"$judge_tmp/errors"
    # cases are named from their folder, wherever that lies today
    sed "s|$shared/$folder/||" "$judge_tmp/said" >"$judge_tmp/named" && mv "$judge_tmp/named" "$judge_tmp/said"
    closing=$(tail -n 1 "$judge_tmp/said")
    case $closing in
      *' passed, '*' failed, '*' skipped') ;;
      *)
        judge_count=$((judge_count + 1)) judge_bad=1
        echo "not ok $judge_count - $folder: the tool did not finish"
        sed 's/^/# /' "$judge_tmp/errors" | tail -n 5
        continue
        ;;
    esac
    echo "# $folder: $closing"
    echo "$name" >>"$judge_tmp/ran"
    sed -n "s|^FAIL \([^:]*\): .*|$name/\1|p" "$judge_tmp/said" >>"$judge_tmp/failed"
    awk -v count="$judge_count" -v folder="$name" -v closing="$closing" -v list="$list" '
      BEGIN {
        while ((getline line < list) > 0)
          if (line !~ /^#/ && line != "") known[line] = 1
        split(closing, n, /[^0-9]+/)
        for (i = 0; i < n[1]; i++) print "ok " ++count " - " folder
      }
      /^(FAIL|SKIP) / {
        kind = $1
        text = substr($0, 6)
        gsub(/#/, "", text)
        name = text
        sub(/:.*/, "", name)
        if (kind == "SKIP") print "ok " ++count " - " folder "/" name " # SKIP " text
        else if (folder "/" name in known) print "not ok " ++count " - " folder "/" text " # TODO known"
        else print "not ok " ++count " - " folder "/" text
      }' "$judge_tmp/said" >"$judge_tmp/tap"
    cat "$judge_tmp/tap"
    judge_count=$((judge_count + $(wc -l <"$judge_tmp/tap")))
    if grep '^not ok' "$judge_tmp/tap" | grep -qv '# TODO known$'; then
      judge_bad=1
    fi
  done
}

# judged LIST: names what can leave the list, rewrites it if asked; the plan
judged() {
  sort -u "$judge_tmp/failed" -o "$judge_tmp/failed"
  gone=$(grep -v '^#' "$1" | while IFS= read -r known; do
    if grep -qxF "${known%%/*}" "$judge_tmp/ran" && ! grep -qxF "$known" "$judge_tmp/failed"; then
      echo "$known"
    fi
  done)
  [ -z "$gone" ] || printf '%s\n' "$gone" | sed 's/^/# passes now, take it off the list: /'
  if [ "${UPDATE:-no}" = yes ]; then
    grep -v '^#' "$1" | while IFS= read -r known; do
      grep -qxF "${known%%/*}" "$judge_tmp/ran" || echo "$known"
    done >>"$judge_tmp/failed"
    { grep '^#' "$1"; sort -u "$judge_tmp/failed"; } >"$judge_tmp/list"
    cat "$judge_tmp/list" >"$1"
  fi
  echo "1..$judge_count"
  exit $judge_bad
}
