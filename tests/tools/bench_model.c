/* SPDX-License-Identifier: MIT */
/* bench-model: its place in the build, until it is written. */
#include <config.h>

#include <stdio.h>

int main(void)
{
	fputs("bench-model: not built yet\n", stderr);
	return 2;
}
