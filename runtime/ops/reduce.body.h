/* SPDX-License-Identifier: MIT */
/*
 * reduce.body.h — the steps of reduce.c for one element type: T, its functions'
 * suffix ID, and KIND: FLOATING, SIGNED or UNSIGNED.  Accumulated as A: double,
 * int64 or uint64; integers wrap.  STEP(op, expr): acc = expr of acc and x; shift is
 * what LogSumExp subtracts.
 */
#if KIND == FLOATING
#define A double
#define AT f
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define ABSOLUTE(a) fabs(a)
#define IS_NAN(a) isnan(a)
#define OVER(a, n) ((a) / (double)(n))
#define OF_DOUBLE(v) (T)(v)
#else
#if KIND == SIGNED
#define A int64_t
#define AT i
#define ABSOLUTE(a) ((a) < 0 ? (A)(0 - (uint64_t)(a)) : (a))
#define OF_DOUBLE(v) (T) signed_of(v, 8 * sizeof(T))
#else
#define A uint64_t
#define AT u
#define ABSOLUTE(a) (a)
#define OF_DOUBLE(v) (T) unsigned_of(v, 8 * sizeof(T))
#endif
#define ADD(a, b) (A)((uint64_t)(a) + (uint64_t)(b))
#define MUL(a, b) (A)((uint64_t)(a) * (uint64_t)(b))
#define IS_NAN(a) false
#define OVER(a, n) ((n) != 0 ? (a) / (A)(n) : 0)
#endif

STEP(Sum, ADD(acc, x))
STEP(Prod, MUL(acc, x))
STEP(L1, ADD(acc, ABSOLUTE(x)))
STEP(SumSquare, ADD(acc, MUL(x, x)))
STEP(Max, x > acc || IS_NAN(x) ? x : acc)
STEP(Min, x < acc || IS_NAN(x) ? x : acc)
STEP(SumExp, (A)((double)acc + exp((double)x - shift)))

static void PASTE(finish, ID)(enum finish how, const union accumulator *acc, const double *shift,
			      int64_t n, void *out, int64_t count)
{
	T *y = out;

	for (int64_t i = 0; i < count; i++) {
		if (how == MEAN)
			y[i] = (T)OVER(acc[i].AT, n);
		else if (how == ROOT)
			y[i] = OF_DOUBLE(sqrt((double)acc[i].AT));
		else if (how == LOG)
			y[i] = OF_DOUBLE(log((double)acc[i].AT));
		else if (how == LOG_SHIFTED)
			y[i] = OF_DOUBLE(isinf(shift[i]) ? shift[i]
							 : log((double)acc[i].AT) + shift[i]);
		else
			y[i] = (T)acc[i].AT;
	}
}

/* Accumulators as doubles: the shifts of LogSumExp. */
static void PASTE(shifts, ID)(const union accumulator *acc, double *shift, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		shift[i] = (double)acc[i].AT;
}

#undef ID
#undef T
#undef A
#undef AT
#undef ADD
#undef MUL
#undef ABSOLUTE
#undef IS_NAN
#undef OVER
#undef OF_DOUBLE
#undef KIND
