/* SPDX-License-Identifier: MIT */
/*
 * opened.c — see opened.h.
 */
#include <config.h>

#include <check.h>
#include <string.h>

#include "tests/runtime/opened.h"

struct rt_error opened_err;
struct rt_team *opened_team;

void opened_start(void)
{
	opened_team = rt_team_new(2);
	ck_assert_ptr_nonnull(opened_team);
}

void opened_stop(void)
{
	rt_team_free(opened_team);
}

int opened_try(struct opened *o, const struct rt_model_opts *opts)
{
	struct rt_model_opts scalar = {.cpu_level = RT_CPU_SCALAR};
	int status;

	opened_err.text[0] = '\0';
	status = rt_model_open(pbuild_finish(&o->m), opts != NULL ? opts : &scalar, &o->model,
			       &opened_err);
	if (status == RT_OK)
		status = rt_session_open(o->model, opened_team, &o->session, &opened_err);
	return status;
}

void opened_open(struct opened *o, const struct rt_model_opts *opts)
{
	int status = opened_try(o, opts);

	ck_assert_msg(status == RT_OK, "%s", opened_err.text);
}

void opened_close(struct opened *o)
{
	rt_session_close(o->session);
	rt_model_close(o->model);
	pbuild_free(&o->m);
	*o = (struct opened){.model = NULL};
}

struct rt_tensor opened_f32(float *data, int rank, const int64_t *dims)
{
	struct rt_tensor t = {.dtype = RT_F32, .shape.rank = rank, .data = data};

	memcpy(t.shape.dims, dims, sizeof(*dims) * (size_t)rank);
	return t;
}

struct rt_tensor opened_i64(int64_t *data, int rank, const int64_t *dims)
{
	struct rt_tensor t = opened_f32(NULL, rank, dims);

	t.dtype = RT_I64;
	t.data = data;
	return t;
}

void opened_run(struct opened *o, const struct rt_tensor *in, struct rt_tensor *out)
{
	int status = rt_session_run(o->session, in, out, NULL, NULL, &opened_err);

	ck_assert_msg(status == RT_OK, "%s", opened_err.text);
}

void opened_refuses(struct opened *o, const struct rt_tensor *in, int status, const char *says)
{
	struct rt_tensor out[4];

	ck_assert_int_eq(rt_session_run(o->session, in, out, NULL, NULL, &opened_err), status);
	ck_assert_msg(strstr(opened_err.text, says) != NULL, "'%s' does not say '%s'",
		      opened_err.text, says);
}
