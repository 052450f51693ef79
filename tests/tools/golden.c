/* SPDX-License-Identifier: MIT */
/* golden: its place in the build, until it is written. */
#include <config.h>

#include <stdio.h>

int main(void)
{
	fputs("golden: not built yet\n", stderr);
	return 2;
}
