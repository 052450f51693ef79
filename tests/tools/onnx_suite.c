/* SPDX-License-Identifier: MIT */
/* onnx-suite: its place in the build, until it is written. */
#include <config.h>

#include <stdio.h>

int main(void)
{
	fputs("onnx-suite: not built yet\n", stderr);
	return 2;
}
