/* SPDX-License-Identifier: MIT */
/* larderd: its place in the build, until it is written. */
#include <config.h>

#include <stdio.h>

int main(void)
{
	fputs("larderd: not built yet\n", stderr);
	return 2;
}
