/* SPDX-License-Identifier: MIT */
/* larderctl: its place in the build, until it is written. */
#include <config.h>

#include <stdio.h>

int main(void)
{
	fputs("larderctl: not built yet\n", stderr);
	return 2;
}
