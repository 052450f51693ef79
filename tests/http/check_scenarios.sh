#!/bin/sh
# SPDX-License-Identifier: MIT
# Plays every scenario of this folder against the larderd that was just built.
: "${top_srcdir:=.}" "${top_builddir:=build}"
exec "$top_builddir/tests/http/http-runner" "$top_builddir/larderd" "$top_srcdir"/tests/http/*.http
