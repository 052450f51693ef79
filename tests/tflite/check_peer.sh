#!/bin/sh
# SPDX-License-Identifier: MIT
# Small TensorFlow Lite models, made here and run by the real TensorFlow Lite, then by build/tests/golden; those whose
# names begin with "exact" to the bit.
set -u
. "$top_srcdir/tests/conventions/peer.sh"
peer_needs 'TensorFlow Lite' @tensorflow/tfjs-tflite
peer_makes tests/tflite/cases.cjs 'TensorFlow Lite runs the cases'
peer_answers 150
