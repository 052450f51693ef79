/* SPDX-License-Identifier: MIT */
/*
 * unary_int.body.h — the loops of unary.c for one integer type T, computed as
 * uint64 so that nothing overflows.  NEGATIVE is x < 0, or 0 for unsigned types.
 */
LOOP(Abs, NEGATIVE ? 0 - (uint64_t)x : (uint64_t)x)
LOOP(Neg, 0 - (uint64_t)x)
LOOP(Relu, NEGATIVE ? 0 : x)
LOOP(Sign, NEGATIVE ? -1 : x != 0)
LOOP(BitwiseNot, ~(uint64_t)x)
LOOP(Shrink, shrunk((double)x, p))
LOOP(Erf, erf((double)x))
#undef ID
#undef T
