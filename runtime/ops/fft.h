/* SPDX-License-Identifier: MIT */
/*
 * fft.h — the discrete Fourier transform of any length, in double precision.
 * Called by dft.c; knows nothing of tensors.
 *
 *	X[k] = Σ_j x[j]·exp(−2πi·j·k/n), and the inverse with + and 1/n
 *
 * Powers of two go by Cooley and Tukey's halving; other lengths by Bluestein's
 * convolution with a chirp, whose length is the next power of two ≥ 2n − 1.
 */
#ifndef LARDER_RUNTIME_OPS_FFT_H
#define LARDER_RUNTIME_OPS_FFT_H

#include <stdbool.h>
#include <stddef.h>

struct rt_complex {
	double re, im;
};

struct rt_fft {
	size_t n;                  /* length of the transform, ≥ 1 */
	size_t m;                  /* power of two that is worked in; = n if n is one */
	struct rt_complex *turns;  /* [m / 2] exp(−2πi·k/m) */
	struct rt_complex *chirp;  /* [n] exp(−πi·k²/n); NULL if m = n */
	struct rt_complex *filter; /* [m] transform of the conjugate chirp, ÷ m */
};

/* rt_fft_elems(n): complex numbers that a plan of length n needs; 0 when n is 0 or too large. */
size_t rt_fft_elems(size_t n);
/* rt_fft_init(f, n, memory): fill a plan; ${memory} [rt_fft_elems(n)] stays with it. */
void rt_fft_init(struct rt_fft *f, size_t n, struct rt_complex *memory);
/* rt_fft_run(f, inverse, x, work): transform x [n] in place; ${work} [f->m]. */
void rt_fft_run(const struct rt_fft *f, bool inverse, struct rt_complex *x,
		struct rt_complex *work);

#endif
