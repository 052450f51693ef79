#!/bin/sh
# SPDX-License-Identifier: MIT
# The corpora of the fuzz targets: every file, every prefix, thousands of bit flips. A finding is
# a crash or, under the sanitizers (make check-san), an error of theirs.
set -u
. "$top_srcdir/tests/conventions/tap.sh"
corpus=$top_srcdir/tests/fuzz/corpus

# replay TARGET FLIPS FILE…
replay() {
  target=$1 flips=$2
  shift 2
  said=$("$top_builddir/tests/fuzz/replay_$target" --cuts 100000 --flips "$flips" "$@" 2>&1)
  status=$?
  ok "$target: $(printf '%s\n' "$said" | tail -n 1)" $status
  [ $status -eq 0 ] || {
    echo "# exit status $status"
    printf '%s\n' "$said" | tail -n 30 | sed 's/^/# /'
  }
}
replay onnx 10000 "$top_srcdir/www/sample/model.onnx"
replay onnx 1000 "$corpus"/onnx/*
replay tfjs 1000 "$corpus"/tfjs/*
replay tflite 1000 "$corpus"/tflite/*
replay oip 10000 "$corpus"/oip/*
replay range 10000 "$corpus"/range/*
replay negotiate 10000 "$corpus"/negotiate/*
replay route 10000 "$corpus"/route/*
replay guard 10000 "$corpus"/guard/*
replay settings 3000 "$corpus"/settings/*
replay origins 10000 "$corpus"/origins/*
replay manifest 10000 "$corpus"/manifest/*
replay chunks 10000 "$corpus"/chunks/*
replay hub 10000 "$corpus"/hub/*
done_testing
