/* SPDX-License-Identifier: MIT */
/*
 * conv.body.h — the planes of Conv, included by conv.c once per element type,
 * with REAL (float, double) and SUFFIXED(name).
 */

#define ADD_ROW SUFFIXED(add_row)
#define ADD_PLANE SUFFIXED(add_plane)

struct SUFFIXED(job) {
	const struct shape_state *st;
	const REAL *x, *w, *bias;
	REAL *y;
};

/* One input row times the kernel row w[kernel width], added to one output row. */
static void ADD_ROW(const struct rt_spatial *s, const REAL *x, const REAL *w, REAL *y)
{
	const int64_t step = s->stride[2];
	for (int64_t t = 0; t < s->kernel[2]; t++) {
		/* the output positions for which this tap is inside: 0 ≤ o·step + at < in */
		int64_t at = t * s->dilation[2] - s->begin[2];
		int64_t first = at < 0 ? (-at + step - 1) / step : 0;
		int64_t end = at < s->in[2] ? (s->in[2] - 1 - at) / step + 1 : 0;
		const REAL k = w[t];
		if (end > s->out[2])
			end = s->out[2];
		for (int64_t o = first; o < end; o++)
			y[o] += k * x[o * step + at];
	}
}

/* Output plane ${y} of one channel += one input plane ∗ one kernel. */
static void ADD_PLANE(const struct rt_spatial *s, const REAL *x, const REAL *w, REAL *y)
{
	for (int64_t od = 0; od < s->out[0]; od++) {
		int64_t d0, dn;
		rt_spatial_taps(s, 0, od, &d0, &dn);
		for (int64_t oh = 0; oh < s->out[1]; oh++, y += s->out[2]) {
			int64_t h0, hn;
			rt_spatial_taps(s, 1, oh, &h0, &hn);
			for (int64_t i = 0; i < dn * hn; i++) {
				int64_t kd = d0 + i / hn, kh = h0 + i % hn;
				int64_t d = od * s->stride[0] - s->begin[0] + kd * s->dilation[0];
				int64_t h = oh * s->stride[1] - s->begin[1] + kh * s->dilation[1];
				ADD_ROW(s, x + (d * s->in[1] + h) * s->in[2],
					w + (kd * s->kernel[1] + kh) * s->kernel[2], y);
			}
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
	const int64_t per_group = st->in_channels / st->group;
	(void)thread;
	for (int64_t i = (int64_t)begin; i < (int64_t)end; i++) {
		int64_t n = i / st->out_channels, m = i % st->out_channels;
		int64_t group = m / (st->out_channels / st->group);
		const REAL *x = j->x + (n * st->in_channels + group * per_group) * in_plane;
		REAL *y = j->y + i * out_plane;
		for (int64_t k = 0; k < out_plane; k++)
			y[k] = j->bias ? j->bias[m] : 0;
		for (int64_t c = 0; c < per_group; c++)
			ADD_PLANE(s, x + c * in_plane, j->w + (m * per_group + c) * kernel, y);
	}
}

static void SUFFIXED(convolve)(const struct rt_run *r)
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
