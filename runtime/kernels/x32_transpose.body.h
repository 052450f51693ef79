/* SPDX-License-Identifier: MIT */
/*
 * x32_transpose.body.h — walks a matrix in B × B blocks.  Included by
 * x32_transpose-<isa>.c, which defines B, `block` (one whole block), VARIANT and,
 * if it has one, `three`, for THREE columns of three rows that lie together when turned:
 * colours.
 *
 * Strips of columns of the source are done from top to bottom, so that what is
 * written is contiguous over a run of rows.
 */
#include "runtime/kernels/kernels.h"

static void rest(size_t rows, size_t cols, const uint32_t *x, size_t ldx, uint32_t *y, size_t ldy)
{
	for (size_t c = 0; c < cols; c++)
		for (size_t r = 0; r < rows; r++)
			y[c * ldy + r] = x[r * ldx + c];
}

static void transpose(size_t rows, size_t cols, const void *from, size_t ldx, void *to, size_t ldy)
{
	const uint32_t *x = from;
	uint32_t *y = to;
	size_t whole_rows, whole_cols;
#ifdef THREE
	if (rows == 3 && ldy == 3)
		for (; cols >= THREE; cols -= THREE, x += THREE, y += 3 * THREE)
			three(x, ldx, y);
#endif
	whole_rows = rows - rows % B;
	whole_cols = cols - cols % B;
	for (size_t c = 0; c < whole_cols; c += B)
		for (size_t r = 0; r < whole_rows; r += B)
			block(x + r * ldx + c, ldx, y + c * ldy + r, ldy);
	rest(whole_rows, cols - whole_cols, x + whole_cols, ldx, y + whole_cols * ldy, ldy);
	rest(rows - whole_rows, cols, x + whole_rows * ldx, ldx, y + whole_rows, ldy);
}

const struct rt_x32_transpose VARIANT = {transpose};
