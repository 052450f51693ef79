#!/bin/sh
# SPDX-License-Identifier: MIT
# The corpora of the fuzz targets: every file, every prefix, ten thousand bit flips. A finding is
# a crash or, under the sanitizers (make check-san), an error of theirs.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
corpus=$top_srcdir/tests/fuzz/corpus

# replay TARGET FILE…
replay() {
  target=$1
  shift
  said=$("$top_builddir/tests/fuzz/replay_$target" --cuts 100000 --flips 10000 "$@" 2>&1)
  status=$?
  ok "$target: $(printf '%s\n' "$said" | tail -n 1)" $status
  [ $status -eq 0 ] || {
    echo "# exit status $status"
    printf '%s\n' "$said" | tail -n 30 | sed 's/^/# /'
  }
}
replay onnx "$top_srcdir/www/sample/model.onnx" "$corpus"/onnx/*
replay oip "$corpus"/oip/*
replay range "$corpus"/range/*
replay route "$corpus"/route/*
done_testing
