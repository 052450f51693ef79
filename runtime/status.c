/* SPDX-License-Identifier: MIT */
/*
 * status.c — what went wrong, in words.  Every file of runtime/ calls it.
 *
 * An error lives in the caller's frame; nothing here allocates, so that errors
 * about memory can be told too.  A text that is too long is cut, never refused.
 */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tensor.h"

const char *rt_status_text(int status)
{
	switch (status) {
	case RT_OK:
		return "ok";
#define STATUS(code, text)                                                                         \
	case RT_##code:                                                                            \
		return text;
#include "runtime/status.def"
#undef STATUS
	default:
		return "unknown status";
	}
}

int(rt_error_set)(struct rt_error *err, int status, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return status;
	err->status = status;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return status;
}

int(rt_error_wrap)(struct rt_error *err, const char *fmt, ...)
{
	char head[256];
	va_list ap;
	size_t len, old;

	if (err == NULL)
		return RT_MALFORMED;
	va_start(ap, fmt);
	(void)vsnprintf(head, sizeof(head) - 2, fmt, ap);
	va_end(ap);
	len = strlen(head);
	head[len++] = ':';
	head[len++] = ' ';
	/* Move what is there back; its end falls off when there is no room. */
	old = strlen(err->text);
	if (old > sizeof(err->text) - 1 - len)
		old = sizeof(err->text) - 1 - len;
	memmove(err->text + len, err->text, old);
	memcpy(err->text, head, len);
	err->text[len + old] = '\0';
	return err->status;
}

void rt_must_fail_(const char *file, int line, const char *cond)
{
	(void)fprintf(stderr, "larder: %s:%d: this must hold: %s\n", file, line, cond);
	abort();
}
