/* SPDX-License-Identifier: MIT */
/*
 * conv_transpose.body.h — the planes of ConvTranspose, included by conv_transpose.c once per
 * element type, with REAL (float, double) and SUFFIXED(name).
 */

#define ADD_ROW SUFFIXED(add_row)
#define ADD_PLANE SUFFIXED(add_plane)

struct SUFFIXED(job) {
	const struct shape_state *st;
	const REAL *x, *w, *bias;
	REAL *y;
};

/* Output row y[out] += input row x[in] spread by the kernel row w[kernel]. */
static void ADD_ROW(const struct rt_spatial *s, const REAL *x, const REAL *w, REAL *y)
{
	const int64_t step = s->stride[2];
	for (int64_t t = 0; t < s->kernel[2]; t++) {
		/* input positions whose output i·step + at is in the row */
		int64_t at = t * s->dilation[2] - s->begin[2];
		int64_t first = at < 0 ? (-at + step - 1) / step : 0;
		int64_t end = at < s->out[2] ? (s->out[2] - 1 - at) / step + 1 : 0;
		if (end > s->in[2])
			end = s->in[2];
		for (int64_t i = first; i < end; i++)
			y[i * step + at] += w[t] * x[i];
	}
}

static void ADD_PLANE(const struct rt_spatial *s, const REAL *x, const REAL *w, REAL *y)
{
	const int64_t rows = s->in[0] * s->in[1], taps = s->kernel[0] * s->kernel[1];
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t t = 0; t < taps; t++) {
			int64_t d = meets(s, 0, i / s->in[1], t / s->kernel[1]);
			int64_t h = meets(s, 1, i % s->in[1], t % s->kernel[1]);
			if (d >= 0 && h >= 0)
				ADD_ROW(s, x + i * s->in[2], w + t * s->kernel[2],
					y + (d * s->out[1] + h) * s->out[2]);
		}
	}
}

/* Output planes ${begin} … ${end} − 1 of batch · out_channels. */
static void SUFFIXED(planes)(void *arg, size_t begin, size_t end, int thread)
{
	const struct SUFFIXED(job) *j = arg;
	const struct shape_state *st = j->st;
	const struct rt_spatial *s = &st->s;
	const int64_t in_plane = s->in[0] * s->in[1] * s->in[2];
	const int64_t out_plane = s->out[0] * s->out[1] * s->out[2];
	const int64_t kernel = s->kernel[0] * s->kernel[1] * s->kernel[2];
	const int64_t in_group = st->in_channels / st->group;
	const int64_t out_group = st->out_channels / st->group;
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t n = i / st->out_channels, m = i % st->out_channels;
		REAL *y = j->y + i * out_plane;
		for (int64_t k = 0; k < out_plane; k++)
			y[k] = j->bias ? j->bias[m] : 0;
		for (int64_t c = 0; c < in_group; c++) {
			int64_t channel = m / out_group * in_group + c;
			ADD_PLANE(s, j->x + (n * st->in_channels + channel) * in_plane,
				  j->w + (channel * out_group + m % out_group) * kernel, y);
		}
	}
}

static void SUFFIXED(spread)(const struct rt_run *r)
{
	const struct shape_state *st = r->shape_state;
	struct SUFFIXED(job)
	    j = {.st = st, .x = r->in[0].data, .w = r->in[1].data, .y = r->out[0].data};

	if (r->in_count > 2)
		j.bias = r->in[2].data;
	rt_team_for(r->team, (size_t)(st->batch * st->out_channels), 1, SUFFIXED(planes), &j);
}
#undef ADD_ROW
#undef ADD_PLANE
