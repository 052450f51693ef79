/* SPDX-License-Identifier: MIT */
/*
 * fault.c — statuses of store and runtime to HTTP, once.  Called by handlers;
 * must never let an operator's text (errno, paths) reach a client.
 */
#include <config.h>

#include "daemon/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/utf8.h"
#include "runtime/runtime.h"
#include "store/store.h"

struct row {
	int status;
	unsigned http;
	bool shown; /* the error's own text may be shown */
	const char *text;
};

static const struct row store_rows[] = {
    {STORE_NOT_FOUND, 404, true, NULL}, {STORE_INVALID, 400, true, NULL},
    {STORE_DIGEST, 422, true, NULL},    {STORE_DAMAGED, 503, true, NULL},
    {STORE_EXISTS, 409, true, NULL},    {STORE_BUSY, 503, false, NULL},
    {STORE_LOCKED, 503, false, NULL},   {STORE_FULL, 507, false, NULL},
    {STORE_IO, 500, false, NULL},       {STORE_MEMORY, 507, false, NULL},
    {STORE_INDEX, 503, false, NULL},    {STORE_VERSION, 500, false, NULL},
    {STORE_QUOTA, 507, true, NULL},     {STORE_READONLY, 507, false, NULL},
    {STORE_FILES, 503, false, NULL},    {STORE_STOPPED, 503, false, NULL},
};

/* A model is never a reason for 500: it is the client's, or more than this machine has. */
static const struct row rt_rows[] = {
    {RT_MALFORMED, 422, true, NULL}, {RT_UNSUPPORTED, 501, true, NULL},
    {RT_INPUT, 400, true, NULL},     {RT_NOT_FOUND, 422, true, NULL},
    {RT_BUDGET, 507, true, NULL},    {RT_MEMORY, 507, false, NULL},
    {RT_DATA, 400, true, NULL},      {RT_CANCELLED, 503, false, NULL},
    {RT_IO, 503, false, NULL},
};

/* One row per status, or the build stops. */
enum {
	STORE_STATUSES = 0
#define STATUS(code, text) +1
#include "store/status.def"
#undef STATUS
	,
	RT_STATUSES = 0
#define STATUS(code, text) +1
#include "runtime/status.def"
#undef STATUS
};
_Static_assert(sizeof(store_rows) / sizeof(store_rows[0]) == STORE_STATUSES, "store/status.def");
_Static_assert(sizeof(rt_rows) / sizeof(rt_rows[0]) == RT_STATUSES, "runtime/status.def");

static const struct row unknown = {0, 500, false, "internal error"};

static const struct row *find(const struct row *rows, size_t count, int status)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].status == status)
			return &rows[i];
	}
	return &unknown;
}

static const struct row *store_row(int status)
{
	return find(store_rows, STORE_STATUSES, status);
}

static const struct row *rt_row(int status)
{
	return find(rt_rows, RT_STATUSES, status);
}

/* A text that was cut in the middle of a character is cut before it. */
static void tidy(struct fault *f, size_t size)
{
	if (size >= sizeof(f->text))
		f->text[utf8_cut(f->text, sizeof(f->text) - 1)] = '\0';
}

int fault_set(struct fault *f, unsigned http, const char *fmt, ...)
{
	va_list ap;
	int n;

	f->http = http;
	f->retry_after_s = 0;
	va_start(ap, fmt);
	n = vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	tidy(f, n < 0 ? 0 : (size_t)n);
	return -1;
}

static int from_row(struct fault *f, const struct row *row, const char *fixed, const char *text)
{
	(void)fault_set(f, row->http, "%s",
			row->shown && text != NULL && text[0] != '\0' ? text : fixed);
	if (row->http == 503)
		f->retry_after_s = 1;
	return -1;
}

int fault_store(struct fault *f, int status, const char *text)
{
	const struct row *row = store_row(status);

	return from_row(f, row, row == &unknown ? unknown.text : store_status_text(status), text);
}

int fault_rt(struct fault *f, int status, const char *text)
{
	const struct row *row = rt_row(status);

	return from_row(f, row, row == &unknown ? unknown.text : rt_status_text(status), text);
}

unsigned fault_store_http(int status)
{
	return store_row(status)->http;
}

unsigned fault_rt_http(int status)
{
	return rt_row(status)->http;
}
