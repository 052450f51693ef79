/* SPDX-License-Identifier: MIT */
/*
 * binary.body.h — the loops of binary.c for one float type: T, and F(f) that
 * names the function of libm for it.
 */
LOOP(Add, x + y)
LOOP(Sub, x - y)
LOOP(Mul, x *y)
LOOP(Div, x / y)
LOOP(Pow, F(pow)(x, y))
LOOP(PRelu, x < 0 ? x * y : x)
LOOP(Min, isnan(x) || x < y ? x : y)
LOOP(Max, isnan(x) || x > y ? x : y)
LOOP(Fmod, F(fmod)(x, y))
LOOP(Mod, floor_mod((double)x, (double)y))
#undef ID
#undef T
#undef F
