/* SPDX-License-Identifier: MIT */
/* fft.c — see fft.h.  Must never allocate: dft.c gives memory. */
#include <config.h>

#include <math.h>
#include <string.h>

#include "runtime/ops/fft.h"

#define LENGTH_MAX ((size_t)1 << 40)
#define PI 3.14159265358979323846

static size_t power_of_two(size_t least)
{
	size_t m = 1;

	while (m < least)
		m *= 2;
	return m;
}

static size_t work_length(size_t n)
{
	size_t m = power_of_two(n);
	return m == n ? n : power_of_two(2 * n - 1);
}

size_t rt_fft_elems(size_t n)
{
	size_t m;

	if (n == 0 || n > LENGTH_MAX)
		return 0;
	m = work_length(n);
	return m / 2 + 1 + (m == n ? 0 : n + m);
}

static struct rt_complex times(struct rt_complex a, struct rt_complex b)
{
	return (struct rt_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static struct rt_complex conjugate(struct rt_complex a)
{
	return (struct rt_complex){a.re, -a.im};
}

static void swap_bits(struct rt_complex *x, size_t m)
{
	for (size_t i = 1, j = 0; i < m; i++) {
		size_t bit = m / 2;
		for (; j & bit; bit /= 2)
			j ^= bit;
		j ^= bit;
		if (i < j) {
			struct rt_complex t = x[i];
			x[i] = x[j];
			x[j] = t;
		}
	}
}

/* In place, m a power of two, forwards. */
static void halving(const struct rt_fft *f, struct rt_complex *x)
{
	swap_bits(x, f->m);
	for (size_t half = 1; half < f->m; half *= 2) {
		size_t step = f->m / (2 * half);
		for (size_t base = 0; base < f->m; base += 2 * half)
			for (size_t k = 0; k < half; k++) {
				struct rt_complex a = x[base + k];
				struct rt_complex b = times(x[base + k + half], f->turns[k * step]);
				x[base + k] = (struct rt_complex){a.re + b.re, a.im + b.im};
				x[base + k + half] = (struct rt_complex){a.re - b.re, a.im - b.im};
			}
	}
}

/* exp(−πi·p/q), the angle reduced first. */
static struct rt_complex turn(size_t p, size_t q)
{
	double angle = PI * (double)(p % (2 * q)) / (double)q;
	return (struct rt_complex){cos(angle), -sin(angle)};
}

void rt_fft_init(struct rt_fft *f, size_t n, struct rt_complex *memory)
{
	*f = (struct rt_fft){.n = n, .m = work_length(n), .turns = memory};
	for (size_t k = 0; k < f->m / 2; k++)
		f->turns[k] = turn(2 * k, f->m);
	if (f->m == n)
		return;
	f->chirp = memory + f->m / 2 + 1;
	f->filter = f->chirp + n;
	memset(f->filter, 0, f->m * sizeof(*f->filter));
	for (size_t k = 0, square = 0; k < n; k++) { /* square = k² mod 2n */
		f->chirp[k] = turn(square, n);
		f->filter[k] = conjugate(f->chirp[k]);
		f->filter[(f->m - k) % f->m] = f->filter[k];
		square = (square + 2 * k + 1) % (2 * n);
	}
	halving(f, f->filter);
	for (size_t k = 0; k < f->m; k++) {
		f->filter[k].re /= (double)f->m;
		f->filter[k].im /= (double)f->m;
	}
}

static void forward(const struct rt_fft *f, struct rt_complex *x, struct rt_complex *work)
{
	if (!f->chirp) {
		halving(f, x);
		return;
	}
	for (size_t k = 0; k < f->n; k++)
		work[k] = times(x[k], f->chirp[k]);
	memset(work + f->n, 0, (f->m - f->n) * sizeof(*work));
	halving(f, work);
	/* a convolution; the transform back is the conjugate's transform, conjugated */
	for (size_t k = 0; k < f->m; k++)
		work[k] = conjugate(times(work[k], f->filter[k]));
	halving(f, work);
	for (size_t k = 0; k < f->n; k++)
		x[k] = times(conjugate(work[k]), f->chirp[k]);
}

void rt_fft_run(const struct rt_fft *f, bool inverse, struct rt_complex *x, struct rt_complex *work)
{
	for (size_t k = 0; inverse && k < f->n; k++)
		x[k] = conjugate(x[k]);
	forward(f, x, work);
	for (size_t k = 0; inverse && k < f->n; k++)
		x[k] = (struct rt_complex){x[k].re / (double)f->n, -x[k].im / (double)f->n};
}
