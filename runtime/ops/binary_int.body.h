/* SPDX-License-Identifier: MIT */
/*
 * binary_int.body.h — the loops of binary.c for one integer type T.  Sums are
 * made in uint64 and cut, so they wrap; x / 0 and x mod 0 are 0; SIGNED is 0 or 1.
 */
LOOP(Add, (uint64_t)x + (uint64_t)y)
LOOP(Sub, (uint64_t)x - (uint64_t)y)
LOOP(Mul, (uint64_t)x *(uint64_t)y)
LOOP(Div, y == 0 ? 0 : SIGNED && y == (T)-1 ? 0 - (uint64_t)x : (uint64_t)(x / y))
LOOP(PRelu, SIGNED &&x < 1 ? (uint64_t)x * (uint64_t)y : (uint64_t)x)
LOOP(Min, x < y ? x : y)
LOOP(Max, x > y ? x : y)
LOOP(Fmod, y == 0 || (SIGNED && y == (T)-1) ? 0 : x % y)
/* The sign of the divisor, as Python has it. */
LOOP(Mod, y == 0 || (SIGNED && y == (T)-1)                 ? 0
	  : SIGNED && x % y != 0 && (x % y < 1) != (y < 1) ? x % y + y
							   : x % y)
LOOP(Pow, power((uint64_t)x, SIGNED, SIGNED &&y < 1 && y != 0, (uint64_t)y))
LOOP(BitwiseAnd, (uint64_t)x &(uint64_t)y)
LOOP(BitwiseOr, (uint64_t)x | (uint64_t)y)
LOOP(BitwiseXor, (uint64_t)x ^ (uint64_t)y)
LOOP(ShiftLeft, (uint64_t)y >= sizeof(T) * 8 ? 0 : (uint64_t)x << ((uint64_t)y & 63))
LOOP(ShiftRight, (uint64_t)y >= sizeof(T) * 8 ? 0 : (uint64_t)x >> ((uint64_t)y & 63))
#undef ID
#undef T
