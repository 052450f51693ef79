#!/bin/sh
# SPDX-License-Identifier: MIT
# Small TensorFlow.js models, made here and run by the real TensorFlow.js, then by build/tests/golden.
set -u
. "$top_srcdir/tests/conventions/peer.sh"
peer_needs TensorFlow.js @tensorflow/tfjs
peer_makes tests/tfjs/graphs.cjs 'TensorFlow.js makes the graphs'
peer_makes tests/tfjs/layers.cjs 'TensorFlow.js makes the layers'
peer_answers 50
